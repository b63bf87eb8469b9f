/**
 * The HTTP server: owns the listening socket and every TCP connection on it that has not become a WebSocket.
 */
import * as Effect from "effect/Effect"
import type * as http from "node:http"
import { Socket } from "node:net"
import { finished } from "node:stream/promises"
import type { Deadline, Deadlines } from "../connection/Deadlines.js"
import type { Refusal } from "../protocol/Handshake.js"
import * as Detached from "./Detached.js"
import * as HttpServer from "./HttpServer.js"
import * as Respond from "./Respond.js"
import type { StartError } from "./StartError.js"

/** How to listen, and with which certificate. */
export interface ListenerOptions {
  /** Makes a server listen, or brings it its TCP connections in another way. */
  readonly listen: (server: http.Server) => Effect.Effect<HttpServer.Bound, StartError>
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  /** As far away as a TCP peer may take to finish its HTTP request. */
  readonly deadlines: Deadlines
  /** The same in milliseconds, for the requests that follow on a TCP connection; infinite for never. */
  readonly requestTimeout: number
  /** How many milliseconds a response may be stuck; infinite for never. */
  readonly sendTimeout: number
}

/** What becomes of the requests. */
export interface ListenerHandlers {
  readonly onRequest: (request: http.IncomingMessage, response: http.ServerResponse) => void
  readonly onUpgrade: (upgrade: Upgrade) => void
  /** What came could not be read, or not in time, and was answered. */
  readonly onRefused: (socket: Socket, refusal: Refusal) => void
  /** The listening socket has failed; it listens on. */
  readonly onError: (cause: Error) => void
}

/** A request that wants to leave HTTP. */
export interface Upgrade {
  readonly request: http.IncomingMessage
  readonly socket: Socket
  /** The TCP connection under it: the same socket, or with TLS the one that carries it. */
  readonly tcp: Socket
  /** What came behind the request. */
  readonly head: Buffer
  /** For the case that it may not. */
  readonly response: () => http.ServerResponse
  /** For the case that nothing is to become of it: it waits until its time is over. */
  readonly hang: () => void
}

/** A server that listens. */
export interface Listener {
  readonly address: HttpServer.Bound
  /**
   * Stops listening. Requests that are being answered are, and then their TCP connections end; those that wait for a
   * request, or are in the middle of one, are dropped now.
   */
  readonly stopListening: Effect.Effect<void>
  /** Waits until the answers that are under way have been written. */
  readonly answered: Effect.Effect<void>
  /** Ends what is left, and waits until nothing of the server is. */
  readonly close: Effect.Effect<void>
}

/** A TCP connection that has not become a WebSocket. */
interface Incoming {
  readonly tcp: Socket
  /** What is spoken on: with TLS, once that has begun, not the TCP connection itself. */
  socket: Socket
  /** The response that is awaited. */
  response: http.ServerResponse | undefined
  /** Whether there has been one. */
  isAnswered: boolean
  /** When its first request must be over. */
  deadline: Deadline
}

/** Names a TCP connection; with TLS, Node has one socket for the wire and another for what is said on it. */
const nameOf = ({ localAddress, remoteAddress, remotePort }: Socket): string =>
  `${localAddress} ${remoteAddress} ${remotePort}`

/** Starts to listen. Whoever calls it also closes what it returns. */
export const make = (
  options: ListenerOptions,
  handlers: ListenerHandlers
): Effect.Effect<Listener, StartError> =>
  Effect.gen(function* () {
    const server = yield* HttpServer.make(options.tls, options.requestTimeout)
    const incoming = new Map<Socket, Incoming>()
    /** Those on which TLS has not begun to speak. */
    const insecure = new Map<string, Incoming>()
    let isListening = true

    const refuse = (socket: Socket, refusal: Refusal): void => {
      if (!socket.writable) return
      handlers.onRefused(socket, refusal)
      Respond.sendRaw(socket, refusal)
    }

    const drop = (one: Incoming): void => {
      // Who has asked in full may be answered for as long as that takes: a stream of events never ends.
      if (one.response?.req.complete === true) return
      // Somebody who has said nothing gets no answer, and somebody who has had one no second.
      const isAsking = !one.isAnswered && one.tcp.bytesRead > 0 && incoming.has(one.socket)
      if (isAsking) refuse(one.socket, Respond.tooSlow)
      one.socket.destroy()
    }

    // Functions for all sockets, not one each: there are many, and those that became WebSockets stay for long.
    const forget = function (this: Socket): void {
      incoming.get(this)?.deadline.cancel()
      incoming.delete(this)
    }

    const track = (one: Incoming, socket: Socket): void => {
      one.socket = socket
      incoming.set(socket, one)
      socket.on("close", forget)
      if (!isListening) socket.destroy()
    }

    server.on("connection", (tcp: Socket) => {
      // Before anything else: a reset at any moment must find a listener.
      tcp.on("error", Detached.ignore)
      const one: Incoming = {
        tcp,
        socket: tcp,
        response: undefined,
        isAnswered: false,
        deadline: options.deadlines.set(() => drop(one))
      }
      // Asked for at once, and so remembered by Node: there is no address any more when the peer has gone.
      void tcp.remoteAddress
      if (options.tls === undefined) return track(one, tcp)
      const name = nameOf(tcp)
      insecure.set(name, one)
      tcp.once("close", () => {
        one.deadline.cancel()
        insecure.delete(name)
      })
    })
    if (options.tls !== undefined) {
      server.on("secureConnection", (socket: Socket) => {
        socket.on("error", Detached.ignore)
        const one = insecure.get(nameOf(socket))
        insecure.delete(nameOf(socket))
        if (one === undefined) socket.destroy()
        else track(one, socket)
      })
    }

    server.on("request", (request, response) => {
      const { socket } = request
      const one = incoming.get(socket)
      if (one !== undefined) {
        one.response = response
        one.isAnswered = true
        response.once("close", () => {
          // Unless the next request on it is being answered already.
          if (one.response === response) one.response = undefined
        })
        request.once("close", () => one.deadline.cancel())
        // Only while it is answered: whoever doesn't read the answer is not waited for.
        socket.setTimeout(HttpServer.toTimer(options.sendTimeout))
      }
      if (!isListening) response.shouldKeepAlive = false
      // One that was pipelined has no socket before those ahead of it are answered; without one it never finishes.
      const handle = (): void => {
        if (socket.writable) handlers.onRequest(request, response)
      }
      if (response.socket === null) response.once("socket", handle)
      else handle()
    })

    server.on("clientError", (error: Error, socket) => {
      if (!(socket instanceof Socket)) return
      // Node's own timeout may be the first to notice somebody who has said nothing: no answer to that.
      const isAsking = socket.bytesRead > 0 && incoming.get(socket)?.response === undefined
      if (isAsking) refuse(socket, Respond.whatIsWrong(error))
      socket.destroy()
    })

    const upgrade = (request: http.IncomingMessage, socket: Socket, head: Buffer): void => {
      const one = incoming.get(socket)
      incoming.delete(socket)
      const response = (): http.ServerResponse => {
        const response = Detached.responseOn(socket, request)
        if (one !== undefined) incoming.set(socket, { ...one, response })
        // Node has let go of this socket.
        socket.setTimeout(HttpServer.toTimer(options.sendTimeout))
        return response
      }
      let isHanging = false
      const hang = (): void => {
        if (one === undefined) return void socket.destroy()
        isHanging = true
        // Its time has been counted from its first request on, or is counted anew.
        if (one.isAnswered) one.deadline = options.deadlines.set(() => drop(one))
        one.isAnswered = true
        track(one, socket)
        // Read on, to see when the peer has had enough.
        socket.resume()
        socket.once("end", () => socket.destroy())
      }
      handlers.onUpgrade({ request, socket, tcp: one?.tcp ?? socket, head, response, hang })
      if (!isHanging) one?.deadline.cancel()
    }
    server.on("upgrade", (request, socket, head) => {
      // It is one, since the server isn't fed with other streams.
      if (!(socket instanceof Socket)) return
      Detached.whenItsTurn(socket, () => upgrade(request, socket, head))
    })

    const address = yield* options.listen(server)
    server.on("error", handlers.onError)
    const closed = new Promise<void>((resolve) => server.once("close", () => resolve()))

    return {
      address,
      stopListening: Effect.sync(() => {
        isListening = false
        server.close()
        for (const { response, socket } of incoming.values()) {
          if (response === undefined) socket.destroy()
          else response.shouldKeepAlive = false
        }
        for (const { tcp } of insecure.values()) tcp.destroy()
      }),
      answered: Effect.promise(() =>
        Promise.allSettled(
          [...incoming.values()].flatMap(({ response }) =>
            response === undefined ? [] : [finished(response)]
          )
        )
      ),
      close: Effect.suspend(() => {
        for (const { socket } of incoming.values()) socket.destroy()
        for (const { tcp } of insecure.values()) tcp.destroy()
        if (isListening) server.close()
        return Effect.promise(() => closed)
      })
    }
  })
