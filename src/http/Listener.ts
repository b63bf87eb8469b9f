/**
 * The HTTP server: owns the listening socket and every TCP connection on it that has not become a WebSocket.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"
import * as http from "node:http"
import { Socket } from "node:net"
import { cannotListen, cannotRead, cannotUseCertificate, type StartError } from "./StartError.js"

/** Where to listen, and with which certificate. */
export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly tls: { readonly cert: string; readonly key: string } | undefined
}

/** What becomes of the requests. */
export interface ListenerHandlers {
  readonly onRequest: (request: http.IncomingMessage, response: http.ServerResponse) => void
  /** A request that wants to leave HTTP: `response` is for the case that it may not. */
  readonly onUpgrade: (
    request: http.IncomingMessage,
    socket: Socket,
    head: Buffer,
    response: () => http.ServerResponse
  ) => void
}

/** A server that listens. */
export interface Listener {
  readonly address: { readonly host: string; readonly port: number }
  /**
   * Stops listening. Requests that are being answered are, and then their TCP connections end; those that wait for a
   * request, or are in the middle of one, are dropped now.
   */
  readonly stopListening: Effect.Effect<void>
  /** Ends what is left, and waits until nothing of the server is. */
  readonly close: Effect.Effect<void>
}

const ignore = (): void => {}

/** The key and certificate, and what makes a server of them. Loaded only for TLS. */
const secureServer = (tls: {
  readonly cert: string
  readonly key: string
}): Effect.Effect<http.Server, StartError> =>
  Effect.gen(function* () {
    const read = (what: string, file: string, flag: string) =>
      Effect.tryPromise({
        try: () => fs.readFile(file),
        catch: (cause) => cannotRead(what, file, flag, cause)
      })
    const cert = yield* read("TLS certificate", tls.cert, "tls-cert")
    const key = yield* read("TLS key", tls.key, "tls-key")
    const https = yield* Effect.promise(() => import("node:https"))
    const crypto = yield* Effect.promise(() => import("node:crypto"))
    return yield* Effect.try({
      try: () => {
        // Node itself overlooks a key of another kind than the certificate's, until a client comes.
        if (!new crypto.X509Certificate(cert).checkPrivateKey(crypto.createPrivateKey(key))) {
          throw new Error("the key does not match the certificate")
        }
        // Half open as in plain HTTP: what a peer sent before it ended its side is still answered.
        return https.createServer({ cert, key, allowHalfOpen: true })
      },
      catch: (cause) => cannotUseCertificate(tls.cert, tls.key, cause)
    })
  })

const listen = (server: http.Server, host: string, port: number): Effect.Effect<void, StartError> =>
  Effect.async<void, StartError>((resume) => {
    const onError = (cause: Error): void => {
      server.off("listening", onListening)
      resume(Effect.fail(cannotListen(host, port, cause)))
    }
    const onListening = (): void => {
      server.off("error", onError)
      resume(Effect.void)
    }
    server.once("error", onError)
    server.once("listening", onListening)
    server.listen({ host, port })
  })

const isWithoutIPv6 = ({ cause }: StartError): boolean =>
  cause instanceof Error &&
  "code" in cause &&
  (cause.code === "EAFNOSUPPORT" || cause.code === "EADDRNOTAVAIL")

/** Names a TCP connection; with TLS, Node has one socket for the wire and another for what is said on it. */
const nameOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`

/** Starts to listen. Whoever calls it also closes what it returns. */
export const make = (
  options: ListenerOptions,
  handlers: ListenerHandlers
): Effect.Effect<Listener, StartError> =>
  Effect.gen(function* () {
    const server = options.tls === undefined ? http.createServer() : yield* secureServer(options.tls)
    /** TCP connections that have not become WebSockets, and the response that each is waiting for. */
    const sockets = new Map<Socket, http.ServerResponse | undefined>()
    /** TCP connections on which TLS has not begun to speak. */
    const insecure = new Map<string, Socket>()
    let isListening = true

    const track = (socket: Socket): void => {
      // Before anything else: a reset at any moment must find a listener.
      socket.on("error", ignore)
      sockets.set(socket, undefined)
      socket.once("close", () => sockets.delete(socket))
      if (!isListening) socket.destroy()
    }

    if (options.tls === undefined) server.on("connection", track)
    else {
      server.on("connection", (socket: Socket) => {
        const name = nameOf(socket)
        socket.on("error", ignore)
        insecure.set(name, socket)
        socket.once("close", () => insecure.delete(name))
      })
      server.on("secureConnection", (socket: Socket) => {
        insecure.delete(nameOf(socket))
        track(socket)
      })
    }

    const respond = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      const { socket } = request
      if (sockets.has(socket)) {
        sockets.set(socket, response)
        response.once("close", () => {
          // Unless the next request on it is being answered already.
          if (sockets.get(socket) === response) sockets.set(socket, undefined)
        })
      }
      if (!isListening) response.shouldKeepAlive = false
      handlers.onRequest(request, response)
    }
    server.on("request", respond)

    server.on("upgrade", (request, socket, head) => {
      // It is one, since the server isn't fed with other streams.
      if (!(socket instanceof Socket)) return
      sockets.delete(socket)
      handlers.onUpgrade(request, socket, head, () => {
        const response = new http.ServerResponse(request)
        sockets.set(socket, response)
        response.shouldKeepAlive = false
        response.assignSocket(socket)
        // Node has let go of this socket.
        response.once("finish", () => socket.destroySoon())
        return response
      })
    })

    yield* Effect.catchIf(
      listen(server, options.host, options.port),
      (error) => options.host === "::" && isWithoutIPv6(error),
      () => listen(server, "0.0.0.0", options.port)
    )
    const bound = server.address()
    const address =
      bound === null || typeof bound === "string"
        ? { host: options.host, port: options.port }
        : { host: bound.address, port: bound.port }

    const closed = new Promise<void>((resolve) => server.once("close", () => resolve()))

    return {
      address,
      stopListening: Effect.sync(() => {
        isListening = false
        server.close()
        for (const [socket, response] of sockets) {
          if (response === undefined) socket.destroy()
          else response.shouldKeepAlive = false
        }
        for (const socket of insecure.values()) socket.destroy()
      }),
      close: Effect.suspend(() => {
        for (const socket of sockets.keys()) socket.destroy()
        for (const socket of insecure.values()) socket.destroy()
        if (server.listening) server.close()
        return Effect.promise(() => closed)
      })
    }
  })
