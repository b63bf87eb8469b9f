/**
 * A WebSocket server as a Layer: the program's handler, our lifecycle.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Handler } from "./connection/Connection.js"
import * as Deadlines from "./connection/Deadlines.js"
import { monotonic } from "./connection/Monotonic.js"
import { TcpWire } from "./connection/Wire.js"
import * as Admin from "./admin/Admin.js"
import { acceptor } from "./connection/WsSocket.js"
import { WsTransport } from "./connection/WsTransport.js"
import { Faults } from "./faults/Faults.js"
import * as Cluster from "./cluster/Cluster.js"
import * as Fleet from "./cluster/Fleet.js"
import { ofPlaces, Places } from "./http/Admission.js"
import * as Address from "./http/Address.js"
import * as Console from "./http/Console.js"
import * as Handshakes from "./http/Handshakes.js"
import * as HttpServer from "./http/HttpServer.js"
import * as Listener from "./http/Listener.js"
import * as Peer from "./http/Peer.js"
import * as Routes from "./http/Routes.js"
import type { StartError } from "./http/StartError.js"
import type * as Handshake from "./protocol/Handshake.js"
import { StopReason } from "./protocol/StopReason.js"
import * as Connections from "./registry/Connections.js"
import { ServerConfig, type ServerOptions, type ServerSettings } from "./ServerConfig.js"
import * as Metrics from "./telemetry/Metrics.js"
import * as Prometheus from "./telemetry/Prometheus.js"
import * as Tracing from "./telemetry/Tracing.js"

/** A server that listens; its scope closing is its shutdown. */
export class WebSocketServer extends Context.Tag("answerback/WebSocketServer")<
  WebSocketServer,
  Address.ServerAddress
>() {}

/**
 * Starts a server whose connections have this handler. When the scope closes the server shuts down: it turns not
 * ready, goes on for `drainDelay`, stops listening, stops every connection with `ServerShutdown`, and is gone when
 * all have ended, at the latest after `drainTimeout`.
 */
export const make = <E, R>(
  handler: Handler<E, R>
): Effect.Effect<
  Context.Context<WebSocketServer | Connections.Connections>,
  StartError,
  ServerConfig | Scope.Scope | Exclude<R, Scope.Scope>
> =>
  Effect.gen(function* () {
    const config = yield* ServerConfig
    const metrics = yield* Metrics.make
    const tracing = yield* Tracing.make
    const registry = yield* Connections.make({
      handler:
        tracing === undefined ? handler : (connection) => tracing.within(connection.id, handler(connection)),
      observers: tracing === undefined ? [metrics] : [metrics, tracing],
      closeTimeout: config.closeTimeout,
      watch: {
        heartbeatInterval: Duration.toMillis(config.heartbeatInterval),
        heartbeatTimeout: Duration.toMillis(config.heartbeatTimeout),
        idleTimeout: Duration.toMillis(config.idleTimeout),
        maxLifetime: Duration.toMillis(config.maxLifetime),
        sendTimeout: Duration.toMillis(config.sendTimeout)
      }
    })
    const faults = Option.getOrUndefined(yield* Effect.serviceOption(Faults))
    const wrap = faults?.wrapper(config.highWaterMark)
    let isDraining = false
    let isClosing = false
    const log = yield* FiberSet.makeRuntime<never, void>()
    const peerOf = Peer.make(config.trustedProxies)
    const onRefused = ({ remote }: Peer.Peer, { error, status }: Handshake.Refusal): void => {
      metrics.rejected(status)
      // At debug: a flood of them must not fill the disk.
      log(Effect.annotateLogs(Effect.logDebug("handshake refused"), { remote, status, error }))
    }
    const scheme = config.tlsCert === undefined ? "http" : "https"
    const closing = yield* Deferred.make<void>()
    const { join } = Option.getOrElse(yield* Effect.serviceOption(Cluster.Cluster), () => Cluster.alone)
    const cluster = yield* join({
      fleet: Fleet.ofServer(registry.connections, faults),
      tags: () => [registry.tag],
      events: registry.events,
      families: () => metrics.families()
    })
    const admin = yield* Admin.make({
      policy: { scheme, token: config.adminToken },
      cluster,
      hasFaults: faults !== undefined && faults.askers !== "nobody",
      sendTimeout: Duration.toMillis(config.sendTimeout),
      closing,
      onRefused: ({ remote }, { error, status }) => {
        log(Effect.annotateLogs(Effect.logDebug("admin request refused"), { remote, status, error }))
      },
      peerOf
    })
    const onRequest = yield* NodeHttpServer.makeHandler(
      Routes.make({
        admin,
        endpoint: config.path,
        state: () => (isDraining ? "draining" : cluster.health()),
        console: Console.settingsOf(config, faults?.askers ?? "nobody"),
        metrics: Effect.map(cluster.scrape ?? Effect.sync(() => metrics.families()), Prometheus.page),
        onRefused,
        peerOf
      })
    ).pipe(
      // A span each time that somebody looks whether the server is well would drown the others.
      Effect.locally(HttpMiddleware.currentTracerDisabledWhen, ({ originalUrl }) =>
        Routes.isRoutine(originalUrl)
      )
    )
    const onUpgrade = Handshakes.make({
      endpoint: config.path,
      policy: {
        scheme,
        origins: config.origins,
        subprotocols: config.subprotocols
      },
      admission: cluster.admission ?? ofPlaces(new Places(config)),
      acceptor: acceptor({
        maxPayload: config.maxPayload,
        compression: config.compression,
        closeTimeout: Duration.toMillis(config.closeTimeout)
      }),
      peerOf,
      isClosing: () => isClosing,
      onRequest,
      faults,
      onOpen: ({ path, peer, plan, subprotocol, upgrade, ws }) => {
        const { highWaterMark, maxPayload } = config
        const { remote } = peer
        const transport = new WsTransport(ws, upgrade.socket, {
          wire: new TcpWire(upgrade.tcp),
          remote,
          highWaterMark,
          maxPayload
        })
        const faulty = wrap?.(transport, plan)
        const id = registry.accept(faulty ?? transport, { path, subprotocol })
        if (id === undefined) transport.destroy()
        else faulty?.opened(id)
      },
      onRefused
    })

    const listener = yield* Effect.acquireRelease(
      Listener.make(
        {
          listen: cluster.intake?.listen ?? ((server) => HttpServer.listen(server, config.host, config.port)),
          tls:
            config.tlsCert === undefined || config.tlsKey === undefined
              ? undefined
              : { cert: config.tlsCert, key: config.tlsKey },
          deadlines: yield* Deadlines.make(config.handshakeTimeout),
          requestTimeout: Duration.toMillis(config.handshakeTimeout),
          sendTimeout: Duration.toMillis(config.sendTimeout)
        },
        {
          onRequest,
          onUpgrade: (upgrade) => {
            tracing?.handshake()
            onUpgrade(upgrade)
          },
          onRefused: (socket, refusal) => onRefused(peerOf(socket), refusal),
          onError: (cause) => {
            log(Effect.logWarning("the listening socket failed", Cause.fail(cause)))
          }
        }
      ),
      (listener) => listener.close
    )

    const elapsed = yield* monotonic
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        isDraining = true
        const timeout = Duration.toMillis(config.drainTimeout)
        const deadline = elapsed() + timeout
        yield* Effect.sleep(Math.min(Duration.toMillis(config.drainDelay), timeout))
        isClosing = true
        yield* Deferred.succeed(closing, undefined)
        yield* listener.stopListening
        yield* registry.drain({
          reason: StopReason.ServerShutdown({ code: config.shutdownCode }),
          spread: config.drainSpread,
          deadline
        })
      })
    )

    if (
      Duration.greaterThanOrEqualTo(Duration.sum(config.drainDelay, config.drainSpread), config.drainTimeout)
    ) {
      yield* Effect.logWarning(
        "drain-delay and drain-spread leave no time within drain-timeout: connections will be destroyed at a shutdown"
      )
    }
    const address = Address.of(listener.address, config)
    const urls = { url: address.url, websocket: address.webSocketUrl }
    yield* cluster.intake?.listening(urls) ?? Effect.annotateLogs(Effect.logInfo("listening"), urls)
    return Context.merge(
      Context.make(WebSocketServer, address),
      Context.make(Connections.Connections, registry.connections)
    )
  })

/** What the layers of a server provide. */
export type Provided = WebSocketServer | Connections.Connections

/** A server with a handler of the program's own, and settings that it wrote. */
export const layer = <E, R>(
  handler: Handler<E, R>,
  options?: ServerOptions
): Layer.Layer<Provided, StartError | ConfigError.ConfigError, Exclude<R, Scope.Scope>> =>
  Layer.scopedContext(make(handler)).pipe(Layer.provide(ServerConfig.layer(options)))

/** A server with a handler of the program's own, and settings from a `Config`, by default from `ANSWERBACK_*`. */
export const layerConfig = <E, R>(
  handler: Handler<E, R>,
  config?: Config.Config<ServerSettings>
): Layer.Layer<Provided, StartError | ConfigError.ConfigError, Exclude<R, Scope.Scope>> =>
  Layer.scopedContext(make(handler)).pipe(Layer.provide(ServerConfig.layerConfig(config)))
