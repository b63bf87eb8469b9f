/**
 * Connections that have gone silent: they say nothing, and still end as they should.
 */
import { describe, expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { faulty, numbered, STOPPED } from "../support/faulty.js"
import { echoWhen } from "../support/life.js"
import type { MemoryTransport } from "../support/MemoryTransport.js"
import { timeless } from "../support/timeless.js"

const heartbeat = { heartbeatInterval: 300, heartbeatTimeout: 300 }

for (const fault of ["stall", "mute"] as const) {
  describe(fault, () => {
    timeless("says nothing: no echo, and no pong", () =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}&after=1msg`)
        yield* connection.says("first", "second")
        connection.transport.peerPings("hello?")
        yield* connection.says("third")
        yield* TestClock.adjust("10 seconds")
        expect(connection.trail).toEqual(["write first"])
        expect(yield* connection.info).toMatchObject({ messagesOut: 1, bytesOut: 5 })
      })
    )

    timeless("isn't ended by the heartbeat, nor pings", () =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}`, { watch: heartbeat })
        yield* TestClock.adjust("3 seconds")
        expect(connection.trail).toEqual([])
      })
    )

    timeless("that comes between a ping and its answer isn't ended by the heartbeat either", () =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}&after=500ms`, { watch: heartbeat })
        yield* TestClock.adjust("3 seconds")
        expect(connection.trail).toEqual(["ping 1"])
      })
    )

    timeless("ends at once at a stop, with a Close frame", (log) =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}&after=1msg`)
        yield* connection.says("first", "second")
        yield* connection.stop
        expect(connection.trail).toEqual(["write first", STOPPED])
        expect(log.lines.map(({ message }) => message)).toEqual([
          "connection interrupted",
          "connection closed"
        ])
        expect(log.lines.at(-1)).toMatchObject({
          reason: "StopSignal",
          code: 4000,
          fault,
          messagesIn: fault === "stall" ? 1 : 2,
          messagesOut: 1
        })
      })
    )

    timeless("is idle at the idle timeout, and as old as others at the end of its life", (log) =>
      Effect.gen(function* () {
        const idle = yield* faulty(`fault=${fault}`, { watch: { idleTimeout: 1000 } })
        yield* TestClock.adjust(1250)
        expect(idle.trail).toEqual(["close 3008 idle timeout"])
        expect(log.lines.at(-1)).toMatchObject({ reason: "IdleTimeout", fault })
        const old = yield* faulty(`fault=${fault}`, { watch: { maxLifetime: 1000 } })
        yield* TestClock.adjust(1250)
        expect(old.trail).toEqual(["close 1012 lifetime reached"])
        expect(log.lines.at(-1)).toMatchObject({ reason: "LifetimeReached", fault })
      })
    )

    timeless("is idle though a message has come that nobody takes", () =>
      Effect.gen(function* () {
        const { trail, transport } = yield* faulty(`fault=${fault}`, { watch: { idleTimeout: 1000 } })
        transport.deliver("unheard")
        yield* TestClock.adjust(1500)
        expect(trail).toEqual(["close 3008 idle timeout"])
      })
    )

    timeless("ends as PeerVanished when TCP breaks", (log) =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}`)
        connection.transport.socketCloses()
        yield* TestClock.adjust(0)
        expect(connection.transport.written).toEqual([])
        expect(log.lines.at(-1)).toMatchObject({ reason: "PeerVanished", code: null, fault })
      })
    )

    for (const [how, end, outcome] of [
      [
        "PeerClosed with its code",
        (transport: MemoryTransport) => transport.peerCloses(4005, "bye"),
        { reason: "PeerClosed", code: 4005 }
      ],
      [
        "PeerClosed with 1005",
        (transport: MemoryTransport) => transport.peerCloses(),
        { reason: "PeerClosed", code: 1005 }
      ],
      [
        "ProtocolError",
        (transport: MemoryTransport) => transport.peerErrs(1002, "bad"),
        { reason: "ProtocolError", code: null }
      ]
    ] as const) {
      timeless(`keeps to itself how the peer ended it, and ends as ${how} when TCP does`, (log) =>
        Effect.gen(function* () {
          const connection = yield* faulty(`fault=${fault}`)
          end(connection.transport)
          yield* TestClock.adjust("1 minute")
          expect(connection.trail).toEqual([])
          expect(log.lines).toEqual([])
          connection.transport.peerVanishes()
          yield* TestClock.adjust(0)
          expect(connection.trail).toEqual(["end"])
          expect(log.lines.at(-1)).toMatchObject({ ...outcome, fault })
        })
      )
    }

    timeless("sends its Close frame at a stop, though the peer's has come and was kept", (log) =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}`)
        connection.transport.peerCloses(1000)
        yield* connection.stop
        expect(connection.trail).toEqual([STOPPED])
        expect(log.lines.at(-1)).toMatchObject({ reason: "StopSignal", code: 4000 })
      })
    )

    timeless("tells the peer's ending when it is replaced, which then counts", (log) =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}`)
        connection.transport.peerCloses(1000, "bye")
        yield* connection.apply("fault=delay&time=1h")
        expect(connection.trail).toEqual(["close 1000 bye"])
        expect(log.lines.at(-1)).toMatchObject({ reason: "PeerClosed", code: 1000 })
      })
    )
  })
}

describe("stall", () => {
  timeless("reads nothing, and shows as stalled", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=stall&after=1msg")
      expect(connection.transport.isHeld).toBe(false)
      expect(yield* connection.info).toMatchObject({ state: "open" })
      yield* connection.says("first", "second")
      expect(connection.transport.isHeld).toBe(true)
      expect(yield* connection.info).toMatchObject({ state: "stalled", messagesIn: 1 })
    })
  )

  timeless("shows as stopping while it is stopped", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=stall", { transport: { answersClose: false } })
      yield* connection.stop
      expect(yield* connection.info).toMatchObject({ state: "stopping" })
      yield* TestClock.adjust(5000)
      expect(connection.trail).toEqual([STOPPED, "destroy"])
    })
  )

  timeless("keeps back what a handler sends, until it is over", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=stall", {
        handler: (connection) =>
          Effect.zipRight(
            Effect.sleep(10),
            Effect.forEach(numbered(3), (text) => connection.send(text))
          ).pipe(Effect.zipRight(Effect.never))
      })
      yield* TestClock.adjust(1000)
      expect(connection.trail).toEqual([])
      expect(yield* connection.info).toMatchObject({ messagesOut: 0, bufferedBytes: 3 })
      yield* connection.stop
      expect(connection.trail).toEqual(["write 1 2 3", STOPPED])
    })
  )

  timeless("notices within about a second that the peer has ended TCP, though it doesn't read", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=stall")
      yield* connection.says("unread")
      connection.transport.isEnded = true
      yield* TestClock.adjust(1000)
      expect(connection.transport.written).toEqual([])
      expect(log.lines.at(-1)).toMatchObject({ reason: "PeerVanished", code: null, messagesIn: 0 })
    })
  )

  timeless("goes on when it is replaced: what waited is read and answered", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=stall")
      yield* connection.says("a", "b")
      yield* connection.apply("fault=duplicate&rate=1")
      expect(connection.transport.isHeld).toBe(false)
      expect(connection.trail).toEqual(["write a a b b"])
      expect(yield* connection.info).toMatchObject({ state: "open" })
    })
  )
})

describe("mute", () => {
  timeless("reads on, and doesn't show", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=mute")
      yield* connection.says(...numbered(1000))
      expect(connection.transport.isHeld).toBe(false)
      expect(yield* connection.info).toMatchObject({
        state: "open",
        messagesIn: 1000,
        messagesOut: 0,
        bytesOut: 0,
        bufferedBytes: 0
      })
    })
  )

  timeless("is as idle as its peer: what comes counts", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=mute", { watch: { idleTimeout: 1000 } })
      for (let i = 0; i < 5; i++) {
        yield* TestClock.adjust(700)
        yield* connection.says("here")
      }
      expect(connection.trail).toEqual([])
      yield* TestClock.adjust(1250)
      expect(connection.trail).toEqual(["close 3008 idle timeout"])
    })
  )

  timeless("leaves without an answer what it has read when it is stopped", (log) =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const connection = yield* faulty("fault=mute", { handler: echoWhen(gate) })
      yield* connection.says("first")
      yield* connection.says("second")
      yield* connection.stop
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(0)
      expect(connection.trail).toEqual([STOPPED])
      expect(log.lines.at(-1)).toMatchObject({ messagesIn: 2, messagesOut: 0 })
    })
  )
})
