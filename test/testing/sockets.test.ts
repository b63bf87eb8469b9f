/**
 * Tests of a program on real sockets, as somebody writes them who uses this package.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import {
  type Connection,
  Connections,
  echo,
  Endpoint,
  HandshakeRefused,
  StopReason,
  WebSocketServer
} from "../../src/index.js"
import * as Testing from "../../src/testing/Testing.js"
import { freePort } from "../support/freePort.js"
import { live } from "../support/live.js"
import { within } from "../support/within.js"

/** Connects to the server of the test. */
const connect = (target = "/echo", options?: Testing.ClientOptions) =>
  Effect.flatMap(WebSocketServer.WebSocketServer, ({ host, port }) =>
    Testing.client(`ws://${host}:${port}${target}`, options)
  )

class Greeting extends Context.Tag("Greeting")<Greeting, string>() {}

const greet = (connection: Connection) =>
  Effect.gen(function* () {
    yield* connection.send(yield* Greeting)
    yield* Stream.runDrain(connection.messages)
  })

describe("a real server and a real client", () => {
  within(Testing.layerServer(echo))((it) => {
    it.scoped("exchange messages", () =>
      Effect.gen(function* () {
        const client = yield* connect()
        yield* client.send("one", new Uint8Array([1, 2]))
        expect((yield* client.receive).text).toBe("one")
        const second = yield* client.receive
        expect([second._tag, [...second.bytes]]).toEqual(["Binary", [1, 2]])
        expect(client.received).toHaveLength(2)
      })
    )

    it.scoped("end as the client wants it", () =>
      Effect.gen(function* () {
        const client = yield* connect()
        yield* client.close(4001, "enough")
        const expected = StopReason.PeerClosed({ code: 4001, reason: "enough" })
        expect(yield* Testing.expectStop(client, expected)).toEqual({ reason: expected, code: 4001 })
        expect(yield* client.ended).toEqual({ code: 4001, reason: "enough" })
      })
    )

    it.scoped("end with an empty Close frame", () =>
      Effect.gen(function* () {
        const client = yield* connect()
        yield* client.close()
        expect(yield* client.ended).toEqual({ code: 1005, reason: "" })
      })
    )

    it.scoped("end without a Close frame", () =>
      Effect.gen(function* () {
        const client = yield* connect()
        yield* client.vanish
        yield* Testing.expectStop(client, "PeerVanished")
        expect(yield* client.ended).toEqual({ code: null, reason: "" })
      })
    )

    it.scoped("end as the server wants it", () =>
      Effect.gen(function* () {
        const client = yield* connect()
        const connections = yield* Connections
        const id = (yield* connections.list).find(({ remote }) => remote === client.local)?.id ?? ""
        yield* connections.stop(id, { code: 4000, reason: "bye" })
        expect(yield* client.ended).toEqual({ code: 4000, reason: "bye" })
        yield* Testing.expectStop(client, "StopSignal")
        // It has ended before.
        yield* Testing.expectStop(connections, id, StopReason.StopSignal({ code: 4000, reason: "bye" }))
        expect(yield* Effect.flip(client.send("late"))).toBeInstanceOf(Testing.ExpectationFailed)
      })
    )

    it.scoped("are told apart, though they end together", () =>
      Effect.gen(function* () {
        const clients = yield* Effect.all(
          Array.from({ length: 20 }, () => connect()),
          { concurrency: "unbounded" }
        )
        yield* Effect.forEach(clients, (client, i) => (i % 2 === 0 ? client.close(4000 + i) : client.vanish))
        yield* Effect.forEach(clients, (client, i) =>
          Testing.expectStop(
            client,
            i % 2 === 0 ? StopReason.PeerClosed({ code: 4000 + i, reason: "" }) : "PeerVanished"
          )
        )
      })
    )
  })

  it.scoped("are where the options say, with the services of the test", () =>
    Effect.gen(function* () {
      const client = yield* connect("/greet")
      expect((yield* client.receive).text).toBe("hello")
    }).pipe(
      Effect.provide(Testing.layerServer(greet, { path: "/greet" })),
      Effect.provideService(Greeting, "hello")
    )
  )

  it.scoped("have endpoints", () =>
    Effect.gen(function* () {
      expect((yield* (yield* connect("/greet")).receive).text).toBe("hello")
      const small = yield* connect("/small")
      yield* small.send("fives")
      yield* Testing.expectStop(small, StopReason.ProtocolError({ code: 1009, reason: "message too big" }))
    }).pipe(
      Effect.provide(
        Testing.layerServer({
          "/greet": Endpoint.make(greet),
          "/small": Endpoint.make({ maxPayload: 4, handler: echo })
        })
      ),
      Effect.provide(Layer.succeed(Greeting, "hello"))
    )
  )
})

describe("a handshake", () => {
  /** No handshake is refused with 200. */
  const noAnswer = new HandshakeRefused({ status: 200, message: "welcome" })
  const members = Endpoint.make({
    subprotocols: ["v2", "v1"],
    authorize: ({ headers }) =>
      headers["authorization"] === "Bearer 1"
        ? Effect.succeed("Ada")
        : Effect.fail(
            new HandshakeRefused({
              status: 401,
              message: "who are you?",
              headers: { "www-authenticate": "Bearer" }
            })
          ),
    handler: (connection, name) => Effect.zipRight(connection.send(name), Effect.never)
  })

  within(Testing.layerServer(members))((it) => {
    it.scoped("is let in", () =>
      Effect.gen(function* () {
        const client = yield* connect("/echo", {
          headers: { authorization: "Bearer 1" },
          subprotocol: ["v0", "v1"]
        })
        expect((yield* client.receive).text).toBe("Ada")
        expect(client.subprotocol).toBe("v1")
      })
    )

    it.scoped("is refused, with the same failure as without a socket", () =>
      Effect.gen(function* () {
        const refused = yield* Effect.flip(connect())
        const inMemory = yield* Effect.flip(Testing.connect(members))
        expect(refused).toMatchObject({
          _tag: "HandshakeRefused",
          status: inMemory._tag === "HandshakeRefused" ? inMemory.status : 0,
          error: "HandshakeRefused",
          message: "who are you?",
          headers: { "www-authenticate": "Bearer" }
        })
      })
    )

    it.scoped("that leads nowhere is refused", () =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(connect("/nowhere"))).toMatchObject({ status: 404, error: "NotFound" })
      })
    )
  })

  it.scopedLive("that isn't decided on in time is refused", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(connect())).toMatchObject({ status: 503, error: "AuthorizeTimeout" })
    }).pipe(
      Effect.provide(
        Testing.layerServer(Endpoint.make({ authorize: () => Effect.never, handler: echo }), {
          handshakeTimeout: "2 seconds"
        })
      ),
      Logger.withMinimumLogLevel(LogLevel.None)
    )
  )

  it.scoped("that isn't decided on rightly is refused", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(connect("/broken"))).toMatchObject({ status: 500, error: "AuthorizeFailed" })
      expect(yield* Effect.flip(connect("/wrong"))).toMatchObject({ status: 500, error: "AuthorizeFailed" })
    }).pipe(
      Effect.provide(
        Testing.layerServer({
          "/broken": Endpoint.make({ authorize: () => Effect.dieMessage("no database"), handler: echo }),
          "/wrong": Endpoint.make({ authorize: () => Effect.fail(noAnswer), handler: echo })
        })
      )
    )
  )

  it.scoped("refused with what is no answer is a defect of a test without a socket", () =>
    Effect.gen(function* () {
      const wrong = Endpoint.make({ authorize: () => Effect.fail(noAnswer), handler: echo })
      const exit = yield* Effect.exit(Testing.connect(wrong))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("a handshake can't be refused with")
    })
  )

  it.scoped("where nobody listens fails", () =>
    Effect.gen(function* () {
      const url = `ws://127.0.0.1:${yield* freePort}/`
      expect(yield* Effect.flip(Testing.client(url))).toMatchObject({ _tag: "ConnectFailed", url })
    })
  )
})

describe("endings", () => {
  it.scoped("of a shutdown are known when the server is gone", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Testing.layerServer(echo), scope)
      const clients = yield* Effect.replicateEffect(Effect.provide(connect(), context), 50)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.forEach(clients, (client) =>
        Effect.provide(Testing.expectStop(client, StopReason.ServerShutdown({ code: 1001 })), context)
      )
    })
  )

  it.scoped("of another server are waited for, if they have yet to come", () =>
    Effect.gen(function* () {
      const connections = yield* Connections
      const client = yield* connect()
      const [first] = yield* connections.list
      const expecting = yield* Effect.fork(Testing.expectStop(connections, first?.id ?? "", "PeerClosed"))
      yield* Effect.yieldNow()
      yield* client.close(1000)
      yield* expecting
      yield* Effect.flip(Testing.expectStop(connections, first?.id ?? "", "PeerClosed"))
    }).pipe(Effect.provide(WebSocketServer.layer(echo, { host: "127.0.0.1", port: 0 })))
  )
})

describe("what is over", () => {
  live("leaves nothing behind", () =>
    Effect.gen(function* () {
      const open = yield* connect()
      yield* open.send("x")
      yield* open.receive
      const closed = yield* connect()
      yield* closed.close()
      yield* closed.ended
      yield* Effect.flip(connect("/nowhere"))
    }).pipe(Effect.provide(Testing.layerServer(echo)), Logger.withMinimumLogLevel(LogLevel.None))
  )
})
