// An echo server of `@effect/platform`'s own upgrade.
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"

const app = Effect.gen(function* () {
  const socket = yield* HttpServerRequest.upgrade
  const write = yield* socket.writer
  yield* socket.runRaw(write)
  return HttpServerResponse.empty()
}).pipe(
  Effect.scoped,
  Effect.catchAll(() => HttpServerResponse.empty({ status: 400 }))
)

const started = Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
  Effect.sync(() => process.stdout.write(`listening :${address.port}\n`))
)

Layer.scopedDiscard(Effect.zipRight(HttpServer.serveEffect(app), started)).pipe(
  Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
  Layer.launch,
  NodeRuntime.runMain
)
