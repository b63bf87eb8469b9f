/**
 * What endpoints require of the servers that they are mounted on, and of the middleware there.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import { type Connections, echo, Endpoint, HandshakeRefused, Upgrader } from "answerback"
import { type ConfigError, Effect, Layer } from "effect"
import type { Server } from "node:http"
import { Clock, Database, Sessions } from "./program.js"
import { same } from "./same.js"

const echoing = Endpoint.make(echo)
const saving = Endpoint.make(({ messages }) =>
  Effect.gen(function* () {
    yield* Database
    yield* Effect.addFinalizer(() => Effect.void)
    return messages
  })
)
const ofUsers = Endpoint.make({
  authorize: ({ query }) =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      return yield* sessions.userOf(query.get("token") ?? "")
    }).pipe(Effect.mapError(() => new HandshakeRefused({ status: 403, message: "no" }))),
  handler: (connection, { name }) => Effect.zipRight(Clock, connection.send(name))
})

// What makes connections, and knows them.
const upgrader = () => Upgrader.layer({ maxConnections: 10, drainTimeout: "3 seconds" })
same<ReturnType<typeof upgrader>, Layer.Layer<Upgrader.Upgrader | Connections, ConfigError.ConfigError>>()
const upgraderByConfig = () => Upgrader.layerConfig()
same<ReturnType<typeof upgraderByConfig>, ReturnType<typeof upgrader>>()
// @ts-expect-error -- the program listens
Upgrader.layer({ port: 8080 })
// @ts-expect-error -- and has its certificate
Upgrader.layer({ tlsCert: "cert.pem" })

// A route of the platform's router: each of its requirements is one of each request, which middleware can satisfy.
const route = () => Upgrader.layerRoute("/save", saving)
same<
  ReturnType<typeof route>,
  Layer.Layer<
    never,
    ConfigError.ConfigError,
    Upgrader.Upgrader | HttpLayerRouter.HttpRouter | HttpLayerRouter.Request<"Requires", Database>
  >
>()
const authorizedRoute = () => Upgrader.layerRoute("/users", ofUsers)
same<
  ReturnType<typeof authorizedRoute>,
  Layer.Layer<
    never,
    ConfigError.ConfigError,
    | Upgrader.Upgrader
    | HttpLayerRouter.HttpRouter
    | HttpLayerRouter.Request<"Requires", Sessions>
    | HttpLayerRouter.Request<"Requires", Clock>
  >
>()
const echoRoute = () => Upgrader.layerRoute("/echo", echoing)
same<
  ReturnType<typeof echoRoute>,
  Layer.Layer<never, ConfigError.ConfigError, Upgrader.Upgrader | HttpLayerRouter.HttpRouter>
>()
// @ts-expect-error -- a path begins with a slash
Upgrader.layerRoute("echo", echoing)

declare const database: (typeof Database)["Service"]
const withDatabase = HttpLayerRouter.middleware<{ provides: Database }>()(
  Effect.succeed((app) => Effect.provideService(app, Database, database))
)
const provided = () => route().pipe(Layer.provide(withDatabase.layer))
same<ReturnType<typeof provided>, ReturnType<typeof echoRoute>>()

// Served, only the server is left to be provided, and what no middleware knew of.
const served = () =>
  HttpLayerRouter.serve(Layer.mergeAll(provided(), authorizedRoute())).pipe(Layer.provide(upgrader()))
same<
  ReturnType<typeof served>,
  Layer.Layer<never, ConfigError.ConfigError, Sessions | Clock | HttpServer.HttpServer>
>()

// An application of the platform: its requirements are those of each request, and it doesn't fail.
const app = () => Upgrader.toHttpApp(saving)
same<
  ReturnType<typeof app>,
  Effect.Effect<HttpApp.Default<never, Database>, ConfigError.ConfigError, Upgrader.Upgrader>
>()
const echoApp = () => Upgrader.toHttpApp(echoing)
same<ReturnType<typeof echoApp>, Effect.Effect<HttpApp.Default, ConfigError.ConfigError, Upgrader.Upgrader>>()
const router = () =>
  Layer.unwrapEffect(
    Effect.map(app(), (one) =>
      HttpRouter.empty.pipe(HttpRouter.get("/save", one), HttpServer.serve(HttpMiddleware.logger))
    )
  )
same<
  ReturnType<typeof router>,
  Layer.Layer<never, ConfigError.ConfigError, Upgrader.Upgrader | Database | HttpServer.HttpServer>
>()

// Endpoints on a bare server.
declare const server: Server
const attached = () => Upgrader.layerNode(server, { "/save": saving, "/users": ofUsers, "/echo": echoing })
same<
  ReturnType<typeof attached>,
  Layer.Layer<never, ConfigError.ConfigError, Upgrader.Upgrader | Database | Sessions | Clock>
>()
const attachedEcho = () => Upgrader.layerNode(server, { "/echo": echoing })
same<ReturnType<typeof attachedEcho>, Layer.Layer<never, ConfigError.ConfigError, Upgrader.Upgrader>>()
const guarded = () => Upgrader.guard(server)
same<ReturnType<typeof guarded>, Server>()

// All the layers of a program provided, it can be launched.
declare const services: Layer.Layer<Database | Sessions | Clock>
const main = () => Layer.launch(attached().pipe(Layer.provide(upgrader()), Layer.provide(services)))
same<ReturnType<typeof main>, Effect.Effect<never, ConfigError.ConfigError>>()
