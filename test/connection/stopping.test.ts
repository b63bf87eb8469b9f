/**
 * A stop reaches a connection whatever it is doing, and what was read before it is answered.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { type Connection, ConnectionClosed } from "../../src/index.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"
import { serverWith, testServer, type TestServer } from "../support/server.js"

const KIB = 1024

const only = (server: TestServer) =>
  Effect.flatMap(server.connections.list, ([connection]) =>
    connection === undefined ? Effect.die("there is no connection") : Effect.succeed(connection)
  )

const stop = (server: TestServer, code = 4000) =>
  Effect.flatMap(only(server), ({ id }) => server.connections.stop(id, { code, reason: "stop" }))

describe("a stop reaches a connection", () => {
  live("that waits for a message", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("one"))
      yield* peer.nextMessage
      yield* stop(server)
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 4000 stop"])
    })
  )

  live("that is in the middle of a fragmented message", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.frame({ opcode: 1, fin: false, payload: Buffer.from("half") }))
      // Its answer tells that the fragment before it has been read.
      yield* peer.write(Frames.ping("?"))
      expect(Frames.describe(yield* peer.nextFrame)).toBe("pong ?")
      yield* stop(server)
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 4000 stop"])
      expect(yield* server.logged("connection closed")).toMatchObject({ messagesIn: 0, messagesOut: 0 })
    })
  )

  live("that is in the middle of a frame", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Buffer.concat([Frames.ping("?"), Frames.text("whole message").subarray(0, 9)]))
      yield* peer.nextFrame
      yield* stop(server)
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 4000 stop"])
    })
  )

  live("that is blocked in a write to a peer that doesn't read: the peer can still read to the end", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.connect({ port: server.port })
      const sent = yield* block(server, peer)
      yield* stop(server)
      expect((yield* only(server)).state).toBe("stopping")
      yield* peer.resume
      const { frames } = yield* lastWords(peer)
      expect(frames.map((frame) => frame.opcode)).toEqual([...frames.slice(1).map(() => 2), 8])
      expect(Frames.describe(frames.at(-1))).toBe("close 4000 stop")
      // Echoes are a prefix of what was sent, in order.
      frames.slice(0, -1).forEach((frame, index) => expect(frame.payload.readUInt32BE(0)).toBe(index))
      const line = yield* server.logged("connection closed")
      expect(line).toMatchObject({
        reason: "StopSignal",
        messagesIn: frames.length - 1,
        messagesOut: frames.length - 1,
        bytesOut: (frames.length - 1) * 64 * KIB
      })
      yield* Fiber.interrupt(sent)
    })
  )

  live(
    "that is blocked in a write to a peer that doesn't read: one that never does is destroyed in time",
    () =>
      Effect.gen(function* () {
        const server = yield* testServer({ closeTimeout: "200 millis" })
        const peer = yield* RawClient.connect({ port: server.port })
        const sent = yield* block(server, peer)
        yield* stop(server)
        const line = yield* server.logged("connection closed")
        expect(line).toMatchObject({ reason: "StopSignal", code: 4000 })
        yield* Fiber.interrupt(sent)
      })
  )

  live("that pushes to a peer that doesn't read: nothing piles up until it is destroyed", () =>
    Effect.gen(function* () {
      const written = yield* Ref.make(0)
      const server = yield* serverWith(
        (connection) =>
          Effect.all(
            [
              Stream.runDrain(connection.messages),
              Effect.forever(
                Effect.zipRight(
                  connection.send(Buffer.alloc(16 * KIB)),
                  Ref.update(written, (bytes) => bytes + 16 * KIB)
                )
              )
            ],
            { concurrency: "unbounded", discard: true }
          ),
        { closeTimeout: "300 millis" }
      )
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.pause
      yield* eventually(
        "the server is stuck",
        Effect.map(only(server), ({ bufferedBytes }) => bufferedBytes > 64 * KIB)
      )
      const before = yield* Ref.get(written)
      yield* stop(server)
      yield* server.logged("connection closed", { reason: "StopSignal" })
      expect((yield* Ref.get(written)) - before).toBeLessThan(512 * KIB)
    })
  )

  live("that is in its close handshake: the first reason stays", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ closeTimeout: "300 millis" })
      const peer = yield* RawClient.connect({ port: server.port })
      yield* stop(server, 4001)
      expect(Frames.describe(yield* peer.nextFrame)).toBe("close 4001 stop")
      yield* stop(server, 4002)
      expect(yield* server.connections.stopAll()).toBe(0)
      yield* server.shutdown
      expect((yield* peer.allUntilEnd).frames).toEqual([])
      expect(yield* server.logged("connection closed")).toMatchObject({ reason: "StopSignal", code: 4001 })
    })
  )

  live("that is in its opening handshake", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const silent = yield* RawClient.open({ port: server.port })
      const halfway = yield* RawClient.open({ port: server.port })
      yield* halfway.write(Buffer.from("GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websoc"))
      const idle = yield* RawClient.open({ port: server.port })
      yield* idle.write(Buffer.from("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"))
      expect((yield* idle.responseHead).status).toBe(200)
      yield* server.shutdown
      yield* silent.ended
      yield* halfway.ended
      yield* idle.ended
    })
  )
})

/** Sends 64 KiB messages, numbered, until the server is stuck with more than it may buffer. */
const block = (server: TestServer, peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    yield* peer.pause
    const sending = yield* Stream.iterate(0, (n) => n + 1).pipe(
      Stream.runForEach((n) => {
        const payload = Buffer.alloc(64 * KIB)
        payload.writeUInt32BE(n, 0)
        return peer.write(Frames.binary(payload))
      }),
      Effect.forkScoped
    )
    yield* eventually(
      "the server is stuck",
      Effect.map(only(server), ({ bufferedBytes }) => bufferedBytes > 64 * KIB)
    )
    return sending
  })

describe("what was read when a polite stop begins is answered", () => {
  live("by a handler that is slow, before the Close frame, and nothing after", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const server = yield* serverWith((connection) =>
        Stream.runForEach(connection.messages, (message) =>
          Effect.zipRight(Deferred.await(gate), Effect.ignore(connection.send(message)))
        )
      )
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Buffer.concat(["a", "b", "c"].map((text) => Frames.text(text))))
      yield* eventually(
        "the handler has its messages",
        Effect.map(only(server), ({ messagesIn }) => messagesIn === 3)
      )
      yield* stop(server)
      yield* peer.write(Frames.text("too late"))
      yield* Deferred.succeed(gate, undefined)
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
        "text a",
        "text b",
        "text c",
        "close 4000 stop"
      ])
      expect(yield* server.logged("connection closed")).toMatchObject({ messagesIn: 3, messagesOut: 3 })
    })
  )

  live("by one that works on several at once", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const server = yield* serverWith((connection) =>
        connection.messages.pipe(
          Stream.mapEffect((message) => Effect.as(Deferred.await(gate), message), { concurrency: 8 }),
          Stream.runForEach((message) => Effect.ignore(connection.send(message)))
        )
      )
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Buffer.concat(["a", "b"].map((text) => Frames.text(text))))
      yield* eventually(
        "the handler has its messages",
        Effect.map(only(server), ({ messagesIn }) => messagesIn === 2)
      )
      yield* stop(server)
      yield* Deferred.succeed(gate, undefined)
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
        "text a",
        "text b",
        "close 4000 stop"
      ])
    })
  )

  live("but one that doesn't come to an end is interrupted after the close timeout", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const server = yield* serverWith(
        (connection) =>
          Stream.runForEach(connection.messages, () =>
            Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
          ),
        { closeTimeout: "200 millis" }
      )
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("a"))
      yield* eventually(
        "the handler has its message",
        Effect.map(only(server), ({ messagesIn }) => messagesIn === 1)
      )
      yield* stop(server)
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 4000 stop"])
      yield* Deferred.await(interrupted)
    })
  )
})

describe("a handler", () => {
  live("gets messages in order, one fiber a connection, however slow it is", () =>
    Effect.gen(function* () {
      const server = yield* serverWith((connection) =>
        Stream.runForEach(connection.messages, (message) =>
          Effect.zipRight(
            Effect.sleep(message.text === "first" ? 50 : 0),
            Effect.ignore(connection.send(message))
          )
        )
      )
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Buffer.concat([Frames.text("first"), Frames.text("second")]))
      expect((yield* peer.nextMessage).text).toBe("first")
      expect((yield* peer.nextMessage).text).toBe("second")
    })
  )

  live("that sends too late gets a tagged error", () =>
    Effect.gen(function* () {
      const opened = yield* Queue.unbounded<Connection>()
      const server = yield* serverWith((connection) =>
        Effect.zipRight(Queue.offer(opened, connection), Stream.runDrain(connection.messages))
      )
      const peer = yield* RawClient.connect({ port: server.port })
      const connection = yield* Queue.take(opened)
      yield* peer.write(Frames.close(1000))
      yield* lastWords(peer)
      const exit = yield* Effect.exit(connection.send("too late"))
      expect(exit).toEqual(Exit.fail(new ConnectionClosed({ connection: connection.id })))
    })
  )

  live("can stop its own connection, and knows why it ends", () =>
    Effect.gen(function* () {
      const known = yield* Deferred.make<string>()
      const server = yield* serverWith((connection) =>
        Stream.runForEach(connection.messages, () =>
          Effect.orDie(connection.stop({ code: 4321, reason: "done" }))
        ).pipe(
          Effect.zipRight(connection.stopSignal.await),
          Effect.flatMap((reason) => Deferred.succeed(known, reason._tag))
        )
      )
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("stop"))
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 4321 done"])
      expect(yield* Deferred.await(known)).toBe("StopSignal")
    })
  )

  live("has its resources released however the connection ends", () =>
    Effect.gen(function* () {
      const held = yield* Ref.make(0)
      const server = yield* serverWith((connection) =>
        Effect.zipRight(
          Effect.acquireRelease(
            Ref.update(held, (n) => n + 1),
            () => Ref.update(held, (n) => n - 1)
          ),
          Stream.runDrain(connection.messages)
        )
      )
      const closing = yield* RawClient.connect({ port: server.port })
      const vanishing = yield* RawClient.connect({ port: server.port })
      const stopped = yield* RawClient.connect({ port: server.port })
      yield* eventually(
        "all are open",
        Effect.map(Ref.get(held), (count) => count === 3)
      )
      yield* closing.write(Frames.close(1000))
      yield* lastWords(closing)
      yield* vanishing.reset
      yield* eventually(
        "two are released",
        Effect.map(Ref.get(held), (count) => count === 1)
      )
      const ending = yield* Effect.forkScoped(lastWords(stopped))
      yield* server.shutdown
      expect((yield* Fiber.join(ending)).frames.map(Frames.describe)).toEqual([
        "close 1001 server shutting down"
      ])
      expect(yield* Ref.get(held)).toBe(0)
    })
  )
})

describe("a server in a program", () => {
  live("has said its last word to all when its scope has closed", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ shutdownCode: 1012 })
      const peers = yield* Effect.all(
        Array.from({ length: 20 }, () => RawClient.connect({ port: server.port }))
      )
      const answering = yield* Effect.forkScoped(
        Effect.forEach(peers, (peer) => lastWords(peer), {
          concurrency: "unbounded"
        })
      )
      yield* server.shutdown
      expect(server.logs.filter((line) => line["message"] === "connection closed")).toHaveLength(20)
      yield* Fiber.join(answering)
      const again = yield* Effect.exit(RawClient.open({ port: server.port }))
      expect(Exit.isFailure(again)).toBe(true)
    })
  )

  live("is one of several, each on a port of its own", () =>
    Effect.gen(function* () {
      const first = yield* testServer()
      const second = yield* serverWith((connection) =>
        Stream.runForEach(connection.messages, (message) =>
          Effect.ignore(connection.send(`second ${message.text}`))
        )
      )
      expect(first.port).not.toBe(second.port)
      const one = yield* RawClient.connect({ port: first.port })
      const two = yield* RawClient.connect({ port: second.port })
      const ending = yield* Effect.forkScoped(lastWords(one))
      yield* first.shutdown
      yield* Fiber.join(ending)
      yield* two.write(Frames.text("lives"))
      expect((yield* two.nextMessage).text).toBe("second lives")
    })
  )
})
