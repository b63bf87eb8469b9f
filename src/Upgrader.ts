/**
 * WebSocket endpoints on HTTP servers that the program already has.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Server } from "node:http"
import { type Admission, ofPlaces, Places } from "./http/Admission.js"
import * as Detached from "./http/Detached.js"
import { Connections } from "./registry/Connections.js"
import * as Endpoint from "./server/Endpoint.js"
import * as Engine from "./server/Engine.js"
import * as Node from "./server/Node.js"
import * as Route from "./server/Route.js"
import { ServerConfig, type ServerOptions, type ServerSettings } from "./ServerConfig.js"

/** What can be set where the server, its routes and its certificate are the program's. */
export interface UpgraderOptions extends Omit<
  ServerOptions,
  "host" | "port" | "path" | "faults" | "console" | "adminToken" | "tlsCert" | "tlsKey"
> {}

/** What makes connections of handshakes. */
export interface Service {
  /** @internal */
  readonly engine: Engine.Engine
  /** @internal */
  readonly admission: Admission
}

/**
 * Makes WebSocket connections of the handshakes that come to the program's own HTTP servers. Its connections have the same
 * life as those of a server of their own: limits, heartbeats, back-pressure, stop signals, metrics, and the drain.
 */
export class Upgrader extends Context.Tag("answerback/Upgrader")<Upgrader, Service>() {}

/** What the layers provide. */
export type Provided = Upgrader | Connections

const make = Effect.gen(function* () {
  const config = yield* ServerConfig
  const engine = yield* Engine.make(config)
  yield* Effect.addFinalizer(() => engine.drain)
  yield* Engine.warnings(config)
  return Context.make(Upgrader, { engine, admission: ofPlaces(new Places(config)) }).pipe(
    Context.add(Connections, engine.connections)
  )
})

/**
 * What the endpoints on the program's servers share: their limits by default, the count of connections, and `Connections`.
 * When the scope closes, all connections are drained as in a shutdown.
 *
 * @example
 * ```ts
 * import { Upgrader } from "answerback"
 *
 * export const Sockets = Upgrader.layer({ maxConnections: 50_000, idleTimeout: "5 minutes" })
 * ```
 */
export const layer = (options?: UpgraderOptions): Layer.Layer<Provided, ConfigError.ConfigError> =>
  Layer.provide(Layer.scopedContext(make), ServerConfig.layer(options))

/**
 * The same with settings from a `Config`, by default from `ANSWERBACK_*`.
 *
 * @example
 * ```ts
 * import { Upgrader } from "answerback"
 *
 * // ANSWERBACK_MAX_PAYLOAD=64KiB node main.js
 * export const Sockets = Upgrader.layerConfig()
 * ```
 */
export const layerConfig = (
  config?: Config.Config<ServerSettings>
): Layer.Layer<Provided, ConfigError.ConfigError> =>
  Layer.provide(Layer.scopedContext(make), ServerConfig.layerConfig(config))

const serve = <R>(endpoint: Endpoint.Endpoint<R>) =>
  Effect.flatMap(Upgrader, ({ admission, engine }) => engine.serve(endpoint, admission))

/**
 * An endpoint as an application of the platform, for `HttpRouter.get` and whatever else takes one. Its requests must come
 * from a `NodeHttpServer`. The program's middleware runs around it, for as long as the connection is open; services,
 * `FiberRef`s and the span there are those of the handler.
 *
 * @example
 * ```ts
 * import { HttpRouter, HttpServer } from "@effect/platform"
 * import { echo, Endpoint, Upgrader } from "answerback"
 * import { Effect, Layer } from "effect"
 *
 * export const App = Layer.unwrapEffect(
 *   Effect.map(Upgrader.toHttpApp(Endpoint.make(echo)), (app) =>
 *     HttpRouter.empty.pipe(HttpRouter.get("/echo", app), HttpServer.serve())
 *   )
 * ).pipe(Layer.provide(Upgrader.layer()))
 * ```
 */
export const toHttpApp = <R>(
  endpoint: Endpoint.Endpoint<R>
): Effect.Effect<HttpApp.Default<never, R>, ConfigError.ConfigError, Upgrader> =>
  Effect.gen(function* () {
    const { engine } = yield* Upgrader
    return Route.make(engine, yield* serve(endpoint))
  })

/**
 * An endpoint as a route of the platform's `HttpLayerRouter`; for the rest like `toHttpApp`. What the router's middleware
 * provides, its handler may require.
 *
 * @example
 * ```ts
 * import { HttpLayerRouter } from "@effect/platform"
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { echo, Endpoint, Upgrader } from "answerback"
 * import { Layer } from "effect"
 * import { createServer } from "node:http"
 *
 * const Routes = Upgrader.layerRoute("/echo", Endpoint.make(echo))
 * export const main = HttpLayerRouter.serve(Routes).pipe(
 *   Layer.provide(Upgrader.layer()),
 *   Layer.provide(NodeHttpServer.layer(() => Upgrader.guard(createServer()), { port: 3000 })),
 *   Layer.launch
 * )
 * ```
 */
export const layerRoute = <R>(
  path: HttpLayerRouter.PathInput,
  endpoint: Endpoint.Endpoint<R>
): Layer.Layer<
  never,
  ConfigError.ConfigError,
  | Upgrader
  | HttpLayerRouter.HttpRouter
  | HttpLayerRouter.Request.From<"Requires", Exclude<R, HttpLayerRouter.Provided>>
> => Layer.unwrapEffect(Effect.map(toHttpApp(endpoint), (app) => HttpLayerRouter.add("GET", path, app)))

/**
 * Endpoints on a server of `node:http` or `node:https`, by their paths. Upgrades to other paths are left to the server's
 * other listeners; if there are none, they are answered like plain requests. When the scope closes the connections are
 * drained; closing the server is up to the program.
 *
 * @example
 * ```ts
 * import { echo, Endpoint, Upgrader } from "answerback"
 * import { Layer } from "effect"
 * import { createServer } from "node:http"
 *
 * const server = createServer((_, response) => response.end("hello")).listen(3000)
 * export const main = Upgrader.layerNode(server, { "/echo": Endpoint.make(echo) }).pipe(
 *   Layer.provide(Upgrader.layer()),
 *   Layer.launch
 * )
 * ```
 */
export const layerNode = <const E extends Endpoint.Endpoints>(
  server: Server,
  endpoints: E
): Layer.Layer<never, ConfigError.ConfigError, Upgrader | Endpoint.Requires<E>> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const { engine } = yield* Upgrader
      const served = new Map<string, Engine.Served<Endpoint.Requires<E>>>()
      for (const [path, endpoint] of Object.entries(Endpoint.together(endpoints)))
        served.set(path, yield* serve(endpoint))
      yield* Node.attach(engine, server, served)
    })
  )

/**
 * Sees to it that no peer of a server does harm while the program decides on its upgrade. Node leaves the socket of an
 * upgrade without anybody who listens to its errors: a reset that comes while a middleware waits ends the process.
 * `layerNode` sees to it by itself, and `layerRoute` and `toHttpApp` do from the first upgrade on that reaches them.
 *
 * @returns the server.
 *
 * @example
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Upgrader } from "answerback"
 * import { createServer } from "node:http"
 *
 * export const Http = NodeHttpServer.layer(() => Upgrader.guard(createServer()), { port: 3000 })
 * ```
 */
export const guard = <S extends Server>(server: S): S => {
  Detached.guard(server)
  return server
}
