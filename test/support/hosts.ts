/**
 * The same endpoints on each kind of server that can have them.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as http from "node:http"
import { Connections, type Endpoint, type Faults, Upgrader, WebSocketServer } from "../../src/index.js"
import * as Logging from "../../src/telemetry/Logging.js"
import * as Log from "./Log.js"

/** A server that listens, of whatever kind. */
export interface Host {
  readonly port: number
  readonly logs: ReadonlyArray<Log.Line>
  readonly logged: (message: string, fields?: Log.Line) => Effect.Effect<Log.Line, Error>
  readonly connections: Context.Tag.Service<Connections>
  readonly shutdown: Effect.Effect<void>
}

/** What all kinds of server take. */
export interface HostOptions extends Upgrader.UpgraderOptions {
  readonly faults?: Layer.Layer<Faults.Faults>
}

type Endpoints = Readonly<Record<`/${string}`, Endpoint.Endpoint>>

interface Listening {
  readonly port: number
  readonly connections: Context.Tag.Service<Connections>
}

type Kind = (
  endpoints: Endpoints,
  options: Upgrader.UpgraderOptions
) => Effect.Effect<Listening, unknown, Scope.Scope>

const paths = (endpoints: Endpoints) =>
  Object.entries(endpoints).map(([path, endpoint]): readonly [`/${string}`, Endpoint.Endpoint] => [
    `/${path.slice(1)}`,
    endpoint
  ])

const own: Kind = (endpoints, options) =>
  Effect.map(
    Layer.build(WebSocketServer.layerEndpoints(endpoints, { ...options, host: "127.0.0.1", port: 0 })),
    (context) => ({
      port: Context.get(context, WebSocketServer.WebSocketServer).port,
      connections: Context.get(context, Connections)
    })
  )

const LOCAL = { host: "127.0.0.1", port: 0 }

const onPlatform = (
  options: Upgrader.UpgraderOptions,
  app: Layer.Layer<never, unknown, Upgrader.Upgrader | HttpServer.HttpServer>
) =>
  Effect.gen(function* () {
    const layer = Layer.provideMerge(
      app,
      Layer.merge(
        Upgrader.layer(options),
        NodeHttpServer.layer(() => Upgrader.guard(http.createServer()), LOCAL)
      )
    )
    const context = yield* Layer.build(layer)
    const { address } = Context.get(context, HttpServer.HttpServer)
    if (address._tag !== "TcpAddress") return yield* Effect.dieMessage("not on TCP")
    return { port: address.port, connections: Context.get(context, Connections) }
  })

const layerRouter: Kind = (endpoints, options) => {
  const [first, ...rest] = paths(endpoints).map(([path, endpoint]) => Upgrader.layerRoute(path, endpoint))
  if (first === undefined) return Effect.dieMessage("no endpoint")
  return onPlatform(options, HttpLayerRouter.serve(Layer.mergeAll(first, ...rest), { disableLogger: true }))
}

const router: Kind = (endpoints, options) =>
  onPlatform(
    options,
    Layer.unwrapEffect(
      Effect.map(
        Effect.reduce(paths(endpoints), HttpRouter.empty, (routes, [path, endpoint]) =>
          Effect.map(Upgrader.toHttpApp(endpoint), (app) => HttpRouter.get(routes, path, app))
        ),
        (routes) => HttpServer.serve(routes)
      )
    )
  )

const bare: Kind = (endpoints, options) =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.async<http.Server>((resume) => {
        const server = http.createServer((_, response) => {
          response.writeHead(404).end()
        })
        server.listen(LOCAL, () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeIdleConnections()
        })
    )
    const context = yield* Layer.build(
      Layer.provideMerge(Upgrader.layerNode(server, endpoints), Upgrader.layer(options))
    )
    const address = server.address()
    if (address === null || typeof address === "string") return yield* Effect.dieMessage("not on TCP")
    return { port: address.port, connections: Context.get(context, Connections) }
  })

const kinds = {
  "a server of its own": own,
  "a route of HttpLayerRouter": layerRouter,
  "a route of HttpRouter": router,
  "a bare node:http server": bare
}

/** The kinds of server. */
export const hosts = Object.entries(kinds).map(
  ([name, kind]) =>
    [
      name,
      (
        endpoints: Endpoints,
        { faults, ...options }: HostOptions = {}
      ): Effect.Effect<Host, unknown, Scope.Scope> =>
        Effect.gen(function* () {
          const log = Log.make()
          const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
          const around = Logging.layer({
            format: "json",
            level: "debug",
            isColoured: false,
            write: log.write
          })
          const planned = yield* Layer.buildWithScope(faults ?? Layer.empty, scope)
          const { connections, port } = yield* kind(endpoints, options).pipe(
            Scope.extend(scope),
            Effect.provide(planned),
            Effect.provide(around)
          )
          return {
            port,
            connections,
            logs: log.lines,
            logged: log.logged,
            shutdown: Effect.uninterruptible(Scope.close(scope, Exit.void))
          }
        })
    ] as const
)
