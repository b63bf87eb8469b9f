/**
 * Endpoints do the same wherever their requests come from.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { echo, Endpoint, Faults, HandshakeRefused } from "../../src/index.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { hosts } from "../support/hosts.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords, take, together } from "../support/session.js"

const echoes = Endpoint.make(echo)

/** Says one thing, then echoes. */
const says = (what: string) =>
  Endpoint.make((connection) =>
    Effect.zipRight(connection.send(what), Stream.run(connection.messages, connection.sendAll))
  )

const connect = (port: number, path: string, headers: Http.Headers = {}) =>
  RawClient.connect({ port, path, headers })

/** What a handshake is answered with that is refused. */
const refusal = (port: number, path: string, request: Http.RequestOptions = {}) =>
  Effect.gen(function* () {
    const client = yield* RawClient.open({ port })
    yield* client.write(Http.request({ path, ...request }))
    const { body, headers, status } = yield* client.response
    const json: unknown = JSON.parse(body)
    return { status, headers, json }
  })

/** Waits until a path lets somebody in. */
const lets = (port: number, path: string) =>
  eventually(
    `${path} lets somebody in`,
    Effect.map(Effect.exit(Effect.scoped(connect(port, path))), Exit.isSuccess)
  )

/** What a peer is told at the end, which it answers as a client does. */
const told = (client: RawClient.RawClient) =>
  Effect.map(lastWords(client), ({ frames }) => frames.map(Frames.describe))

for (const [name, host] of hosts) {
  describe(`on ${name}`, () => {
    live("several endpoints have handlers and limits of their own", () =>
      Effect.gen(function* () {
        const { port } = yield* host({
          "/long": echoes,
          "/short": Endpoint.make({ maxPayload: 4, subprotocols: ["v2"], handler: echo })
        })
        const long = yield* connect(port, "/long", { "Sec-WebSocket-Protocol": "v2" })
        yield* long.write(Frames.text("12345"))
        expect(yield* take(long, 1)).toEqual(["text 12345"])
        const short = yield* connect(port, "/short", { "Sec-WebSocket-Protocol": "v1, v2" })
        yield* short.write(together(Frames.text("1234"), Frames.text("12345")))
        expect(yield* take(short, 2)).toEqual(["text 1234", "close 1009 message too big"])
      })
    )

    live("the handler is told what the handshake told", () =>
      Effect.gen(function* () {
        const { port } = yield* host({
          "/tell": Endpoint.make({
            subprotocols: ["v1"],
            handler: (connection) => {
              const { headers, path, query, remote, subprotocol } = connection
              return connection.send(
                JSON.stringify([
                  path,
                  query.getAll("x"),
                  headers["x-one"],
                  headers["x-two"],
                  subprotocol,
                  remote
                ])
              )
            }
          })
        })
        const client = yield* connect(port, "/tell?x=1&x=%20&y", {
          "X-One": "1",
          "X-Two": ["2", "3"],
          "Sec-WebSocket-Protocol": "v1"
        })
        const remote = `127.0.0.1:${yield* client.localPort}`
        expect(JSON.parse((yield* client.nextMessage).text)).toEqual([
          "/tell",
          ["1", " "],
          "1",
          "2, 3",
          "v1",
          remote
        ])
        expect(yield* take(client, 1)).toEqual(["close 1000"])
      })
    )

    live("what is no handshake, or a wrong one, is told so", () =>
      Effect.gen(function* () {
        const { port } = yield* host({ "/ws": echoes })
        // What is no upgrade, a bare server keeps to itself.
        if (name !== "a bare node:http server") {
          const plain = yield* refusal(port, "/ws", { headers: { Upgrade: null, Connection: null } })
          expect(plain).toMatchObject({
            status: 426,
            headers: { upgrade: "websocket" },
            json: { error: "UpgradeRequired" }
          })
          const last = yield* refusal(port, "/ws", { headers: { Upgrade: null, Connection: "close" } })
          expect(last).toMatchObject({ status: 426, headers: { connection: "Upgrade, close" } })
        }
        const version = yield* refusal(port, "/ws", { headers: { "Sec-WebSocket-Version": "99" } })
        expect(version).toMatchObject({
          status: 426,
          headers: { "sec-websocket-version": "13", connection: /close/ }
        })
        const key = yield* refusal(port, "/ws", { headers: { "Sec-WebSocket-Key": "short" } })
        expect(key).toMatchObject({ status: 400, json: { error: "InvalidKey" } })
        const origin = yield* refusal(port, "/ws", { headers: { Origin: "https://example.com" } })
        expect(origin).toMatchObject({ status: 403, json: { error: "OriginNotAllowed" } })
        const elsewhere = yield* RawClient.open({ port })
        yield* elsewhere.write(Http.request({ path: "/nowhere" }))
        expect((yield* elsewhere.responseHead).status).toBe(404)
      })
    )

    live("what was read with the end of the peer is echoed before the Close frame", () =>
      Effect.gen(function* () {
        const { connections, logged, port } = yield* host({ "/ws": echoes })
        const client = yield* connect(port, "/ws")
        yield* client.write(together(Frames.text("a"), Frames.binary("b"), Frames.close(4000, "bye")))
        expect(yield* take(client, 3)).toEqual(["text a", expect.stringMatching(/^binary/), "close 4000 bye"])
        yield* client.end
        expect(yield* logged("connection closed")).toMatchObject({
          reason: "PeerClosed",
          code: 4000,
          messagesIn: 2
        })
        expect(yield* connections.count).toBe(0)
      })
    )

    live("frames that come together with the handshake are not lost", () =>
      Effect.gen(function* () {
        const { port } = yield* host({
          "/ws": echoes,
          "/slow": Endpoint.make({ authorize: () => Effect.sleep(50), handler: echo })
        })
        for (const path of ["/ws", "/slow"]) {
          const client = yield* RawClient.open({ port })
          yield* client.write(together(Buffer.from(Http.request({ path })), Frames.text("early")))
          expect((yield* client.responseHead).status).toBe(101)
          expect(yield* take(client, 1)).toEqual(["text early"])
        }
      })
    )

    live("a peer that resets is noticed, and nobody else is bothered", () =>
      Effect.gen(function* () {
        const { logged, port } = yield* host({ "/ws": echoes })
        const other = yield* connect(port, "/ws")
        const client = yield* connect(port, "/ws")
        yield* client.reset
        expect(yield* logged("connection closed")).toMatchObject({ reason: "PeerVanished", code: null })
        yield* other.write(Frames.text("still here"))
        expect(yield* take(other, 1)).toEqual(["text still here"])
      })
    )

    live("connections are listed, stopped, and told of", () =>
      Effect.gen(function* () {
        const { connections, port } = yield* host({ "/a": echoes, "/b": echoes })
        const events = yield* Effect.fork(Stream.runCollect(Stream.take(connections.events, 6)))
        yield* Effect.yieldNow()
        const a = yield* connect(port, "/a")
        const b = yield* connect(port, "/b")
        const list = yield* connections.list
        expect(list.map(({ path }) => path).toSorted()).toEqual(["/a", "/b"])
        const id = list.find(({ path }) => path === "/a")?.id ?? ""
        yield* connections.stop(id, { code: 4001, reason: "you" })
        expect(yield* take(a, 1)).toEqual(["close 4001 you"])
        yield* a.end
        expect(yield* connections.stopAll()).toBe(1)
        expect(yield* take(b, 1)).toEqual(["close 1001 connection interrupted"])
        yield* b.end
        const told = Array.from(
          yield* Fiber.join(events),
          ({ _tag, connection }) => `${_tag} ${connection.path}`
        )
        expect(told.toSorted()).toEqual([
          "closed /a",
          "closed /b",
          "opened /a",
          "opened /b",
          "stopping /a",
          "stopping /b"
        ])
      })
    )

    live("a shutdown says so to each peer, waits for those who answer, and destroys the rest in time", () =>
      Effect.gen(function* () {
        const { logged, logs, port, shutdown } = yield* host(
          { "/ws": echoes },
          { closeTimeout: "500 millis" }
        )
        const polite = yield* connect(port, "/ws")
        const silent = yield* connect(port, "/ws")
        const closing = yield* Effect.fork(shutdown)
        expect(yield* told(polite)).toEqual(["close 1001 server shutting down"])
        expect(yield* take(silent, 1)).toEqual(["close 1001 server shutting down"])
        yield* Fiber.join(closing)
        yield* logged("connection closed")
        expect(logs.filter(({ message }) => message === "connection closed")).toMatchObject([
          { reason: "ServerShutdown", code: 1001 },
          { reason: "ServerShutdown", code: 1001 }
        ])
      })
    )

    live("a drain ends all connections and lets no more in, while the program goes on", () =>
      Effect.gen(function* () {
        const { connections, port } = yield* host({ "/ws": echoes }, { shutdownCode: 1012 })
        const client = yield* connect(port, "/ws")
        const draining = yield* Effect.fork(connections.drain)
        expect(yield* told(client)).toEqual(["close 1012 server shutting down"])
        yield* Fiber.join(draining)
        expect(yield* connections.count).toBe(0)
        // A server of its own listens no more.
        const late = yield* Effect.exit(connect(port, "/ws"))
        expect(Exit.isFailure(late)).toBe(true)
        if (name !== hosts[0]?.[0]) {
          expect(yield* refusal(port, "/ws")).toMatchObject({ status: 503, json: { error: "Draining" } })
        }
      })
    )

    live("faults are had by those who ask in their URL", () =>
      Effect.gen(function* () {
        const { port } = yield* host(
          { "/ws": echoes },
          { faults: Faults.layerUrl(), handshakeTimeout: "300 millis" }
        )
        const client = yield* connect(port, "/ws?fault=close&code=4002&after=1msg")
        yield* client.write(Frames.text("one"))
        expect(yield* take(client, 2)).toEqual(["text one", "close 4002"])
        expect(yield* refusal(port, "/ws?fault=refuse&status=418")).toMatchObject({ status: 418 })
        expect(yield* refusal(port, "/ws?fault=nonsense")).toMatchObject({ status: 400 })
        const hung = yield* RawClient.open({ port })
        yield* hung.write(Http.request({ path: "/ws?fault=hang" }))
        yield* hung.ended
      })
    )

    describe("an endpoint with a limit of connections", () => {
      live("refuses more, and others don't", () =>
        Effect.gen(function* () {
          const { port } = yield* host(
            { "/one": Endpoint.make({ maxConnections: 1, handler: echo }), "/any": echoes },
            { maxConnections: 3 }
          )
          const first = yield* connect(port, "/one")
          expect(yield* refusal(port, "/one")).toMatchObject({
            status: 503,
            headers: { "retry-after": "5" },
            json: { error: "TooManyConnections" }
          })
          yield* connect(port, "/any")
          yield* connect(port, "/any")
          expect(yield* refusal(port, "/any")).toMatchObject({ status: 503 })
          yield* first.reset
          yield* lets(port, "/one")
        })
      )
    })

    describe("an endpoint that authorizes", () => {
      const token = Endpoint.make({
        authorize: ({ headers, path, query, remote, subprotocol }) =>
          headers["authorization"] === "Bearer right"
            ? Effect.succeed({ user: query.get("user"), path, remote, subprotocol })
            : Effect.fail(
                new HandshakeRefused({
                  status: 401,
                  error: "Unauthorized",
                  message: "a token is wanted",
                  headers: { "WWW-Authenticate": "Bearer", "Content-Type": "application/problem+json" }
                })
              ),
        handler: (connection, authorized) => connection.send(JSON.stringify(authorized))
      })

      live("lets in whom the program lets in, and hands over what it found out", () =>
        Effect.gen(function* () {
          const { port } = yield* host({ "/ws": token })
          const client = yield* connect(port, "/ws?user=ann", { Authorization: "Bearer right" })
          const remote = `127.0.0.1:${yield* client.localPort}`
          expect(JSON.parse((yield* client.nextMessage).text)).toEqual({ user: "ann", path: "/ws", remote })
        })
      )

      live("answers the others as the program says", () =>
        Effect.gen(function* () {
          const { connections, port } = yield* host({ "/ws": token })
          expect(yield* refusal(port, "/ws")).toMatchObject({
            status: 401,
            headers: { "www-authenticate": "Bearer", "content-type": "application/problem+json" },
            json: { error: "Unauthorized", message: "a token is wanted" }
          })
          expect(yield* connections.count).toBe(0)
        })
      )

      live("answers 500 when the program fails to decide, and logs why", () =>
        Effect.gen(function* () {
          const broken = Endpoint.make({ authorize: () => Effect.dieMessage("no database"), handler: echo })
          const odd = Endpoint.make({
            authorize: () => Effect.fail(new HandshakeRefused({ status: 200, message: "odd" })),
            handler: echo
          })
          const split = Endpoint.make({
            authorize: () =>
              Effect.fail(new HandshakeRefused({ status: 403, message: "", headers: { a: "b\r\nc: d" } })),
            handler: echo
          })
          const long = Endpoint.make({
            authorize: () =>
              Effect.fail(
                new HandshakeRefused({ status: 403, message: "", headers: { "Content-Length": "3" } })
              ),
            handler: echo
          })
          // Such as one that waits for a fiber that somebody has interrupted.
          const interrupted = Endpoint.make({ authorize: () => Effect.interrupt, handler: echo })
          const { logs, port } = yield* host({
            "/broken": broken,
            "/odd": odd,
            "/split": split,
            "/long": long,
            "/interrupted": interrupted
          })
          for (const path of ["/broken", "/odd", "/split", "/long", "/interrupted"]) {
            const { json, status } = yield* refusal(port, path)
            expect([status, json]).toMatchObject([500, { error: "AuthorizeFailed" }])
          }
          const failures = logs.filter(({ message }) => message === "authorize failed")
          expect(failures).toHaveLength(5)
          expect(JSON.stringify(failures[0])).toContain("no database")
        })
      )

      live("answers 503 when the program takes too long", () =>
        Effect.gen(function* () {
          const slow = Endpoint.make({ authorize: () => Effect.never, handler: echo })
          const stubborn = Endpoint.make({
            authorize: () => Effect.uninterruptible(Effect.sleep(600)),
            handler: echo
          })
          const { port } = yield* host(
            { "/slow": slow, "/stubborn": stubborn },
            { handshakeTimeout: "200 millis" }
          )
          expect(yield* refusal(port, "/slow")).toMatchObject({
            status: 503,
            json: { error: "AuthorizeTimeout" }
          })
          expect(yield* refusal(port, "/stubborn")).toMatchObject({ status: 503 })
        })
      )

      live("doesn't go on for a peer that has gone", () =>
        Effect.gen(function* () {
          const begun = yield* Deferred.make<void>()
          const interrupted = yield* Deferred.make<void>()
          const waiting = Endpoint.make({
            authorize: () =>
              Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never).pipe(
                Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
              ),
            handler: echo
          })
          const { connections, port } = yield* host({ "/ws": waiting, "/any": echoes }, { maxConnections: 1 })
          const client = yield* RawClient.open({ port })
          yield* client.write(Http.request({ path: "/ws" }))
          yield* Deferred.await(begun)
          // It counts, as long as it is decided on.
          expect(yield* refusal(port, "/any")).toMatchObject({ status: 503 })
          yield* client.reset
          yield* Deferred.await(interrupted)
          yield* lets(port, "/any")
          expect(yield* connections.count).toBeLessThan(2)
        })
      )

      live("answers 503 when the server shuts down meanwhile", () =>
        Effect.gen(function* () {
          const begun = yield* Deferred.make<void>()
          const waiting = Endpoint.make({
            authorize: () => Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never),
            handler: echo
          })
          const { port, shutdown } = yield* host({ "/ws": waiting })
          const client = yield* RawClient.open({ port })
          yield* client.write(Http.request({ path: "/ws" }))
          yield* Deferred.await(begun)
          const closing = yield* Effect.fork(shutdown)
          expect((yield* client.responseHead).status).toBe(503)
          yield* client.end
          yield* Fiber.join(closing)
        })
      )
    })

    live("a connection that its handler closes, resets or stops ends so", () =>
      Effect.gen(function* () {
        const { logged, port } = yield* host({
          "/close": Endpoint.make((connection) =>
            connection.send("last").pipe(
              Effect.zipRight(connection.close({ code: 4005, reason: "done" })),
              // What follows isn't cut short.
              Effect.zipRight(Effect.sleep(10)),
              Effect.zipRight(Effect.logInfo("cleaned up"))
            )
          ),
          "/reset": Endpoint.make((connection) => connection.reset),
          "/stop": Endpoint.make((connection) =>
            Effect.zipRight(connection.stop(), Stream.run(connection.messages, connection.sendAll))
          ),
          "/say": says("hello")
        })
        const close = yield* connect(port, "/close")
        expect(yield* take(close, 2)).toEqual(["text last", "close 4005 done"])
        yield* close.write(Frames.close(4005))
        yield* close.end
        yield* logged("cleaned up")
        expect(yield* logged("connection closed")).toMatchObject({ reason: "StopSignal", code: 4005 })
        const reset = yield* connect(port, "/reset")
        expect(yield* reset.endedByKernel).toBe("reset")
        const stop = yield* connect(port, "/stop")
        expect(yield* told(stop)).toEqual(["close 1001 connection interrupted"])
      })
    )
  })
}
