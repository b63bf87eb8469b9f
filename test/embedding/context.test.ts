/**
 * What surrounds a server in its program reaches the handlers: services, `FiberRef`s, spans, annotations of the log.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as http from "node:http"
import { describe, expect } from "vitest"
import { Connections, Endpoint, HandshakeRefused, Upgrader, WebSocketServer } from "../../src/index.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"

/** Who asks, as the program's middleware finds out. */
class User extends Context.Tag("User")<User, { readonly name: string }>() {}

const locale = FiberRef.unsafeMake("none")

/** A tracer that remembers its spans, by name. */
class Spans {
  readonly all: Array<Tracer.Span> = []
  readonly layer = Layer.setTracer(
    Tracer.make({
      span: (name, parent, context, links, startTime, kind) => {
        const attributes = new Map<string, unknown>()
        const span: Tracer.Span = {
          _tag: "Span",
          name,
          spanId: `${this.all.length + 1}`.padStart(16, "0"),
          traceId: Option.match(parent, {
            onNone: () => `trace ${this.all.length}`,
            onSome: (p) => p.traceId
          }),
          parent,
          context,
          status: { _tag: "Started", startTime },
          attributes,
          links,
          sampled: true,
          kind,
          end: (_: bigint, exit: Exit.Exit<unknown, unknown>) => void exit,
          attribute: (key, value) => void attributes.set(key, value),
          event: () => {},
          addLinks: () => {}
        }
        this.all.push(span)
        return span
      },
      context: (run) => run()
    })
  )
  /** The names of a span and those around it. */
  readonly lineage = (name: string): ReadonlyArray<string> => {
    const names: Array<string> = []
    let one: Tracer.AnySpan | undefined = this.all.find((span) => span.name === name)
    while (one !== undefined) {
      names.push(one._tag === "Span" ? one.name : "external")
      one = one._tag === "Span" ? Option.getOrUndefined(one.parent) : undefined
    }
    return names
  }
}

/** What is there. */
const surroundings = Effect.gen(function* () {
  const user = yield* User
  const annotations = Object.fromEntries(
    HashMap.toEntries(yield* FiberRef.get(FiberRef.currentLogAnnotations))
  )
  return JSON.stringify({
    user: user.name,
    locale: yield* FiberRef.get(locale),
    request: annotations["request"]
  })
})

/** Tells what was there when it was decided, is there now, and is there for a fiber of its own. */
const telling = Endpoint.make({
  authorize: () => Effect.withSpan(surroundings, "deciding"),
  handler: (connection, decided) =>
    Effect.gen(function* () {
      yield* connection.send(decided)
      yield* Effect.withSpan(
        Effect.flatMap(surroundings, (now) => connection.send(now)),
        "handling"
      )
      const fiber = yield* Effect.forkScoped(surroundings)
      yield* connection.send(yield* fiber)
      yield* Stream.runForEach(connection.messages, () =>
        Effect.flatMap(surroundings, (later) => connection.send(later))
      )
    })
})

const ann = JSON.stringify({ user: "ann", locale: "de", request: "r1" })

/** What a middleware of the program does around its requests. */
const around = <A, E, R>(app: Effect.Effect<A, E, R>) =>
  app.pipe(
    Effect.provideService(User, { name: "ann" }),
    Effect.locally(locale, "de"),
    Effect.annotateLogs("request", "r1")
  )

const unauthorized = HttpServerResponse.empty({ status: 401 })

/** Sees that it is there all the time. */
const expectAnn = (port: number) =>
  Effect.gen(function* () {
    const peer = yield* RawClient.connect({ port, path: "/tell" })
    yield* peer.write(Frames.text("and now?"))
    for (const when of ["deciding", "handling", "in a fiber", "at a message"])
      expect((yield* peer.nextMessage).text, when).toBe(ann)
    yield* peer.write(Frames.close(1000))
    expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 1000"])
  })

const Http = NodeHttpServer.layer(() => Upgrader.guard(http.createServer()), { port: 0, host: "127.0.0.1" })

/** Where the platform's server listens. */
const portOf = Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
  address._tag === "TcpAddress" ? Effect.succeed(address.port) : Effect.dieMessage("not on TCP")
)

/** Builds an application on a server of the platform, and gives the port. */
const serving = <E>(app: Layer.Layer<never, E, Upgrader.Upgrader | HttpServer.HttpServer>, spans: Spans) =>
  Effect.flatMap(
    Layer.build(
      Layer.provideMerge(app, Layer.merge(Upgrader.layer(), Http)).pipe(Layer.provide(spans.layer))
    ),
    (context) => Effect.provide(portOf, context)
  )

const kinds: Readonly<Record<string, (spans: Spans) => Effect.Effect<number, unknown, Scope.Scope>>> = {
  "the middleware around a route of HttpLayerRouter": (spans) =>
    serving(
      HttpLayerRouter.serve(
        Upgrader.layerRoute("/tell", telling).pipe(
          Layer.provide(HttpLayerRouter.middleware<{ provides: User }>()(Effect.succeed(around)).layer)
        ),
        { disableLogger: true }
      ),
      spans
    ),
  "the middleware around a route of HttpRouter": (spans) =>
    serving(
      Layer.unwrapEffect(
        Effect.map(Upgrader.toHttpApp(telling), (app) =>
          HttpRouter.empty.pipe(
            HttpRouter.get("/tell", around(app)),
            HttpServer.serve(HttpMiddleware.make((routes) => routes))
          )
        )
      ),
      spans
    ),
  "the program around a bare node:http server": (spans) =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.async<http.Server>((resume) => {
          const server = http.createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      yield* around(
        Layer.build(
          Upgrader.layerNode(server, { "/tell": telling }).pipe(
            Layer.provide(Upgrader.layer()),
            Layer.provide(spans.layer)
          )
        )
      )
      const address = server.address()
      return typeof address === "object" ? (address?.port ?? 0) : 0
    }),
  "the program around a server of its own": (spans) =>
    around(
      Effect.map(
        Layer.build(
          WebSocketServer.layerEndpoints({ "/tell": telling }, { host: "127.0.0.1", port: 0 }).pipe(
            Layer.provide(spans.layer)
          )
        ),
        (context) => Context.get(context, WebSocketServer.WebSocketServer).port
      )
    )
}

describe("services, FiberRefs and annotations", () => {
  for (const [name, start] of Object.entries(kinds))
    live(`of ${name} reach authorize, the handler, and its fibers`, () =>
      Effect.flatMap(start(new Spans()), expectAnn)
    )

  live("that a middleware finds in the request are each connection's own", () =>
    Effect.gen(function* () {
      const byHeader = HttpLayerRouter.middleware<{ provides: User }>()(
        Effect.succeed((app) =>
          Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
            Effect.provideService(app, User, { name: headers["x-user"] ?? "nobody" })
          )
        )
      )
      const port = yield* serving(
        HttpLayerRouter.serve(Upgrader.layerRoute("/tell", telling).pipe(Layer.provide(byHeader.layer)), {
          disableLogger: true
        }),
        new Spans()
      )
      const peers = yield* Effect.forEach(["ann", "bob"], (user) =>
        RawClient.connect({ port, path: "/tell", headers: { "x-user": user } })
      )
      for (const [i, user] of ["ann", "bob"].entries()) {
        const told = yield* Effect.replicateEffect(peers[i]?.nextMessage ?? Effect.die("no peer"), 3)
        expect(told.map(({ text }) => text)).toEqual(
          Array.from({ length: 3 }, () => JSON.stringify({ user, locale: "none" }))
        )
      }
    })
  )

  live("of a middleware that refuses are the answer, and nobody is asked any more", () =>
    Effect.gen(function* () {
      let asked = 0
      const strict = HttpLayerRouter.middleware<{ provides: User }>()(
        Effect.succeed((app) =>
          Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
            headers["x-user"] === "ann" ? Effect.provideService(app, User, { name: "ann" }) : unauthorized
          )
        )
      )
      const endpoint = Endpoint.make({
        authorize: () =>
          Effect.suspend(() => {
            asked++
            return Effect.fail(new HandshakeRefused({ status: 403, message: "not today" }))
          }),
        handler: () => User
      })
      const port = yield* serving(
        HttpLayerRouter.serve(Upgrader.layerRoute("/tell", endpoint).pipe(Layer.provide(strict.layer)), {
          disableLogger: true
        }),
        new Spans()
      )
      const statusOf = (headers: Readonly<Record<string, string>>) =>
        Effect.map(
          Effect.flip(RawClient.connect({ port, path: "/tell", headers })),
          (error) => error._tag === "ConnectFailed" && error.response?.status
        )
      expect(yield* statusOf({})).toBe(401)
      expect(asked).toBe(0)
      expect(yield* statusOf({ "x-user": "ann" })).toBe(403)
      expect(asked).toBe(1)
    })
  )
})

describe("spans", () => {
  const lineages: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
    ["the middleware around a route of HttpLayerRouter", ["connection", "http.server GET"]],
    ["the middleware around a route of HttpRouter", ["connection", "http.server GET"]],
    ["the program around a bare node:http server", ["connection"]],
    ["the program around a server of its own", ["connection"]]
  ]
  for (const [name, outer] of lineages)
    live(`of a handler belong to its connection's, and that to those of ${name}`, () =>
      Effect.gen(function* () {
        const spans = new Spans()
        const port = yield* kinds[name]?.(spans) ?? Effect.dieMessage(name)
        yield* expectAnn(port)
        expect(spans.lineage("handling")).toEqual(["handling", ...outer])
        expect(spans.lineage("handshake")).toEqual(["handshake", ...outer])
        // The connection isn't there yet.
        expect(spans.lineage("deciding")).toEqual(["deciding", ...outer.slice(1)])
      })
    )
})

describe("a server", () => {
  live("lets its handlers, and those who decide on handshakes, know who is here", () =>
    Effect.gen(function* () {
      const here = Effect.flatMap(Connections, ({ count }) => count)
      const census = Endpoint.make({
        authorize: () => here,
        handler: (connection, before) =>
          Effect.flatMap(here, (now) =>
            Effect.zipRight(connection.send(`${before}, then ${now}`), Effect.never)
          )
      })
      const Two = WebSocketServer.layerEndpoints({ "/census": census }, { host: "127.0.0.1", port: 0 })
      const ports = yield* Effect.replicateEffect(
        // Each with its own, whoever has built the other.
        Effect.map(Layer.build(Layer.fresh(Two)), Context.get(WebSocketServer.WebSocketServer)),
        2
      )
      for (const { port } of ports)
        for (const words of ["0, then 1", "1, then 2"]) {
          const peer = yield* RawClient.connect({ port, path: "/census" })
          expect((yield* peer.nextMessage).text).toBe(words)
        }
    })
  )
})
