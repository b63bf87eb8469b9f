/**
 * What all servers have in common, wherever their requests come from: connections, and what makes some of handshakes.
 */
import type * as ConfigError from "effect/ConfigError"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Handle } from "../connection/Handler.js"
import { monotonic } from "../connection/Monotonic.js"
import { TcpWire } from "../connection/Wire.js"
import { acceptor } from "../connection/WsSocket.js"
import { WsTransport } from "../connection/WsTransport.js"
import * as Authorize from "./Authorize.js"
import type { Endpoint } from "./Endpoint.js"
import { Faults } from "../faults/Faults.js"
import { type Admission, both, ofPlaces, Places } from "../http/Admission.js"
import * as Handshakes from "../http/Handshakes.js"
import type { Listener } from "../http/Listener.js"
import * as Peer from "../http/Peer.js"
import type * as Handshake from "../protocol/Handshake.js"
import { StopReason } from "../protocol/StopReason.js"
import type { Connections } from "../registry/Connections.js"
import * as Registry from "../registry/Registry.js"
import { ServerConfig, type ServerSettings } from "../ServerConfig.js"
import * as Metrics from "../telemetry/Metrics.js"
import * as Tracing from "../telemetry/Tracing.js"

/** An endpoint that takes handshakes. */
export interface Served<R> {
  /** Whether a request is the handshake of a WebSocket, right or wrong. */
  readonly isHandshake: (request: Handshakes.Arrival["request"]) => boolean
  /** Makes a connection of a handshake, or answers why not. */
  readonly take: (arrival: Handshakes.Arrival, visit: Visit<R>) => void
}

/** What surrounds a handshake and its connection. */
export interface Visit<R> {
  /** Where the connection's fiber runs, with what its handler requires. */
  readonly surroundings: Registry.Surroundings<R>
  /** The span that the connection belongs to. */
  readonly span?: Tracer.AnySpan | undefined
  readonly onAccepted?: (accepted: Registry.Accepted) => void
}

/** The connections of a server, and what makes them. */
export interface Engine {
  readonly registry: Registry.Registry
  readonly connections: Context.Tag.Service<Connections>
  readonly metrics: Metrics.ServerMetrics
  readonly faults: Context.Tag.Service<Faults> | undefined
  readonly peerOf: ReturnType<typeof Peer.make>
  readonly onRefused: (peer: Peer.Peer, refusal: Handshake.Refusal) => void
  /** Logs in the background. */
  readonly log: (line: Effect.Effect<void>) => void
  /** How long a handshake may take. */
  readonly timeout: Duration.Duration
  /** Given when no more requests are let in. */
  readonly closing: Deferred.Deferred<void>
  /** Whether it is about to end, or ending. */
  readonly isDraining: () => boolean
  /** Makes an endpoint take handshakes, as long as the server does. */
  readonly serve: <R>(
    endpoint: Endpoint<R>,
    admission?: Admission
  ) => Effect.Effect<Served<R>, ConfigError.ConfigError>
  /** Has a listener stop when no more requests are let in, and waits a little for what it is still answering. */
  readonly listensBy: (listener: Pick<Listener, "stopListening" | "answered">) => void
  /** Ends all connections within the times of a shutdown: once, however often it is asked for, and whoever asks waits. */
  readonly drain: Effect.Effect<void>
}

/** How long, in milliseconds, a shutdown may wait for answers that are under way when all connections have ended. */
const LAST_ANSWERS = 500

/** Makes what a server with these settings has in common with others. Whoever makes it sees to its `drain`, too. */
export const make = (config: ServerSettings): Effect.Effect<Engine, never, Scope.Scope> =>
  Effect.gen(function* () {
    const metrics = yield* Metrics.make
    const tracing = yield* Tracing.make
    const registry = yield* Registry.make(tracing === undefined ? [metrics] : [metrics, tracing])
    const faults = Option.getOrUndefined(yield* Effect.serviceOption(Faults))
    const closing = yield* Deferred.make<void>()
    const fork = yield* FiberSet.makeRuntime<never, void>()
    const log = (line: Effect.Effect<void>): void => void fork(line)
    const peerOf = Peer.make(config.trustedProxies)
    const elapsed = yield* monotonic
    let isDraining = false
    let isClosing = false
    let listener: Pick<Listener, "stopListening" | "answered"> | undefined

    const onRefused: Engine["onRefused"] = ({ remote }, { error, status }) => {
      metrics.rejected(status)
      // At debug: a flood of them must not fill the disk.
      log(Effect.annotateLogs(Effect.logDebug("handshake refused"), { remote, status, error }))
    }

    const serve = <R>(
      endpoint: Endpoint<R>,
      admission = ofPlaces(new Places(config))
    ): Effect.Effect<Served<R>, ConfigError.ConfigError> =>
      Effect.gen(function* () {
        const own = yield* ServerConfig.within(config, endpoint.limits)
        const { closeTimeout, compression, highWaterMark, maxPayload, origins, subprotocols } = own
        const wrap = faults?.wrapper(highWaterMark)
        const accept = yield* registry.accepting({
          closeTimeout,
          watch: {
            heartbeatInterval: Duration.toMillis(own.heartbeatInterval),
            heartbeatTimeout: Duration.toMillis(own.heartbeatTimeout),
            idleTimeout: Duration.toMillis(own.idleTimeout),
            maxLifetime: Duration.toMillis(own.maxLifetime),
            sendTimeout: Duration.toMillis(own.sendTimeout)
          }
        })
        const { maxConnections, maxConnectionsPerAddress } = endpoint.limits
        const policy = { origins, subprotocols }
        const handshake = Handshakes.make(
          {
            policy,
            admission:
              maxConnections === undefined && maxConnectionsPerAddress === undefined
                ? admission
                : both(
                    admission,
                    ofPlaces(
                      new Places(
                        {
                          maxConnections: maxConnections === undefined ? Infinity : own.maxConnections,
                          maxConnectionsPerAddress:
                            maxConnectionsPerAddress === undefined ? Infinity : own.maxConnectionsPerAddress
                        },
                        "this endpoint",
                        () => "ask for a higher limit"
                      )
                    )
                  ),
            acceptor: acceptor({ maxPayload, compression, closeTimeout: Duration.toMillis(closeTimeout) })
          },
          { peerOf, isClosing: () => isClosing, faults, onRefused }
        )
        return {
          isHandshake: (request) => Handshakes.isHandshake(request, policy),
          take: (arrival, { onAccepted, span, surroundings }) => {
            const received = tracing?.handshake(span)
            handshake<Handle<unknown, R>>(arrival, {
              authorize: Authorize.make(endpoint.admit, {
                fork: surroundings.fork,
                timeout: config.handshakeTimeout,
                closing
              }),
              onOpen: ({ asked, plan, tcp, ws }, handle) => {
                const transport = new WsTransport(ws, asked.socket, {
                  wire: new TcpWire(tcp),
                  remote: asked.peer.remote,
                  highWaterMark,
                  maxPayload
                })
                const faulty = wrap?.(transport, plan)
                if (received !== undefined) tracing?.opening(received)
                const accepted = accept(
                  faulty ?? transport,
                  asked,
                  tracing === undefined
                    ? handle
                    : (connection) => tracing.within(connection.id, handle(connection)),
                  surroundings
                )
                if (accepted === undefined) return transport.destroy()
                faulty?.opened(accepted.id)
                onAccepted?.(accepted)
              }
            })
          }
        }
      })

    const drainNow = Effect.gen(function* () {
      isDraining = true
      const timeout = Duration.toMillis(config.drainTimeout)
      const deadline = elapsed() + timeout
      yield* Effect.sleep(Math.min(Duration.toMillis(config.drainDelay), timeout))
      isClosing = true
      yield* Deferred.succeed(closing, undefined)
      if (listener !== undefined) yield* listener.stopListening
      yield* registry.drain({
        reason: StopReason.ServerShutdown({ code: config.shutdownCode }),
        spread: config.drainSpread,
        deadline
      })
      // Events, whose streams have ended: a client that doesn't read them is not waited for.
      yield* Effect.interruptible(listener?.answered ?? Effect.void).pipe(
        Effect.timeoutOption(Math.max(0, Math.min(LAST_ANSWERS, deadline - elapsed())))
      )
    })
    let draining: Fiber.RuntimeFiber<void> | undefined
    const drain = Effect.suspend(() => {
      draining ??= fork(Effect.uninterruptible(drainNow))
      return Effect.asVoid(Fiber.await(draining))
    })

    return {
      registry,
      connections: { ...registry.connections, drain },
      metrics,
      faults,
      peerOf,
      onRefused,
      log,
      timeout: config.handshakeTimeout,
      closing,
      isDraining: () => isDraining,
      serve,
      listensBy: (one) => {
        listener = one
      },
      drain
    }
  })

/** Says what settings leave no time for. */
export const warnings = (config: ServerSettings): Effect.Effect<void> =>
  Duration.greaterThanOrEqualTo(Duration.sum(config.drainDelay, config.drainSpread), config.drainTimeout)
    ? Effect.logWarning(
        "drain-delay and drain-spread leave no time within drain-timeout: connections will be destroyed at a shutdown"
      )
    : Effect.void
