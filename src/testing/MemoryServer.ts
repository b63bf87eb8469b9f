/**
 * A server without a socket: the real lifecycle and the real limits, over transports in memory.
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection } from "../connection/Connection.js"
import type { Handler } from "../connection/Handler.js"
import { monotonic } from "../connection/Monotonic.js"
import { Places } from "../http/Admission.js"
import * as Handshake from "../protocol/Handshake.js"
import { StopReason } from "../protocol/StopReason.js"
import { snapshot } from "../registry/ConnectionInfo.js"
import type { Connections } from "../registry/Connections.js"
import * as Registry from "../registry/Registry.js"
import * as Endpoint from "../server/Endpoint.js"
import type { HandshakeRefused } from "../server/HandshakeRefused.js"
import { type Limits, ServerConfig, type ServerOptions } from "../ServerConfig.js"
import { Endings, remember } from "./Endings.js"
import { hostOf, refused, shake, type Shaken } from "./MemoryHandshake.js"
import { MemoryPeer } from "./MemoryPeer.js"
import type { Peer, PeerOptions } from "./Peer.js"
import { type Connected, leave, peerOf } from "./peerOf.js"

/**
 * What can be set on a server without a socket. What is left out has the defaults of a real one.
 *
 * @example
 * ```ts
 * import * as Testing from "answerback/testing"
 *
 * export const strict: Testing.MemoryServerOptions = {
 *   maxPayload: "1KiB",
 *   idleTimeout: "1 minute",
 *   sendTimeout: "5 seconds"
 * }
 * ```
 */
export interface MemoryServerOptions
  extends Limits, Pick<ServerOptions, "drainTimeout" | "handshakeTimeout" | "shutdownCode"> {}

/**
 * A server without a socket, for several peers.
 *
 * @example
 * ```ts
 * import { echo } from "answerback"
 * import * as Testing from "answerback/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     const server: Testing.MemoryServer = yield* Testing.serve(echo, { maxConnections: 1 })
 *     yield* server.connect()
 *     const { status } = yield* Effect.flip(server.connect())
 *     return status // 503
 *   })
 * )
 * ```
 */
export interface MemoryServer {
  /** Opens a connection, whose peer goes away when the scope closes. Fails with what its handshake is answered with. */
  readonly connect: (options?: PeerOptions) => Effect.Effect<Peer, HandshakeRefused, Scope.Scope>
  readonly connections: Context.Tag.Service<Connections>
  /** Shuts the server down, and waits until all connections have ended. */
  readonly shutdown: Effect.Effect<void>
}

/**
 * Starts a server without a socket. Its connections live as on a real one: with heartbeats, timeouts, limits and
 * back-pressure, by the clock of the test. The handler has the services and the `FiberRef`s of whoever starts it.
 *
 * What is not there is HTTP (other paths are not told apart), TLS, compression and faults.
 *
 * @example
 * ```ts
 * import * as Testing from "answerback/testing"
 * import { Effect, Stream } from "effect"
 *
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     let guests = 0
 *     const server = yield* Testing.serve((connection) =>
 *       Effect.zipRight(connection.send(`guest ${++guests}`), Stream.runDrain(connection.messages))
 *     )
 *     const first = yield* server.connect()
 *     const second = yield* server.connect()
 *     return [(yield* first.receive).text, (yield* second.receive).text]
 *   })
 * )
 * ```
 */
export const serve: {
  <R>(
    endpoint: Endpoint.Endpoint<R>,
    options?: MemoryServerOptions
  ): Effect.Effect<MemoryServer, never, R | Scope.Scope>
  <E, R>(
    handler: Handler<E, R>,
    options?: MemoryServerOptions
  ): Effect.Effect<MemoryServer, never, R | Scope.Scope>
} = <E, R>(
  served: Endpoint.Endpoint<R> | Handler<E, R>,
  options: MemoryServerOptions = {}
): Effect.Effect<MemoryServer, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const endpoint = typeof served === "function" ? Endpoint.make(served) : served
    const settings = yield* Effect.orDie(
      Effect.flatMap(ServerConfig.make(options), (all) => ServerConfig.within(all, endpoint.limits))
    )
    const context = yield* Effect.context<R>()
    const elapsed = yield* monotonic
    const endings = new Endings()
    const live = new Map<string, Connection>()
    const places = new Places(settings)
    const registry = yield* Registry.make([
      {
        opened: (connection) => {
          live.set(connection.id, connection)
          endings.add({ _tag: "opened", connection: snapshot(connection) })
        },
        stopping: (connection, reason) =>
          endings.add({ _tag: "stopping", connection: snapshot(connection), reason }),
        closed: (connection, { code, reason }) => {
          places.giveBack(hostOf(connection.remote))
          endings.add({ _tag: "closed", connection: snapshot(connection), reason, code })
        }
      }
    ])
    const accept = yield* registry.accepting({
      closeTimeout: settings.closeTimeout,
      watch: {
        heartbeatInterval: Duration.toMillis(settings.heartbeatInterval),
        heartbeatTimeout: Duration.toMillis(settings.heartbeatTimeout),
        idleTimeout: Duration.toMillis(settings.idleTimeout),
        maxLifetime: Duration.toMillis(settings.maxLifetime),
        sendTimeout: Duration.toMillis(settings.sendTimeout)
      }
    })
    const surroundings = yield* registry.surroundings<R>()
    let ports = 50_000
    let isDraining = false

    const shutdown = Effect.suspend(() => {
      isDraining = true
      return registry.drain({
        reason: StopReason.ServerShutdown({ code: settings.shutdownCode }),
        spread: Duration.zero,
        deadline: elapsed() + Duration.toMillis(settings.drainTimeout)
      })
    })

    const connections = { ...registry.connections, drain: shutdown }
    remember(connections, endings)

    const { highWaterMark, maxPayload } = settings
    const open = (
      { about, handle }: Shaken<R>,
      far: MemoryPeer
    ): Effect.Effect<Connected, HandshakeRefused> =>
      Effect.suspend(() => {
        const accepted = accept(far.transport, about, handle, surroundings)
        if (accepted === undefined) return Effect.fail(refused(Handshake.draining))
        const connection = live.get(accepted.id)
        if (connection === undefined) return Effect.dieMessage("a connection has no beginning")
        return Effect.succeed({ about, accepted, connection, connections, endings, far })
      })

    const connect: MemoryServer["connect"] = (options = {}) =>
      Effect.suspend(() => {
        const remote = options.remote ?? `192.0.2.1:${ports++}`
        const host = hostOf(remote)
        const full = isDraining ? Handshake.draining : places.take(host)
        if (full !== undefined) return Effect.fail(refused(full))
        return Effect.provide(shake(endpoint, settings, options, remote), context).pipe(
          Effect.flatMap((shaken) => {
            const far = new MemoryPeer({ ...options, remote, highWaterMark, maxPayload })
            return Effect.acquireRelease(open(shaken, far), leave)
          }),
          Effect.onError(() => Effect.sync(() => places.giveBack(host)))
        )
      }).pipe(Effect.map(peerOf))

    return { connect, connections, shutdown }
  })

/**
 * Who connects, and the limits of the connection.
 *
 * @example
 * ```ts
 * import type * as Testing from "answerback/testing"
 *
 * export const stubborn: Testing.ConnectOptions = {
 *   target: "/chat?room=lobby",
 *   answersClose: false,
 *   closeTimeout: "2 seconds"
 * }
 * ```
 */
export interface ConnectOptions extends MemoryServerOptions, PeerOptions {}

/**
 * Opens a connection without a socket, to a server of its own: see `serve`. What the program does when it ends is waited
 * for when the scope closes.
 *
 * Fails with the `HandshakeRefused` of the endpoint's `authorize`, or of its policy (origins, places).
 *
 * @example
 * ```ts
 * import * as Testing from "answerback/testing"
 * import { Effect, Stream, TestClock, TestContext } from "effect"
 *
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     const peer = yield* Testing.connect(
 *       (connection) => Stream.runForEach(connection.messages, (message) => connection.send(message)),
 *       { idleTimeout: "5 minutes" }
 *     )
 *     yield* peer.send("hello")
 *     yield* peer.receive
 *     yield* TestClock.adjust("6 minutes")
 *     yield* Testing.expectStop(peer, "IdleTimeout")
 *   })
 * ).pipe(Effect.provide(TestContext.TestContext))
 * ```
 */
export const connect: {
  <R>(
    endpoint: Endpoint.Endpoint<R>,
    options?: ConnectOptions
  ): Effect.Effect<Peer, HandshakeRefused, R | Scope.Scope>
  <E, R>(
    handler: Handler<E, R>,
    options?: ConnectOptions
  ): Effect.Effect<Peer, HandshakeRefused, R | Scope.Scope>
} = <E, R>(
  served: Endpoint.Endpoint<R> | Handler<E, R>,
  options: ConnectOptions = {}
): Effect.Effect<Peer, HandshakeRefused, R | Scope.Scope> =>
  Effect.flatMap(
    // It is one of these two.
    typeof served === "function" ? serve(served, options) : serve(served, options),
    (server) => server.connect(options)
  )
