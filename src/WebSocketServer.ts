/**
 * A WebSocket server as a Layer: the program's handler, our lifecycle.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Admin from "./admin/Admin.js"
import * as Deadlines from "./connection/Deadlines.js"
import type { Handler } from "./connection/Handler.js"
import * as Cluster from "./cluster/Cluster.js"
import * as Fleet from "./cluster/Fleet.js"
import { ofPlaces, Places } from "./http/Admission.js"
import * as Address from "./http/Address.js"
import * as Console from "./http/Console.js"
import * as HttpServer from "./http/HttpServer.js"
import * as Listener from "./http/Listener.js"
import * as Routes from "./http/Routes.js"
import type { StartError } from "./http/StartError.js"
import * as Handshake from "./protocol/Handshake.js"
import { pathOf } from "./protocol/Target.js"
import { Connections } from "./registry/Connections.js"
import * as Dispatch from "./server/Dispatch.js"
import * as Endpoint from "./server/Endpoint.js"
import * as Engine from "./server/Engine.js"
import { ServerConfig, type ServerOptions, type ServerSettings } from "./ServerConfig.js"
import * as Prometheus from "./telemetry/Prometheus.js"
import * as Tracing from "./telemetry/Tracing.js"

/**
 * A server that listens; its scope closing is its shutdown.
 *
 * @example
 * ```ts
 * import { echo, WebSocketServer } from "answerback"
 * import { Effect } from "effect"
 *
 * export const main = Effect.gen(function* () {
 *   const { webSocketUrl } = yield* WebSocketServer.WebSocketServer
 *   yield* Effect.logInfo(`connect to ${webSocketUrl}`)
 *   yield* Effect.never
 * }).pipe(Effect.provide(WebSocketServer.layer(echo, { port: 0 })))
 * ```
 */
export class WebSocketServer extends Context.Tag("answerback/WebSocketServer")<
  WebSocketServer,
  Address.ServerAddress
>() {}

/**
 * Starts a server with these endpoints. When the scope closes the server shuts down: it turns not ready, goes on for
 * `drainDelay`, stops listening, stops every connection with `ServerShutdown`, and is gone when all have ended, at the
 * latest after `drainTimeout`.
 *
 * @internal
 */
export const make = <R>(
  endpoints: Readonly<Record<string, Endpoint.Endpoint<R>>>
): Effect.Effect<
  Context.Context<WebSocketServer | Connections>,
  StartError | ConfigError.ConfigError,
  ServerConfig | Scope.Scope | Exclude<R, Connections>
> =>
  Effect.gen(function* () {
    const config = yield* ServerConfig
    const engine = yield* Engine.make(config)
    const { closing, connections, faults, log, metrics, onRefused, peerOf, registry } = engine
    const scheme = config.tlsCert === undefined ? "http" : "https"
    const { join } = Option.getOrElse(yield* Effect.serviceOption(Cluster.Cluster), () => Cluster.alone)
    const cluster = yield* join({
      fleet: Fleet.ofServer(connections, faults),
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
    const paths = Object.keys(endpoints)
    const isTraced = yield* Tracing.isOn
    const onRequest = yield* NodeHttpServer.makeHandler(
      Routes.make({
        admin,
        endpoints: paths,
        state: () => (engine.isDraining() ? "draining" : cluster.health()),
        console: Console.settingsOf(config, faults?.askers ?? "nobody"),
        metrics: Effect.map(cluster.scrape ?? Effect.sync(() => metrics.families()), Prometheus.page),
        onRefused,
        peerOf
      })
    ).pipe(
      // A span each time that somebody looks whether the server is well would drown the others.
      Effect.locally(
        HttpMiddleware.currentTracerDisabledWhen,
        ({ originalUrl }) => !isTraced || Routes.isRoutine(originalUrl)
      ),
      Effect.withTracerEnabled(isTraced)
    )
    const admission = cluster.admission ?? ofPlaces(new Places(config))
    // Its handlers may ask who is here.
    const surroundings = yield* Effect.provideService(registry.surroundings<R>(), Connections, connections)
    const served = new Map<string, Engine.Served<R>>()
    for (const [path, endpoint] of Object.entries(endpoints))
      served.set(path, yield* engine.serve(endpoint, admission))
    const onUpgrade = Dispatch.make({
      endpoints: served,
      surroundings,
      onRequest,
      onLost: (request) => {
        onRefused(peerOf(request.socket, request), Handshake.notFound(pathOf(request.url ?? ""), paths))
      }
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
          onUpgrade,
          onRefused: (socket, refusal) => onRefused(peerOf(socket), refusal),
          onError: (cause) => {
            log(Effect.logWarning("the listening socket failed", Cause.fail(cause)))
          }
        }
      ),
      (listener) => listener.close
    )
    engine.listensBy(listener)
    yield* Effect.addFinalizer(() => engine.drain)

    yield* Engine.warnings(config)
    const address = Address.of(listener.address, config)
    const urls = { url: address.url, websocket: address.webSocketUrl }
    yield* cluster.intake?.listening(urls) ?? Effect.annotateLogs(Effect.logInfo("listening"), urls)
    return Context.merge(Context.make(WebSocketServer, address), Context.make(Connections, connections))
  })

/**
 * What the layers of a server provide.
 *
 * @example
 * ```ts
 * import { echo, WebSocketServer } from "answerback"
 * import type { Layer } from "effect"
 *
 * export const Server: Layer.Layer<WebSocketServer.Provided, unknown> = WebSocketServer.layer(echo)
 * ```
 */
export type Provided = WebSocketServer | Connections

/**
 * A server with a handler of the program's own, and settings that it wrote. Its endpoint is at `path`.
 *
 * @example
 * ```ts
 * import { WebSocketServer } from "answerback"
 * import { Layer, Stream } from "effect"
 *
 * const Server = WebSocketServer.layer(
 *   (connection) =>
 *     Stream.runForEach(connection.messages, ({ text }) => connection.send(text.toUpperCase())),
 *   { path: "/shout", port: 8080 }
 * )
 * export const main = Layer.launch(Server)
 * ```
 */
export const layer = <E, R>(
  handler: Handler<E, R>,
  options?: ServerOptions
): Layer.Layer<
  Provided,
  StartError | ConfigError.ConfigError,
  Exclude<Exclude<R, Scope.Scope>, Connections>
> => Layer.provide(layerOf(handler), ServerConfig.layer(options))

/**
 * A server with a handler of the program's own, and settings from a `Config`, by default from `ANSWERBACK_*`.
 *
 * @example
 * ```ts
 * import { echo, WebSocketServer } from "answerback"
 * import { Layer } from "effect"
 *
 * // ANSWERBACK_PORT=9000 ANSWERBACK_IDLE_TIMEOUT=5m node main.js
 * export const main = Layer.launch(WebSocketServer.layerConfig(echo))
 * ```
 */
export const layerConfig = <E, R>(
  handler: Handler<E, R>,
  config?: Config.Config<ServerSettings>
): Layer.Layer<
  Provided,
  StartError | ConfigError.ConfigError,
  Exclude<Exclude<R, Scope.Scope>, Connections>
> => Layer.provide(layerOf(handler), ServerConfig.layerConfig(config))

const layerOf = <E, R>(handler: Handler<E, R>) =>
  Layer.scopedContext(Effect.flatMap(ServerConfig, ({ path }) => make({ [path]: Endpoint.make(handler) })))

/**
 * A server with several endpoints, each with a handler, limits and policies of its own. What an endpoint leaves out is as
 * the server has it; `maxConnections` and `maxConnectionsPerAddress` of the server count over all of them.
 *
 * @example
 * ```ts
 * import { echo, Endpoint, WebSocketServer } from "answerback"
 * import { Effect, Layer } from "effect"
 *
 * const clock = Endpoint.make({
 *   maxPayload: "1KiB",
 *   handler: (connection) =>
 *     Effect.forever(Effect.zipRight(connection.send(new Date().toISOString()), Effect.sleep("1 second")))
 * })
 * const Server = WebSocketServer.layerEndpoints(
 *   { "/echo": Endpoint.make(echo), "/clock": clock },
 *   { port: 8080, maxConnections: 50_000 }
 * )
 * export const main = Layer.launch(Server)
 * ```
 */
export const layerEndpoints = <const E extends Endpoint.Endpoints>(
  endpoints: E,
  options?: Omit<ServerOptions, "path">
): Layer.Layer<Provided, StartError | ConfigError.ConfigError, Exclude<Endpoint.Requires<E>, Connections>> =>
  Layer.provide(
    Layer.scopedContext(make(Endpoint.together(endpoints))),
    ServerConfig.layer({ ...options, path: Object.keys(endpoints)[0] ?? "/" })
  )
