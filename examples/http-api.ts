/**
 * WebSockets in a server that has an `HttpApi` already: on the same port, behind the same middleware, and with an endpoint of
 * that API to see who is connected and to stop them.
 *
 *     node examples/http-api.ts        (Node 22.18 or later; before that: npx tsx examples/http-api.ts)
 *
 * Then connect to ws://localhost:8080/time, and ask http://localhost:8080/connections. `PORT=9000` in the environment for
 * another port; the API describes itself at /openapi.json.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import { Connections, Endpoint, Upgrader } from "answerback"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"

class NotConnected extends Schema.TaggedError<NotConnected>()(
  "NotConnected",
  { id: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {}

const Listed = Schema.Struct({
  id: Schema.String,
  remote: Schema.String,
  path: Schema.String,
  openedAt: Schema.DateFromNumber,
  messagesOut: Schema.Number
})

/** The API that was there before. */
class Api extends HttpApi.make("Api").add(
  HttpApiGroup.make("connections")
    .add(HttpApiEndpoint.get("list", "/connections").addSuccess(Schema.Array(Listed)))
    .add(
      HttpApiEndpoint.del("stop", "/connections/:id")
        .setPath(Schema.Struct({ id: Schema.String }))
        .addError(NotConnected)
    )
) {}

const handlers = HttpApiBuilder.group(Api, "connections", (group) =>
  group
    .handle("list", () =>
      Effect.gen(function* () {
        const connections = yield* Connections
        const list = yield* connections.list
        return list.map(({ id, messagesOut, openedAt, path, remote }) => ({
          id,
          remote,
          path,
          openedAt: new Date(openedAt),
          messagesOut
        }))
      })
    )
    .handle("stop", ({ path: { id } }) =>
      Effect.gen(function* () {
        const connections = yield* Connections
        yield* connections.stop(id, { code: 4000, reason: "stopped by an operator" })
      }).pipe(
        Effect.catchTags({
          ConnectionNotFound: () => Effect.fail(new NotConnected({ id })),
          InvalidClose: Effect.die
        })
      )
    )
)

/** The time, once a second, to whoever wants to know. Messages of the peer aren't read. */
const time = Endpoint.make({
  maxPayload: "1KiB",
  handler: (connection) =>
    Stream.fromSchedule(Schedule.spaced("1 second")).pipe(
      Stream.mapEffect(() => Effect.sync(() => new Date().toISOString())),
      Stream.run(connection.sendAll)
    )
})

const Routes = Layer.mergeAll(
  HttpLayerRouter.addHttpApi(Api, { openapiPath: "/openapi.json" }).pipe(Layer.provide(handlers)),
  Upgrader.layerRoute("/time", time)
)

const Server = HttpLayerRouter.serve(Routes).pipe(
  // What the endpoints have in common, and what knows their connections.
  Layer.provide(Upgrader.layer({ maxConnections: 1000 })),
  Layer.provide(
    NodeHttpServer.layer(() => Upgrader.guard(createServer()), { port: Number(process.env["PORT"] ?? 8080) })
  )
)

NodeRuntime.runMain(Layer.launch(Server))
