/**
 * A route of the platform's router, and what the program puts around it.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as http from "node:http"
import { describe, expect } from "vitest"
import { Connections, echo, Endpoint, HandshakeRefused, Upgrader } from "../../src/index.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords, take, together } from "../support/session.js"

const serve = (
  routes: Layer.Layer<never, unknown, Upgrader.Upgrader | HttpLayerRouter.HttpRouter>,
  server = Upgrader.guard(http.createServer()),
  options: Upgrader.UpgraderOptions = {}
) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      HttpLayerRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provideMerge(
          Layer.merge(
            Upgrader.layer(options),
            NodeHttpServer.layer(() => server, { host: "127.0.0.1", port: 0 })
          )
        )
      )
    )
    const { address } = Context.get(context, HttpServer.HttpServer)
    if (address._tag !== "TcpAddress") return yield* Effect.dieMessage("not on TCP")
    return { port: address.port, connections: Context.get(context, Connections) }
  })

const route = Upgrader.layerRoute("/ws", Endpoint.make(echo))

describe("a route", () => {
  live("stands among others", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(
        Layer.merge(route, HttpLayerRouter.add("GET", "/", HttpServerResponse.text("hello")))
      )
      const plain = yield* RawClient.open({ port })
      yield* plain.write(Http.request({ path: "/", headers: { Upgrade: null, Connection: null } }))
      expect((yield* plain.response).body).toBe("hello")
      const client = yield* RawClient.connect({ port, path: "/ws" })
      yield* client.write(Frames.text("x"))
      expect(yield* take(client, 1)).toEqual(["text x"])
    })
  )

  live("waits for its turn on a connection that has asked for something else before", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      const slow = HttpLayerRouter.add(
        "GET",
        "/slow",
        Deferred.succeed(asked, undefined).pipe(
          Effect.zipRight(Deferred.await(answer)),
          Effect.as(HttpServerResponse.text("first"))
        )
      )
      const no = Upgrader.layerRoute(
        "/no",
        Endpoint.make({
          authorize: () => Effect.fail(new HandshakeRefused({ status: 401, message: "no" })),
          handler: echo
        })
      )
      const { port } = yield* serve(Layer.mergeAll(route, slow, no))
      const plain = Http.request({ path: "/slow", headers: { Upgrade: null, Connection: null } })
      const client = yield* RawClient.open({ port })
      const refused = yield* RawClient.open({ port })
      yield* client.write(together(Buffer.from(plain + Http.request({ path: "/ws" })), Frames.text("x")))
      yield* refused.write(plain + Http.request({ path: "/no" }))
      yield* Deferred.await(asked)
      yield* Deferred.succeed(answer, undefined)
      expect((yield* client.response).body).toBe("first")
      expect((yield* client.responseHead).status).toBe(101)
      expect(yield* take(client, 1)).toEqual(["text x"])
      expect((yield* refused.response).body).toBe("first")
      expect((yield* refused.response).status).toBe(401)
      expect(yield* refused.ended).toBe("fin")
    })
  )

  live("leaves no socket to a peer whom a middleware has answered", () =>
    Effect.gen(function* () {
      const isOpen = false
      const closed = HttpLayerRouter.middleware(
        Effect.succeed((app) => (isOpen ? app : HttpServerResponse.text("no", { status: 401 })))
      ).layer
      const server = Upgrader.guard(http.createServer())
      const { port } = yield* serve(Layer.provide(route, closed), server)
      const sockets = Effect.async<number>((resume) => {
        server.getConnections((_, count) => resume(Effect.succeed(count)))
      })
      // It keeps its own side open.
      const client = yield* RawClient.open({ port })
      yield* client.write(Http.request({ path: "/ws" }))
      expect((yield* client.responseHead).status).toBe(401)
      yield* Effect.ignore(client.write("x"))
      yield* eventually(
        "the server has no socket",
        Effect.map(sockets, (count) => count === 0)
      )
    })
  )

  live("holds up a shutdown no longer than the drain timeout, whatever its handler does", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const released = yield* Deferred.make<void>()
      const stubborn = Upgrader.layerRoute(
        "/ws",
        Endpoint.make(() => Effect.uninterruptible(Deferred.await(released)))
      )
      const { port } = yield* Scope.extend(serve(stubborn, undefined, { drainTimeout: "200 millis" }), scope)
      yield* RawClient.connect({ port, path: "/ws" })
      // Without an end of its own, the handler: this ends, or the test doesn't.
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.succeed(released, undefined)
    })
  )

  live("is left when a middleware gives up the request: its peer is told so", () =>
    Effect.gen(function* () {
      const given = yield* Deferred.make<void>()
      const impatient = HttpLayerRouter.middleware(
        Effect.succeed((app) =>
          Effect.raceFirst(
            app,
            Effect.as(Deferred.await(given), HttpServerResponse.text("enough", { status: 504 }))
          )
        )
      ).layer
      const { connections, port } = yield* serve(Layer.provide(route, impatient))
      const client = yield* RawClient.connect({ port, path: "/ws" })
      yield* Deferred.succeed(given, undefined)
      const { end, frames } = yield* lastWords(client)
      expect([...frames.map(Frames.describe), end]).toEqual(["close 1001 connection interrupted", "fin"])
      yield* eventually(
        "it is over",
        Effect.map(connections.count, (count) => count === 0)
      )
    })
  )

  live("is surrounded by its middleware for as long as its connection is there", () =>
    Effect.gen(function* () {
      const story: Array<string> = []
      const around = HttpLayerRouter.middleware(
        Effect.succeed((app) =>
          Effect.acquireUseRelease(
            Effect.sync(() => story.push("acquired")),
            () => app,
            () => Effect.sync(() => story.push("released"))
          )
        )
      ).layer
      const { connections, port } = yield* serve(
        Layer.provide(
          Upgrader.layerRoute(
            "/ws",
            Endpoint.make((connection) =>
              Effect.zipRight(
                Effect.addFinalizer(() =>
                  Effect.delay(
                    Effect.sync(() => story.push("handled")),
                    20
                  )
                ),
                echo(connection)
              )
            )
          ),
          around
        )
      )
      const client = yield* RawClient.connect({ port, path: "/ws" })
      yield* client.write(Frames.text("x"))
      yield* take(client, 1)
      expect(story).toEqual(["acquired"])
      // The platform interrupts the request then.
      yield* client.reset
      yield* eventually(
        "it is over",
        Effect.map(connections.count, (count) => count === 0)
      )
      yield* eventually(
        "all is released",
        Effect.sync(() => story.length === 3)
      )
      expect(story).toEqual(["acquired", "handled", "released"])
    })
  )

  live("outlives a peer that resets while a middleware waits", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const slow = HttpLayerRouter.middleware(
        Effect.succeed((app) => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.delay(app, 50)))
      ).layer
      const { port } = yield* serve(Layer.provide(route, slow))
      const client = yield* RawClient.open({ port })
      yield* client.write(Http.request({ path: "/ws" }))
      yield* Deferred.await(begun)
      yield* client.reset
      const other = yield* RawClient.connect({ port, path: "/ws" })
      yield* other.write(Frames.text("x"))
      expect(yield* take(other, 1)).toEqual(["text x"])
    })
  )
})
