/**
 * A TCP client that speaks HTTP and WebSocket by hand, and so can do what no well-behaved client does: send bad frames,
 * stop reading, end one side of TCP, or reset it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as net from "node:net"
import * as tls from "node:tls"
import * as Frames from "./frames.js"
import * as Http from "./http.js"
import * as Inbox from "./Inbox.js"

/** The TCP connection, or the handshake on it, did not come about. */
export class ConnectFailed extends Data.TaggedError("ConnectFailed")<{
  readonly message: string
  readonly response?: Http.ResponseHead
}> {}

/** A TCP connection to a server. */
export interface RawClient extends Inbox.Inbox {
  /** The port of this side of the TCP connection. */
  readonly localPort: Effect.Effect<number | undefined>
  /** Writes the bytes at once, and waits until the kernel has taken them. */
  readonly write: (bytes: Frames.Payload) => Effect.Effect<void, Inbox.ConnectionEnded>
  /** Writes the bytes and ends this side of TCP, without anything in between. */
  readonly writeAndEnd: (bytes: Frames.Payload) => Effect.Effect<void>
  /**
   * Writes the bytes in pieces of these sizes, over and over, each one a TCP segment of its own that the server has
   * the chance to read before the next is sent.
   */
  readonly writeChunked: (
    bytes: Uint8Array,
    sizes: ReadonlyArray<number>
  ) => Effect.Effect<void, Inbox.ConnectionEnded>
  /** Ends this side of TCP; what the server sends can still be read. */
  readonly end: Effect.Effect<void>
  /** Completes a close handshake as a client does: answers the Close frame, if there is one, and ends TCP. */
  readonly answerClose: (frames: ReadonlyArray<Frames.ServerFrame>) => Effect.Effect<void>
  /** Resets TCP. */
  readonly reset: Effect.Effect<void>
  /**
   * How TCP has ended, as the kernel sees it: Node takes a reset that comes together with data for the end of the
   * other side.
   */
  readonly endedByKernel: Effect.Effect<Inbox.End, Inbox.WaitedTooLong>
  /** Stops to read: what the server sends stays in the kernel, and then with the server. */
  readonly pause: Effect.Effect<void>
  /** Reads again. */
  readonly resume: Effect.Effect<void>
}

/** Where to connect to. */
export interface OpenOptions {
  readonly port: number
  /** By default 127.0.0.1. */
  readonly host?: string
  /** From which address; by default the system picks one. */
  readonly localAddress?: string
  /** `true` for TLS with any certificate. */
  readonly tls?: boolean | tls.ConnectionOptions
  /** How long to wait for anything, in milliseconds; by default 10 seconds. */
  readonly patience?: number
}

export interface ConnectOptions extends OpenOptions {
  /** By default `/echo`. */
  readonly path?: string
  readonly headers?: Http.Headers
}

/** A turn of the event loop: the server, when it is in the same process, reads in between. */
const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** What Node has of a socket, which tells whether there still is one to the peer. */
interface WithHandle {
  readonly _handle?: { readonly getpeername: (name: object) => number } | null
}

/** Whether there is no TCP connection any more: the end of the other side alone leaves one. */
const isReset = ({ _handle }: net.Socket & WithHandle): boolean => _handle?.getpeername({}) !== 0

const make = (raw: net.Socket, socket: net.Socket, inbox: Inbox.Inbox & Inbox.Source): RawClient => {
  const write: RawClient["write"] = (bytes) =>
    Effect.async<void, Inbox.ConnectionEnded>((resume) => {
      if (!socket.writable) return resume(Effect.fail(inbox.gone("it could be written to")))
      socket.write(bytes, (error) => resume(error ? Effect.fail(inbox.gone("all was written")) : Effect.void))
    })

  const end = Effect.sync(() => {
    socket.end()
  })

  return {
    ...inbox,
    localPort: Effect.sync(() => raw.localPort),
    write,
    writeAndEnd: (bytes) =>
      Effect.sync(() => {
        socket.end(bytes)
      }),
    writeChunked: (bytes, sizes) => {
      const all = Frames.bytesOf(bytes)
      const loop = (at: number, count: number): Effect.Effect<void, Inbox.ConnectionEnded> => {
        if (at >= all.length) return Effect.void
        const next = at + Math.max(1, sizes[count % sizes.length] ?? all.length)
        return write(all.subarray(at, next)).pipe(
          Effect.zipRight(turn),
          Effect.zipRight(Effect.suspend(() => loop(next, count + 1)))
        )
      }
      return Effect.suspend(() => loop(0, 0))
    },
    end,
    answerClose: (frames) => {
      const close = frames.map(Frames.closeOf).findLast((found) => found !== undefined)
      const answer = close === undefined ? Effect.void : Effect.ignore(write(Frames.close(close.code)))
      return Effect.zipRight(answer, end)
    },
    reset: Effect.sync(() => {
      // The system call that ends one side is under way: until it is over Node fails to reset, and leaks the socket.
      const isShuttingDown = raw.writableEnded && !raw.writableFinished && raw.writableLength === 0
      if (isShuttingDown && !raw.destroyed) raw.once("finish", () => raw.resetAndDestroy())
      else raw.resetAndDestroy()
    }),
    endedByKernel: Effect.map(inbox.ended, (end) => (end === "reset" || isReset(raw) ? "reset" : "fin")),
    pause: Effect.sync(() => {
      socket.pause()
    }),
    resume: Effect.sync(() => {
      socket.resume()
    })
  }
}

/** How many bytes are read at once. */
const READ_SIZE = 64 * 1024

/** Opens a TCP connection, which ends with the scope. */
export const open = (
  options: OpenOptions
): Effect.Effect<RawClient, ConnectFailed | Inbox.WaitedTooLong, Scope.Scope> =>
  Effect.gen(function* () {
    const { host = "127.0.0.1", patience = 10_000, port } = options
    const inbox = Inbox.make(patience)
    // Bytes come by a callback rather than through the stream, whose buffer a paused socket would go on filling.
    const onread = {
      buffer: Buffer.alloc(READ_SIZE),
      callback: (size: number, buffer: Uint8Array): boolean => {
        inbox.onBytes(Buffer.from(buffer.subarray(0, size)))
        return true
      }
    }
    const { raw, socket } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        // The end of the server's side must not end ours (RFC 6455 section 7.1.1 is about who goes first).
        const from = options.localAddress === undefined ? {} : { localAddress: options.localAddress }
        const tcp = { host, port, ...from, allowHalfOpen: true, noDelay: true }
        if (options.tls === undefined || options.tls === false) {
          const raw = net.connect({ ...tcp, onread })
          return { raw, socket: raw }
        }
        const raw = net.connect(tcp)
        const secure = {
          rejectUnauthorized: false,
          ...(options.tls === true ? {} : options.tls),
          socket: raw
        }
        const socket = tls.connect(secure)
        // The callback above doesn't work here: when paused, a TLS socket still reads some 64 KiB.
        socket.on("data", inbox.onBytes)
        raw.on("error", () => inbox.onEnd("reset"))
        return { raw, socket }
      }),
      ({ raw, socket }) =>
        Effect.async<void>((resume) => {
          if (socket.closed && raw.closed) return resume(Effect.void)
          const look = (): void => {
            if (socket.closed && raw.closed) resume(Effect.void)
          }
          socket.on("close", look)
          raw.on("close", look)
          socket.destroy()
          raw.destroy()
        })
    )
    socket.on("end", () => inbox.onEnd("fin"))
    socket.on("error", () => inbox.onEnd("reset"))
    // Some resets come without an error.
    socket.on("close", () => inbox.onEnd("reset"))
    yield* Effect.async<void, ConnectFailed>((resume) => {
      const fail = (message: string) => (): void =>
        resume(Effect.fail(new ConnectFailed({ message: `cannot connect to ${host} ${port}: ${message}` })))
      socket.once(options.tls === undefined || options.tls === false ? "connect" : "secureConnect", () =>
        resume(Effect.void)
      )
      socket.once("error", (error) => fail(error.message)())
      socket.once("close", fail("TCP ended"))
    }).pipe(
      Effect.timeoutFail({
        duration: patience,
        onTimeout: () =>
          new Inbox.WaitedTooLong({ message: `waited ${patience} ms for TCP to ${host} ${port}` })
      })
    )
    return make(raw, socket, inbox)
  })

/** Opens a WebSocket connection, which ends with the scope; fails unless the handshake is answered as it must be. */
export const connect = (
  options: ConnectOptions
): Effect.Effect<RawClient, ConnectFailed | Inbox.WaitError, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* open(options)
    const key = randomBytes(16).toString("base64")
    yield* client.write(
      Http.request({
        ...(options.path === undefined ? {} : { path: options.path }),
        headers: {
          Host: `${options.host ?? "127.0.0.1"}:${options.port}`,
          "Sec-WebSocket-Key": key,
          ...options.headers
        }
      })
    )
    const response = yield* client.responseHead
    const { headers, status } = response
    const fail = (problem: string): Effect.Effect<never, ConnectFailed> =>
      Effect.fail(
        new ConnectFailed({
          message: `the handshake failed, ${problem}: ${status} ${JSON.stringify(headers)}`,
          response
        })
      )
    if (status !== 101) return yield* fail("since it was refused")
    if (headers["sec-websocket-accept"] !== Http.acceptOf(key))
      return yield* fail("since the answer to the key is wrong")
    if (headers["upgrade"]?.toLowerCase() !== "websocket") return yield* fail("since Upgrade is wrong")
    if (headers["connection"]?.toLowerCase() !== "upgrade") return yield* fail("since Connection is wrong")
    return client
  })
