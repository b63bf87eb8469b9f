/**
 * Tests of a program without a socket, as somebody writes them who uses this package.
 */
import { describe, expect, it } from "@effect/vitest"
import { type Connection, echo, Endpoint, HandshakeRefused, Message, StopReason } from "../../src/index.js"
import * as Testing from "../../src/testing/Testing.js"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { timeless } from "../support/timeless.js"

const texts = (messages: ReadonlyArray<Message.Message>) => messages.map(({ text }) => text)

describe("messages", () => {
  it.scoped("are answered, with no clock to be adjusted", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.send("one")
      expect((yield* peer.receive).text).toBe("one")
      yield* peer.send(new Uint8Array([1, 2, 3]), Message.text("three"))
      const second = yield* peer.receive
      expect([second._tag, [...second.bytes]]).toEqual(["Binary", [1, 2, 3]])
      expect((yield* peer.receive).text).toBe("three")
      expect(texts(peer.received)).toEqual(["one", "\x01\x02\x03", "three"])
    })
  )

  it.scoped("that are sent together are read together", () =>
    Effect.gen(function* () {
      const sizes: Array<number> = []
      const peer = yield* Testing.connect((connection: Connection) =>
        Stream.runForEachChunk(connection.messages, (messages) =>
          Effect.zipRight(
            Effect.sync(() => sizes.push(messages.length)),
            connection.send(String(messages.length))
          )
        )
      )
      yield* peer.send("one", "two", "three")
      yield* peer.receive
      yield* peer.send("four")
      yield* peer.receive
      expect(sizes).toEqual([3, 1])
    })
  )

  it.scoped("before a Close frame are answered before the connection ends", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.send("one", "two")
      yield* peer.close(4001, "enough")
      yield* Testing.expectStop(peer, StopReason.PeerClosed({ code: 4001, reason: "enough" }))
      expect(texts(peer.received)).toEqual(["one", "two"])
    })
  )

  it.scoped("can be received by one who waits for them already", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      const first = yield* Effect.fork(peer.receive)
      const second = yield* Effect.fork(peer.receive)
      yield* Effect.yieldNow()
      yield* peer.send("one")
      yield* peer.send("two")
      expect([(yield* Fiber.join(first)).text, (yield* Fiber.join(second)).text]).toEqual(["one", "two"])
    })
  )

  it.scoped("larger than they may be end the connection", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, { maxPayload: 4 })
      yield* peer.send("four", "fives", "six")
      yield* Testing.expectStop(peer, StopReason.ProtocolError({ code: 1009, reason: "message too big" }))
      expect(texts(peer.received)).toEqual(["four"])
    })
  )
})

describe("an ending", () => {
  it.scoped("by the peer's Close frame: its code comes back, and TCP ends", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.close(1000, "done")
      expect(yield* peer.ended).toEqual({
        reason: StopReason.PeerClosed({ code: 1000, reason: "done" }),
        code: 1000,
        closeFrame: { code: 1000, reason: "done" },
        tcp: "end"
      })
    })
  )

  it.scoped("by an empty Close frame", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.close()
      expect(yield* peer.ended).toMatchObject({ code: 1005, closeFrame: { code: 1005, reason: "" } })
    })
  )

  it.scoped.each(["end", "reset"] as const)("by a TCP %s without a Close frame", (how) =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.vanish(how)
      const ended = yield* Testing.expectStop(peer, "PeerVanished")
      expect(ended).toMatchObject({ code: null, closeFrame: undefined, tcp: how })
    })
  )

  it.scoped("by an operator", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.stop({ code: 4000, reason: "bye" })
      const ended = yield* Testing.expectStop(peer, StopReason.StopSignal({ code: 4000, reason: "bye" }))
      expect(ended.closeFrame).toEqual({ code: 4000, reason: "bye" })
      expect((yield* Effect.flip(peer.stop()))._tag).toBe("ConnectionNotFound")
    })
  )

  it.scoped("by a shutdown, which lets nobody in any more", () =>
    Effect.gen(function* () {
      const server = yield* Testing.serve(echo, { shutdownCode: 1012 })
      const peer = yield* server.connect()
      yield* peer.shutdown
      yield* Testing.expectStop(peer, StopReason.ServerShutdown({ code: 1012 }))
      expect(yield* Effect.flip(server.connect())).toMatchObject({ status: 503, error: "Draining" })
    })
  )

  it.scoped("by the handler's return", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect((connection) => connection.send("bye"))
      expect((yield* peer.receive).text).toBe("bye")
      const ended = yield* Testing.expectStop(peer, "StopSignal")
      expect(ended.closeFrame).toEqual({ code: 1000, reason: "" })
    })
  )

  it.scoped("by the handler's failure, with its cause", () =>
    Effect.gen(function* () {
      const boom = new Error("boom")
      const peer = yield* Testing.connect(() => Effect.fail(boom))
      const { closeFrame, reason } = yield* Testing.expectStop(peer, "HandlerFailed")
      expect(StopReason.$is("HandlerFailed")(reason) && reason.cause).toMatchObject({ error: boom })
      expect(closeFrame).toEqual({ code: 1011, reason: "internal error" })
    })
  )

  it.scoped("by a peer that doesn't answer the Close frame is forced", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, { answersClose: false, closeTimeout: "5 seconds" })
      yield* peer.stop()
      const ended = yield* Effect.fork(peer.ended)
      yield* TestClock.adjust("4 seconds")
      expect(ended.unsafePoll()).toBeNull()
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(ended)).toMatchObject({ closeFrame: { code: 1001 }, tcp: "end" })
    })
  )

  it.scoped("comes after the handler's resources are released", () =>
    Effect.gen(function* () {
      const released: Array<string> = []
      const handler = (connection: Connection) =>
        Effect.zipRight(
          Effect.addFinalizer(() =>
            Effect.zipRight(
              Effect.yieldNow(),
              Effect.sync(() => released.push("it"))
            )
          ),
          Stream.runDrain(connection.messages)
        )
      const peer = yield* Testing.connect(handler)
      yield* peer.vanish("reset")
      yield* peer.ended
      expect(released).toEqual(["it"])
    })
  )

  it.effect("comes with the scope of the peer, at the latest", () =>
    Effect.gen(function* () {
      const released: Array<string> = []
      const server = yield* Testing.serve((connection) =>
        Effect.zipRight(
          // Takes a while, in which others run.
          Effect.addFinalizer(() =>
            Effect.zipRight(
              Effect.repeatN(Effect.yieldNow(), 99),
              Effect.sync(() => released.push(connection.id))
            )
          ),
          Effect.never
        )
      )
      const id = yield* Effect.scoped(Effect.map(server.connect(), ({ id }) => id))
      expect(released).toEqual([id])
      expect(yield* server.connections.count).toBe(0)
      yield* Testing.expectStop(server.connections, id, "PeerVanished")
    }).pipe(Effect.scoped)
  )
})

describe("on the clock of the test", () => {
  it.scoped("a peer that answers pings stays", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, { heartbeatInterval: "10 seconds" })
      yield* TestClock.adjust("25 seconds")
      expect(peer.story.filter((line) => line === "server: ping")).toHaveLength(2)
      expect(yield* peer.info).toMatchObject({ state: "open" })
    })
  )

  it.scoped("one that answers none is dead", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, {
        heartbeatInterval: "10 seconds",
        heartbeatTimeout: "5 seconds",
        answersPings: false
      })
      yield* TestClock.adjust("14 seconds")
      expect(yield* peer.info).toMatchObject({ state: "open" })
      yield* TestClock.adjust("2 seconds")
      expect(yield* Testing.expectStop(peer, "HeartbeatTimeout")).toMatchObject({ code: null, tcp: "reset" })
    })
  )

  it.scoped("one that stops to answer is dead from then on", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, {
        heartbeatInterval: "2 seconds",
        heartbeatTimeout: "1 second"
      })
      yield* TestClock.adjust("5 seconds")
      yield* peer.behave({ answersPings: false })
      yield* TestClock.adjust("4 seconds")
      yield* Testing.expectStop(peer, "HeartbeatTimeout")
    })
  )

  it.scoped("an idle connection is closed", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, { idleTimeout: "10 seconds" })
      yield* TestClock.adjust("9 seconds")
      yield* peer.send("still here")
      yield* peer.receive
      yield* TestClock.adjust("9 seconds")
      expect(yield* peer.info).toMatchObject({ state: "open" })
      yield* TestClock.adjust("2 seconds")
      const { closeFrame } = yield* Testing.expectStop(peer, "IdleTimeout")
      expect(closeFrame).toEqual({ code: 3008, reason: "idle timeout" })
    })
  )

  it.scoped("an old connection is closed", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, { maxLifetime: "10 seconds" })
      yield* TestClock.adjust("8 seconds")
      expect(yield* peer.info).toMatchObject({ state: "open" })
      yield* TestClock.adjust("4 seconds")
      yield* Testing.expectStop(peer, "LifetimeReached")
    })
  )
})

describe("back-pressure", () => {
  /** Sends without an end, once it is asked to. */
  const flood = (connection: Connection) =>
    Stream.runForEach(connection.messages, () => Effect.forever(connection.send("x".repeat(1000))))

  it.scoped("holds up a handler whose peer doesn't read", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(flood, { highWaterMark: "8KiB", sendTimeout: "off" })
      yield* peer.pauseReading
      yield* peer.send("go")
      yield* TestClock.adjust("10 seconds")
      const { bufferedBytes } = yield* peer.info
      expect(bufferedBytes).toBeGreaterThan(8 * 1024)
      expect(bufferedBytes).toBeLessThan(10 * 1024)
      expect(peer.received).toEqual([])
    })
  )

  it.scoped("lets it go on when the peer reads again", () =>
    Effect.gen(function* () {
      const count = 100
      const peer = yield* Testing.connect(
        (connection) =>
          Stream.runForEach(connection.messages, () =>
            Effect.forEach(
              Array.from({ length: count }, (_, i) => String(i)),
              (text) => connection.send(text.padEnd(1000))
            )
          ),
        { highWaterMark: "8KiB" }
      )
      yield* peer.pauseReading
      yield* peer.send("go")
      yield* TestClock.adjust("1 second")
      expect((yield* peer.info).messagesOut).toBe(9)
      yield* peer.resumeReading
      const all = yield* Effect.replicateEffect(peer.receive, count)
      expect(all.map(({ text }) => text.trim())).toEqual(Array.from({ length: count }, (_, i) => String(i)))
    })
  )

  it.scoped("ends a connection whose peer takes nothing for too long", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(flood, { highWaterMark: 1024, sendTimeout: "10 seconds" })
      yield* peer.pauseReading
      yield* peer.send("go")
      yield* TestClock.adjust("9 seconds")
      expect(yield* peer.info).toMatchObject({ state: "open" })
      yield* TestClock.adjust("2 seconds")
      expect(yield* Testing.expectStop(peer, "SlowConsumer")).toMatchObject({ tcp: "reset" })
    })
  )

  it.scoped("leaves unread what can't be answered", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, { highWaterMark: 1024 })
      yield* peer.pauseReading
      for (let i = 0; i < 10; i++) {
        yield* peer.send("x".repeat(1000))
        yield* TestClock.adjust(0)
      }
      // The third is not read when the second waits to be taken. A frame of these has a header of 8 bytes.
      expect(peer.unreadBytes).toBe(8 * 1008)
      yield* peer.resumeReading
      yield* Effect.replicateEffect(peer.receive, 10)
      expect(peer.unreadBytes).toBe(0)
    })
  )

  it.scoped("leaves unread what a handler doesn't pull", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const peer = yield* Testing.connect(
        (connection) =>
          Stream.runForEach(connection.messages, (message) =>
            Effect.zipRight(Deferred.await(gate), connection.send(message))
          ),
        { highWaterMark: 1024 }
      )
      for (let i = 0; i < 10; i++) yield* peer.send("x".repeat(1000))
      yield* TestClock.adjust("1 second")
      expect(peer.unreadBytes).toBeGreaterThan(7000)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.replicateEffect(peer.receive, 10)
      expect(peer.unreadBytes).toBe(0)
    })
  )
})

describe("pings of the peer", () => {
  it.scoped("are answered", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(() => Effect.never)
      yield* peer.ping("here?")
      expect(peer.story).toContain('server: pong "here?"')
    })
  )
})

class Greeting extends Context.Tag("Greeting")<Greeting, string>() {}

describe("the handler", () => {
  const language = FiberRef.unsafeMake("en")
  const greet = (connection: Connection) =>
    Effect.gen(function* () {
      yield* connection.send(`${yield* Greeting} ${yield* FiberRef.get(language)}`)
      yield* Stream.runDrain(connection.messages)
    })

  it.scoped("has the services and FiberRefs of the test", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(greet).pipe(Effect.locally(language, "de"))
      expect((yield* peer.receive).text).toBe("hello de")
    }).pipe(Effect.provideService(Greeting, "hello"))
  )

  it.scoped("has those of a layer", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(Endpoint.make(greet))
      expect((yield* peer.receive).text).toBe("good morning en")
    }).pipe(Effect.provide(Layer.succeed(Greeting, "good morning")))
  )
})

describe("a handshake", () => {
  class Users extends Context.Tag("Users")<Users, ReadonlyMap<string, string>>() {}

  const unauthorized = new HandshakeRefused({ status: 401, message: "who are you?" })
  const members = Endpoint.make({
    subprotocols: ["v2", "v1"],
    authorize: ({ headers, query }) =>
      Effect.gen(function* () {
        const name = (yield* Users).get(headers["authorization"] ?? "")
        return name === undefined ? yield* Effect.fail(unauthorized) : { name, room: query.get("room") }
      }),
    handler: (connection, { name, room }) =>
      Effect.zipRight(
        connection.send(`${name} in ${room} at ${connection.path} from ${connection.remote}`),
        Effect.never
      )
  })

  const users = new Map([["Bearer 1", "Ada"]])

  it.scoped("is let in", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(members, {
        target: "/chat?room=lobby",
        headers: { Authorization: "Bearer 1" },
        remote: "203.0.113.7:4711",
        subprotocol: ["v0", "v1"]
      })
      expect((yield* peer.receive).text).toBe("Ada in lobby at /chat from 203.0.113.7:4711")
      expect(peer.subprotocol).toBe("v1")
    }).pipe(Effect.provideService(Users, users))
  )

  it.scoped("is refused", () =>
    Effect.gen(function* () {
      expect(yield* Effect.flip(Testing.connect(members))).toBe(unauthorized)
    }).pipe(Effect.provideService(Users, users))
  )

  it.scoped("of a page elsewhere is refused, unless its origin is allowed", () =>
    Effect.gen(function* () {
      const headers = { origin: "https://example.com" }
      expect(yield* Effect.flip(Testing.connect(echo, { headers }))).toMatchObject({ status: 403 })
      yield* Testing.connect(echo, { headers, origins: ["https://example.com"] })
    })
  )

  it.scoped("takes a place, and gives it back", () =>
    Effect.gen(function* () {
      const server = yield* Testing.serve(Endpoint.make({ maxConnectionsPerAddress: 1, handler: echo }))
      const peer = yield* server.connect()
      expect(yield* Effect.flip(server.connect())).toMatchObject({ status: 429 })
      yield* server.connect({ remote: "198.51.100.1:1" })
      yield* peer.vanish()
      yield* peer.ended
      yield* server.connect()
    })
  )

  it.scoped("that is refused gives its place back, too", () =>
    Effect.gen(function* () {
      const never = Endpoint.make({
        maxConnections: 1,
        authorize: () => Effect.fail(unauthorized),
        handler: echo
      })
      const server = yield* Testing.serve(never)
      expect((yield* Effect.flip(server.connect())).status).toBe(401)
      expect((yield* Effect.flip(server.connect())).status).toBe(401)
    })
  )

  it.scoped("that isn't decided on in time is refused", () =>
    Effect.gen(function* () {
      const slow = Endpoint.make({ authorize: () => Effect.never, handler: echo })
      const connecting = yield* Effect.fork(
        Effect.flip(Testing.connect(slow, { handshakeTimeout: "3 seconds" }))
      )
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(connecting)).toMatchObject({ status: 503, error: "AuthorizeTimeout" })
    })
  )

  it.scoped("whose authorize dies is a defect of the test", () =>
    Effect.gen(function* () {
      const broken = Endpoint.make({ authorize: () => Effect.dieMessage("no database"), handler: echo })
      const exit = yield* Effect.exit(Testing.connect(broken))
      expect(Exit.isFailure(exit) && exit.cause).toMatchObject({ defect: { message: "no database" } })
    })
  )
})

describe("what is over", () => {
  timeless("leaves nothing behind", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.send("x")
      yield* peer.receive
    })
  )

  it.live("is not waited for by the end of the test, where it can't come to its end", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      yield* Effect.scoped(Testing.connect(() => Effect.uninterruptible(Deferred.await(gate))))
      yield* Deferred.succeed(gate, undefined)
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
  )
})
