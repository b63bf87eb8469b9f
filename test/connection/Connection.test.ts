/**
 * What a handler does with its connection: it sends, and everything is counted.
 */
import { describe, expect } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { ConnectionClosed } from "../../src/connection/ConnectionClosed.js"
import type { Handler } from "../../src/connection/Handler.js"
import { echo } from "../../src/connection/Echo.js"
import * as Message from "../../src/protocol/Message.js"
import { begin, busy, count, type Life, over, stopped, stopSignal } from "../support/life.js"
import { settle, timeless } from "../support/timeless.js"

describe("sending", () => {
  timeless("takes strings as text and bytes as binary, and a batch as one (RFC 6455 section 5.6)", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) =>
        Effect.gen(function* () {
          yield* connection.send("text")
          yield* connection.send(Uint8Array.of(104, 105))
          yield* connection.sendChunk(Chunk.make(Message.text("a"), Message.text("b")))
        })
      )
      yield* over(life)
      expect(life.trail.slice(0, 3)).toEqual(["write text", "write hi", "write a b"])
      expect(count(life.connection)).toMatchObject({ messagesOut: 4, bytesOut: 8 })
    })
  )

  timeless("after the Close frame fails, with the connection's name", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo, { answersClose: false })
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* settle
      for (const send of [
        life.connection.send("late"),
        life.connection.sendChunk(Chunk.of(Message.text("late")))
      ]) {
        const error = yield* Effect.flip(send)
        expect(error).toBeInstanceOf(ConnectionClosed)
        expect(error).toMatchObject({ _tag: "ConnectionClosed", connection: "c1" })
        expect(error.message).toContain("c1")
      }
      life.transport.socketCloses()
      yield* over(life)
      expect(count(life.connection)).toEqual({ messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 })
    })
  )

  timeless("after the TCP connection is gone fails, and so does whatever is sent after that", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo)
      yield* settle
      life.transport.socketCloses()
      expect(yield* Effect.flip(life.connection.send("late"))).toBeInstanceOf(ConnectionClosed)
      yield* over(life)
      expect(yield* Effect.flip(life.connection.send("later"))).toBeInstanceOf(ConnectionClosed)
    })
  )

  /** Sends one message after the other. */
  const echoEach: Handler<ConnectionClosed> = (connection) =>
    Stream.runForEach(connection.messages, (message) => connection.send(message))

  timeless("waits while more than the high-water mark is buffered", () =>
    Effect.gen(function* () {
      const life = yield* begin(echoEach, { highWaterMark: 12 })
      life.transport.block()
      life.transport.deliver("1234567890", "1", "2")
      yield* TestClock.adjust("1 minute")
      expect(life.transport.written).toEqual(["1234567890", "1"])
      // With the headers of their frames.
      expect(life.connection.bufferedBytes).toBe(15)
      life.transport.unblock()
      yield* settle
      expect(life.transport.written).toEqual(["1234567890", "1", "2"])
      expect(life.connection.bufferedBytes).toBe(0)
      life.lifecycle.stop(stopSignal)
      yield* over(life)
    })
  )

  timeless("no longer waits once the connection is to end: what was read is bounded, and answered", () =>
    Effect.gen(function* () {
      const life = yield* begin(echoEach, { highWaterMark: 10 })
      life.transport.block()
      life.transport.deliver("12345678901", "two")
      yield* settle
      life.transport.deliver("three")
      life.lifecycle.stop(stopSignal)
      expect(yield* over(life)).toEqual([
        "write 12345678901",
        "stopping StopSignal",
        "write two",
        "write three",
        ...stopped.slice(1)
      ])
    })
  )

  const releases: ReadonlyArray<readonly [string, (life: Life) => void]> = [
    ["a stop", ({ lifecycle }) => lifecycle.stop(stopSignal)],
    ["the end of the server's patience", ({ lifecycle }) => lifecycle.kill(stopSignal)],
    ["the peer's Close frame", ({ transport }) => transport.peerCloses(1000)],
    ["a bad frame", ({ transport }) => transport.peerErrs(1002, "bad")],
    ["the end of TCP", ({ transport }) => transport.peerVanishes()],
    ["the loss of the TCP connection", ({ transport }) => transport.socketCloses()]
  ]
  for (const [name, end] of releases) {
    timeless(`that is blocked is released by ${name}, and the next fails`, () =>
      Effect.gen(function* () {
        const life = yield* begin(echo)
        life.transport.block()
        const sending = yield* Effect.fork(life.connection.send("more than the mark"))
        yield* TestClock.adjust("1 minute")
        expect(sending.unsafePoll()).toBeNull()
        end(life)
        yield* over(life)
        expect(yield* Fiber.await(sending)).toEqual(Exit.void)
        expect(yield* Effect.flip(life.connection.send("late"))).toBeInstanceOf(ConnectionClosed)
        expect(life.transport.written).toEqual(["more than the mark"])
      })
    )
  }
})

describe("counting", () => {
  timeless("is of messages and their payload bytes, in and out", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo)
      life.transport.deliver("é", "")
      yield* settle
      life.transport.deliver("three")
      yield* settle
      expect(count(life.connection)).toEqual({ messagesIn: 3, messagesOut: 3, bytesIn: 7, bytesOut: 7 })
      life.lifecycle.stop(stopSignal)
      yield* over(life)
    })
  )

  timeless("is of what was handed to the handler, not of what was read", () =>
    Effect.gen(function* () {
      const life = yield* begin(busy)
      life.transport.deliver("one")
      yield* settle
      life.transport.deliver("two", "three")
      yield* settle
      expect(count(life.connection)).toMatchObject({ messagesIn: 1, bytesIn: 3 })
      life.transport.socketCloses()
      yield* over(life)
      expect(count(life.connection)).toEqual({ messagesIn: 1, messagesOut: 0, bytesIn: 3, bytesOut: 0 })
    })
  )

  timeless("is not of what arrives after a stop", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo, { answersClose: false })
      yield* settle
      life.lifecycle.stop(stopSignal)
      life.transport.deliver("one")
      yield* settle
      life.transport.deliver("two")
      life.transport.socketCloses()
      yield* over(life)
      expect(count(life.connection)).toEqual({ messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 })
    })
  )

  timeless("has the times of the opening and of the last message", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1000)
      const life = yield* begin(echo)
      yield* TestClock.adjust(500)
      expect(life.connection).toMatchObject({ openedAt: 1000, lastMessageAt: undefined })
      life.transport.deliver("one")
      yield* TestClock.adjust(500)
      life.lifecycle.stop(stopSignal)
      yield* over(life)
      expect(life.connection).toMatchObject({ openedAt: 1000, lastMessageAt: 1500 })
    })
  )
})
