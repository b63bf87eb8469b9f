/**
 * Connections as sockets of the platform, for what is written against `@effect/platform/Socket`: RPC, for one.
 */
import * as PlatformSocket from "@effect/platform/Socket"
import * as SocketServer from "@effect/platform/SocketServer"
import * as Cause from "effect/Cause"
import type * as ConfigError from "effect/ConfigError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Connection } from "./connection/Connection.js"
import type { StopOptions } from "./connection/StopOptions.js"
import type { StartError } from "./http/StartError.js"
import * as CloseCode from "./protocol/CloseCode.js"
import type { Message } from "./protocol/Message.js"
import { codeOf, farewell } from "./protocol/StopReason.js"
import type { ServerOptions } from "./ServerConfig.js"
import * as WebSocketServer from "./WebSocketServer.js"

/** How a connection has ended: its close code, and 1006 where there was no Close frame (RFC 6455 section 7.1.5). */
const ending = ({ stopSignal: { reason } }: Connection): PlatformSocket.SocketCloseError => {
  const last = reason && farewell(reason)
  return new PlatformSocket.SocketCloseError({
    reason: "Close",
    code: (reason && codeOf(reason)) ?? CloseCode.ABNORMAL,
    closeReason: last?._tag === "Close" ? last.reason : reason?._tag
  })
}

/**
 * A connection as a socket of the platform.
 *
 * - `run` and `runRaw` hand over one message after another: the next when the effect for the last has ended, and what
 *   isn't handed over isn't read. Text is a string for `runRaw`, and its bytes for `run`. They end when the connection
 *   does, for whatever reason: with a `SocketCloseError` that has the close code (1006 if TCP ended without one), or
 *   successfully if that code is no error. Interrupted, they leave the connection as it is.
 * - What `writer` gives sends, and waits while more than the high-water mark of outbound bytes is buffered. Given a
 *   `CloseEvent`, it closes the connection. Too late, it fails with the `SocketCloseError` of the connection.
 *
 * @param options `closeCodeIsError`: which close codes are errors; by default all but 1000 and 1006, as elsewhere in the
 * platform.
 *
 * @example
 * ```ts
 * import * as PlatformSocket from "@effect/platform/Socket"
 * import { WebSocketServer } from "answerback"
 * import { fromConnection } from "answerback/Socket"
 * import { Effect } from "effect"
 *
 * const echo = Effect.gen(function* () {
 *   const socket = yield* PlatformSocket.Socket
 *   const write = yield* socket.writer
 *   yield* socket.runRaw(write)
 * })
 * export const Server = WebSocketServer.layer((connection) =>
 *   Effect.provideService(echo, PlatformSocket.Socket, fromConnection(connection, { closeCodeIsError: () => false }))
 * )
 * ```
 */
export const fromConnection = (
  connection: Connection,
  options?: { readonly closeCodeIsError?: (code: number) => boolean }
): PlatformSocket.Socket => {
  const { closeCodeIsError = PlatformSocket.defaultCloseCodeIsError } = options ?? {}

  const runWith =
    <Data>(dataOf: (message: Message) => Data) =>
    <A, E, R>(
      handler: (data: Data) => Effect.Effect<A, E, R> | void,
      options?: { readonly onOpen?: Effect.Effect<void> | undefined }
    ): Effect.Effect<void, PlatformSocket.SocketError | E, R> =>
      Stream.runForEachChunk(connection.messages, (messages) =>
        Effect.forEach(
          messages,
          (message) => {
            const result = handler(dataOf(message))
            return Effect.isEffect(result) ? result : Effect.void
          },
          { discard: true }
        )
      ).pipe(
        Effect.zipRight(Effect.suspend(() => ending(connection))),
        (run) => Effect.zipRight(options?.onOpen ?? Effect.void, run),
        Effect.catchIf(
          PlatformSocket.SocketCloseError.isClean((code) => !closeCodeIsError(code)),
          () => Effect.void
        ),
        Effect.interruptible
      )

  const write = (chunk: Uint8Array | string | PlatformSocket.CloseEvent) =>
    PlatformSocket.isCloseEvent(chunk)
      ? Effect.mapError(
          connection.close({ code: chunk.code, reason: chunk.reason }),
          (cause) => new PlatformSocket.SocketGenericError({ reason: "Write", cause })
        )
      : Effect.mapError(connection.send(chunk), () => ending(connection))

  return PlatformSocket.Socket.of({
    [PlatformSocket.TypeId]: PlatformSocket.TypeId,
    run: runWith(({ bytes }) => bytes),
    runRaw: runWith((message) => (message._tag === "Text" ? message.text : message.bytes)),
    writer: Effect.succeed(write)
  })
}

/** A `run` of a server, and the connections that it handles. */
interface Run {
  readonly handle: (connection: Connection) => Effect.Effect<unknown, unknown>
  readonly handled: Map<Connection, Deferred.Deferred<void>>
}

/** Brings connections together with those who handle them, and says goodbye for these. */
const switchboard = (goodbye: StopOptions) => {
  const runs: Array<Run> = []
  const isRunning = Effect.unsafeMakeLatch(false)
  const dismiss = (connection: Connection) => Effect.orDie(connection.stop(goodbye))

  /** The handler of all connections: waits for a `run`, and is what the latest makes of it. */
  const handler = (connection: Connection) =>
    Effect.uninterruptibleMask((restore) => {
      const next: Effect.Effect<unknown, unknown> = Effect.suspend(() => {
        const run = runs.at(-1)
        if (run === undefined) return Effect.zipRight(restore(isRunning.await), next)
        const done = Deferred.unsafeMake<void>(FiberId.none)
        run.handled.set(connection, done)
        const end = Effect.suspend(() => {
          run.handled.delete(connection)
          return Deferred.succeed(done, undefined)
        })
        return Effect.ensuring(restore(run.handle(connection)), end)
      })
      return next
    })

  /** What the end of a handler means for its connection. */
  const onFailure = <E>(connection: Connection, cause: Cause.Cause<E>): Effect.Effect<void, E> => {
    const isEnding = connection.stopSignal.reason !== undefined
    if (isEnding && Option.exists(Cause.failureOption(cause), PlatformSocket.isSocketError))
      return Effect.void
    // Not the connection was interrupted, but what it was for: an RPC server that shuts down does that.
    return Cause.isInterruptedOnly(cause) ? dismiss(connection) : Effect.failCause(cause)
  }

  const run: SocketServer.SocketServer["Type"]["run"] = <R, E, A>(
    handler: (socket: PlatformSocket.Socket) => Effect.Effect<A, E, R>
  ) =>
    Effect.flatMap(Effect.runtime<R>(), (runtime) => {
      const handle = (connection: Connection) =>
        Effect.flatMap(Effect.serviceOption(Tracer.ParentSpan), (span) => {
          const handled = handler(fromConnection(connection))
          const traced = Option.isSome(span) ? Effect.withParentSpan(handled, span.value) : handled
          return Effect.catchAllCause(Effect.provide(traced, runtime), (cause) =>
            onFailure(connection, cause)
          )
        })
      const begin = Effect.sync(() => {
        const run: Run = { handle, handled: new Map() }
        runs.push(run)
        isRunning.unsafeOpen()
        return run
      })
      const end = (run: Run) =>
        Effect.suspend(() => {
          runs.splice(runs.indexOf(run), 1)
          if (runs.length === 0) isRunning.unsafeClose()
          const handled = [...run.handled]
          return Effect.zipRight(
            Effect.forEach(handled, ([connection]) => dismiss(connection), { discard: true }),
            Effect.forEach(handled, ([, done]) => Deferred.await(done), { discard: true })
          )
        })
      return Effect.acquireUseRelease(begin, () => Effect.never, end)
    })

  return { handler, run }
}

/**
 * A WebSocket server as the platform's `SocketServer`, for what runs on one, such as
 * `RpcServer.layerProtocolSocketServer`. It provides what `WebSocketServer.layer` does, too.
 *
 * Connections wait, unread, until somebody calls `run`. An interrupt of that is a stop of the connections that it handles,
 * with the same Close frame as in a shutdown, and waits for their handlers. A handler may fail with the end of its
 * connection; failing otherwise, it closes it with 1011.
 *
 * @example
 * ```ts
 * import { Rpc, RpcGroup, RpcSerialization, RpcServer } from "@effect/rpc"
 * import { layerServer } from "answerback/Socket"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const Greetings = RpcGroup.make(
 *   Rpc.make("greet", { payload: { name: Schema.String }, success: Schema.String })
 * )
 * const Server = RpcServer.layer(Greetings).pipe(
 *   Layer.provide(Greetings.toLayer({ greet: ({ name }) => Effect.succeed(`Hello, ${name}`) })),
 *   Layer.provide(RpcServer.layerProtocolSocketServer),
 *   Layer.provide([RpcSerialization.layerJson, layerServer({ port: 8080, path: "/rpc" })])
 * )
 * export const main = Layer.launch(Server)
 * ```
 */
export const layerServer = (
  options?: ServerOptions
): Layer.Layer<SocketServer.SocketServer | WebSocketServer.Provided, StartError | ConfigError.ConfigError> =>
  Layer.unwrapEffect(
    Effect.sync(() => {
      const { handler, run } = switchboard({ code: options?.shutdownCode, reason: "server shutting down" })
      const socketServer = Effect.map(WebSocketServer.WebSocketServer, ({ host, port }) =>
        SocketServer.SocketServer.of({ address: { _tag: "TcpAddress", hostname: host, port }, run })
      )
      return Layer.provideMerge(
        Layer.effect(SocketServer.SocketServer, socketServer),
        WebSocketServer.layer(handler, options)
      )
    })
  )
