/**
 * The life of a connection, without a socket and with a clock of the test's own.
 */
import { describe, expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { echo } from "../../src/connection/Echo.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import { begin, busy, CLOSE_TIMEOUT, count, echoWhen, over, stopped, stopSignal } from "../support/life.js"
import type { MemoryTransport } from "../support/MemoryTransport.js"
import { settle, timeless } from "../support/timeless.js"

describe("a stop", () => {
  timeless("of a connection that waits ends its handler, and says so", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo)
      yield* settle
      expect(life.lifecycle.stop(stopSignal)).toBe(true)
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  timeless("in the moment in which the connection begins is said, too", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo)
      life.lifecycle.stop(stopSignal)
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  timeless("tells the handler, with the reason", () =>
    Effect.gen(function* () {
      const told = yield* Deferred.make<StopReason>()
      const life = yield* begin((connection) =>
        Effect.zip(
          Deferred.complete(told, connection.stopSignal.await),
          Stream.runDrain(connection.messages),
          { concurrent: true }
        )
      )
      yield* settle
      expect(life.connection.stopSignal.reason).toBeUndefined()
      life.lifecycle.stop(stopSignal)
      expect(life.connection.stopSignal.reason).toEqual(stopSignal)
      expect(yield* Deferred.await(told)).toEqual(stopSignal)
      yield* over(life)
    })
  )

  timeless("comes once: the first reason wins", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo, { answersClose: false })
      expect(life.lifecycle.stop(stopSignal)).toBe(true)
      expect(life.lifecycle.stop(StopReason.ServerShutdown({ code: 1001 }))).toBe(false)
      life.transport.peerCloses(1000, "bye")
      life.transport.peerErrs(1002, "bad")
      yield* settle
      expect(life.lifecycle.stop(StopReason.StopSignal({ code: 4001, reason: "again" }))).toBe(false)
      life.transport.peerVanishes()
      life.transport.socketCloses()
      expect(life.lifecycle.stop(StopReason.ServerShutdown({ code: 1001 }))).toBe(false)
      expect(life.connection.stopSignal.reason).toEqual(stopSignal)
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  timeless("is told of before the end of TCP, though that comes in the same moment", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo, { answersClose: false })
      const close = life.transport.close.bind(life.transport)
      life.transport.close = (code, reason) => {
        const isSaid = close(code, reason)
        life.transport.socketCloses()
        return isSaid
      }
      yield* settle
      life.lifecycle.stop(stopSignal)
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  timeless("after the peer's Close frame changes nothing", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo)
      life.transport.peerCloses(4001, "bye")
      expect(life.lifecycle.stop(stopSignal)).toBe(false)
      expect(yield* over(life)).toEqual([
        "stopping PeerClosed",
        "close 4001 bye",
        "farewell PeerClosed",
        "closed PeerClosed"
      ])
    })
  )

  timeless("from the connection itself says 1001 unless told otherwise (RFC 6455 section 7.4.1)", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) =>
        Effect.zipRight(Effect.orDie(connection.stop()), Stream.runDrain(connection.messages))
      )
      yield* over(life)
      expect(life.transport.lastWords).toEqual(["close 1001 connection interrupted"])
      const other = yield* begin((connection) =>
        Effect.zipRight(
          Effect.orDie(connection.stop({ code: 4001, reason: "" })),
          Stream.runDrain(connection.messages)
        )
      )
      yield* over(other)
      expect(other.transport.lastWords).toEqual(["close 4001"])
    })
  )

  timeless(
    "from the connection itself with a code that can't be sent is refused (RFC 6455 section 7.4.1)",
    () =>
      Effect.gen(function* () {
        const life = yield* begin(echo)
        expect(yield* Effect.flip(life.connection.stop({ code: 1006 }))).toMatchObject({
          _tag: "InvalidClose"
        })
        expect(yield* Effect.flip(life.connection.stop({ reason: "a".repeat(124) }))).toMatchObject({
          _tag: "InvalidClose"
        })
        expect(life.connection.stopSignal.reason).toBeUndefined()
        yield* life.connection.stop()
        yield* over(life)
      })
  )
})

describe("what was read before a stop", () => {
  timeless("is answered before the Close frame, and what comes later isn't", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo)
      life.transport.deliver("one", "two")
      life.lifecycle.stop(stopSignal)
      expect(life.transport.deliver("three")).toBe(false)
      expect(yield* over(life)).toEqual(["stopping StopSignal", "write one two", ...stopped.slice(1)])
      expect(count(life.connection)).toEqual({ messagesIn: 2, messagesOut: 2, bytesIn: 6, bytesOut: 6 })
    })
  )

  timeless("is answered by a handler that is still at work on the message before it", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const life = yield* begin(echoWhen(gate))
      life.transport.deliver("one")
      yield* settle
      life.transport.deliver("two")
      life.transport.deliver("three")
      life.lifecycle.stop(stopSignal)
      life.transport.deliver("four")
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(life.trail).toEqual(["stopping StopSignal"])
      yield* Deferred.succeed(gate, undefined)
      expect(yield* over(life)).toEqual([
        "stopping StopSignal",
        "write one",
        "write two three",
        ...stopped.slice(1)
      ])
    })
  )

  timeless("holds up nothing where the handler has not asked for it: it may never", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) => Effect.zipRight(Effect.never, echo(connection)))
      life.transport.deliver("one")
      life.lifecycle.stop(stopSignal)
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  const peers: ReadonlyArray<readonly [string, (transport: MemoryTransport) => void, ReadonlyArray<string>]> =
    [
      [
        "the code of the peer's Close frame goes back (RFC 6455 section 5.5.1)",
        (transport) => transport.peerCloses(4001, "bye"),
        ["stopping PeerClosed", "write one two", "close 4001 bye", "farewell PeerClosed", "closed PeerClosed"]
      ],
      [
        "the peer's empty Close frame is answered with an empty one (RFC 6455 section 5.5.1)",
        (transport) => transport.peerCloses(),
        ["stopping PeerClosed", "write one two", "close", "farewell PeerClosed", "closed PeerClosed"]
      ],
      [
        "a bad frame is complained of (RFC 6455 section 7.1.7)",
        (transport) => transport.peerErrs(1002, "bad opcode"),
        [
          "stopping ProtocolError",
          "write one two",
          "close 1002 bad opcode",
          "farewell ProtocolError",
          "closed ProtocolError"
        ]
      ],
      [
        "this side ends TCP as the peer did, without a Close frame",
        (transport) => transport.peerVanishes(),
        ["stopping PeerVanished", "write one two", "end", "farewell PeerVanished", "closed PeerVanished"]
      ]
    ]
  for (const [name, end, expected] of peers) {
    timeless(`is answered before ${name}`, () =>
      Effect.gen(function* () {
        const life = yield* begin(echo)
        yield* settle
        life.transport.deliver("one", "two")
        end(life.transport)
        expect(life.transport.deliver("three")).toBe(false)
        expect(yield* over(life)).toEqual(expected)
      })
    )
  }
})

describe("a peer", () => {
  timeless("that never answers the Close frame is destroyed at the close timeout, and not earlier", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo, { answersClose: false })
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(life.trail).toEqual(stopped.slice(0, 3))
      yield* TestClock.adjust(1)
      expect(yield* over(life)).toEqual([...stopped.slice(0, 3), "destroy", "closed StopSignal"])
    })
  )

  timeless("has the whole close timeout for its answer, though the handler took some for its own", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const life = yield* begin(echoWhen(gate), { answersClose: false })
      life.transport.deliver("one")
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(life.transport.lastWords).toEqual(["close 4000 enough"])
      yield* TestClock.adjust(1)
      expect(life.transport.lastWords).toEqual(["close 4000 enough", "destroy"])
      yield* over(life)
    })
  )

  timeless("that answers late, but in time, is not destroyed", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo, { answersClose: false })
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      life.transport.socketCloses()
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  const endings: ReadonlyArray<readonly [string, (transport: MemoryTransport) => void, string]> = [
    ["has sent a Close frame", (transport) => transport.peerCloses(1000), "close 1000"],
    ["has ended its side of TCP", (transport) => transport.peerVanishes(), "end"],
    ["has sent a bad frame", (transport) => transport.peerErrs(1002, "bad"), "close 1002 bad"]
  ]
  for (const [name, end, last] of endings) {
    timeless(`that ${name} and keeps TCP open is destroyed at the close timeout`, () =>
      Effect.gen(function* () {
        const life = yield* begin(echo, { answersClose: false })
        yield* settle
        end(life.transport)
        yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
        expect(life.transport.lastWords).toEqual([last])
        yield* TestClock.adjust(1)
        expect(life.transport.lastWords).toEqual([last, "destroy"])
        yield* over(life)
      })
    )
  }

  timeless("whose TCP connection is gone ends a handler that is at work at once", () =>
    Effect.gen(function* () {
      const life = yield* begin(busy)
      life.transport.deliver("one")
      yield* settle
      life.transport.socketCloses()
      expect(yield* over(life)).toEqual([
        "stopping PeerVanished",
        "farewell PeerVanished",
        "closed PeerVanished"
      ])
    })
  )

  timeless("whose TCP connection is gone while the handler answers after a stop ends that at once", () =>
    Effect.gen(function* () {
      const life = yield* begin(busy)
      life.transport.deliver("one")
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* settle
      life.transport.socketCloses()
      expect(yield* over(life)).toEqual(["stopping StopSignal", "farewell StopSignal", "closed StopSignal"])
    })
  )

  timeless("whose TCP connection is gone before the handler is begun is counted", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo)
      life.transport.socketCloses()
      expect(yield* over(life)).toEqual([
        "stopping PeerVanished",
        "farewell PeerVanished",
        "closed PeerVanished"
      ])
    })
  )
})

describe("the end of the server's patience", () => {
  const shutdown = StopReason.ServerShutdown({ code: 1012 })

  timeless("ends a connection with a last word, and destroys it in the same moment", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo, { answersClose: false })
      yield* settle
      life.lifecycle.kill(shutdown)
      expect(life.trail).toEqual([
        "stopping ServerShutdown",
        "close 1012 server shutting down",
        "farewell ServerShutdown",
        "destroy"
      ])
      expect(yield* over(life)).toEqual([...life.trail.slice(0, 4), "closed ServerShutdown"])
    })
  )

  timeless("doesn't wait for a handler that is at work", () =>
    Effect.gen(function* () {
      const life = yield* begin(busy)
      life.transport.deliver("one", "two")
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* settle
      life.lifecycle.kill(shutdown)
      expect(yield* over(life)).toEqual([
        "stopping StopSignal",
        "close 4000 enough",
        "farewell StopSignal",
        "destroy",
        "closed StopSignal"
      ])
    })
  )

  timeless("doesn't wait for a peer that has its Close frame already, and says nothing twice", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo, { answersClose: false })
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(1)
      life.lifecycle.kill(shutdown)
      expect(yield* over(life)).toEqual([...stopped.slice(0, 3), "destroy", "closed StopSignal"])
    })
  )

  timeless("counts a connection whose handler can't be interrupted, once", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const life = yield* begin(() => Effect.uninterruptible(Deferred.await(gate)))
      yield* Effect.addFinalizer(() => Deferred.succeed(gate, undefined))
      yield* settle
      life.lifecycle.kill(shutdown)
      yield* settle
      const killed = [
        "stopping ServerShutdown",
        "close 1012 server shutting down",
        "farewell ServerShutdown",
        "destroy",
        "closed ServerShutdown"
      ]
      expect(life.trail).toEqual(killed)
      yield* Deferred.succeed(gate, undefined)
      expect(yield* over(life)).toEqual(killed)
    })
  )

  timeless("finds a connection that has just begun", () =>
    Effect.gen(function* () {
      const life = yield* begin(echo)
      life.lifecycle.kill(shutdown)
      yield* over(life)
      expect(life.transport.lastWords).toEqual(["close 1012 server shutting down", "destroy"])
    })
  )
})
