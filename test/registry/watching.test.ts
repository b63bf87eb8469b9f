/**
 * What connections are watched for, on a clock of the test's own.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { echo } from "../../src/connection/Echo.js"
import type { MemoryTransport } from "../support/MemoryTransport.js"
import { serve } from "../support/registry.js"
import { timeless } from "../support/timeless.js"

/** How late a look may be, in milliseconds: times are a tenth of usual ones here, and looks are the more frequent. */
const LATE = 500

const pings = (transport: MemoryTransport) => transport.actions.filter(({ _tag }) => _tag === "ping").length

/** Lets time pass in steps, in each of which something happens. */
const during = (millis: number, step: number, happen: () => void) =>
  Effect.repeatN(Effect.zipRight(Effect.sync(happen), TestClock.adjust(step)), Math.round(millis / step) - 1)

describe("the heartbeat", () => {
  const heartbeat = { heartbeatInterval: 2500, heartbeatTimeout: 1000 }

  timeless("pings a quiet peer, and resets one that says nothing more", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo, heartbeat)
      const transport = server.open()
      yield* TestClock.adjust(2500 - 1)
      expect(pings(transport)).toBe(0)
      yield* TestClock.adjust(LATE / 2)
      expect(pings(transport)).toBe(1)
      yield* TestClock.adjust(1000 - LATE / 2)
      expect(transport.lastWords).toEqual([])
      yield* TestClock.adjust(LATE / 2)
      expect(transport.lastWords).toEqual(["reset"])
      expect(yield* server.connections.count).toBe(0)
      expect(log.lines.at(-1)).toMatchObject({ reason: "HeartbeatTimeout", code: null })
    })
  )

  timeless("keeps a peer that answers", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, heartbeat)
      const transport = server.open()
      for (let i = 1; i <= 10; i++) {
        yield* TestClock.adjust(2500 + LATE)
        expect(pings(transport)).toBe(i)
        transport.peerPongs(String(i))
      }
      expect(transport.lastWords).toEqual([])
    })
  )

  timeless("keeps a peer that sends one byte of a frame now and then, and doesn't ping it", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, heartbeat)
      const transport = server.open()
      yield* during(30_000, 2000, () => transport.peerSends(1))
      expect(transport.lastWords).toEqual([])
      expect(pings(transport)).toBe(0)
    })
  )

  timeless("says nothing of a peer that isn't read, since it can't be heard", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, heartbeat)
      const transport = server.open()
      transport.isHeld = true
      yield* TestClock.adjust(30_000)
      expect(transport.actions).toEqual([])
      transport.isHeld = false
      yield* TestClock.adjust(2500 + 1000 + LATE)
      expect(transport.lastWords).toEqual(["reset"])
    })
  )

  timeless("interrupts a handler at once when the peer is dead", () =>
    Effect.gen(function* () {
      let isInterrupted = false
      const busy = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (isInterrupted = true)))
      const server = yield* serve(busy, heartbeat)
      const transport = server.open()
      yield* TestClock.adjust(3500 + LATE)
      expect(isInterrupted).toBe(true)
      expect(transport.lastWords).toEqual(["reset"])
    })
  )
})

describe("the send timeout", () => {
  const stuck = (millis: number) =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { sendTimeout: 3000 })
      const transport = server.open()
      transport.block()
      transport.deliver("more than the high-water mark")
      yield* TestClock.adjust(millis)
      return { server, transport }
    })

  timeless("resets a peer for which the kernel takes nothing", (log) =>
    Effect.gen(function* () {
      const { server, transport } = yield* stuck(3000 - 1)
      expect(transport.lastWords).toEqual([])
      yield* TestClock.adjust(LATE)
      expect(transport.lastWords).toEqual(["reset"])
      expect(yield* server.connections.count).toBe(0)
      expect(log.lines.at(-1)).toMatchObject({ reason: "SlowConsumer", code: null })
    })
  )

  timeless("keeps one for which it takes a byte now and then", () =>
    Effect.gen(function* () {
      const { transport } = yield* stuck(0)
      yield* during(20 * 2900, 2900, () => transport.takes(1))
      expect(transport.lastWords).toEqual([])
      yield* TestClock.adjust(3000 + LATE)
      expect(transport.lastWords).toEqual(["reset"])
    })
  )

  timeless("counts only while something is to be sent", () =>
    Effect.gen(function* () {
      const { transport } = yield* stuck(2900)
      transport.unblock()
      yield* TestClock.adjust(30_000)
      expect(transport.lastWords).toEqual([])
    })
  )
})

describe("the idle timeout", () => {
  const idleTimeout = 6000

  timeless("closes a connection without messages, pings or not", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { idleTimeout })
      const transport = server.open()
      yield* during(5900, 100, () => transport.peerSends(6))
      expect(transport.lastWords).toEqual([])
      yield* TestClock.adjust(100 + LATE)
      expect(transport.lastWords).toEqual(["close 3008 idle timeout"])
      expect(log.lines.at(-1)).toMatchObject({ reason: "IdleTimeout", code: 3008 })
    })
  )

  timeless("counts from the last message that came", () =>
    Effect.gen(function* () {
      const server = yield* serve((connection) => Stream.runDrain(connection.messages), { idleTimeout })
      const transport = server.open()
      yield* during(10 * 5000, 5000, () => transport.deliver("here"))
      expect(transport.lastWords).toEqual([])
      yield* TestClock.adjust(1000 + LATE)
      expect(transport.lastWords).toEqual(["close 3008 idle timeout"])
    })
  )

  timeless("counts from the last message that went", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        (connection) => Effect.ignore(Effect.forever(Effect.delay(connection.send("tick"), 5000))),
        { idleTimeout }
      )
      const transport = server.open()
      yield* TestClock.adjust(50_000)
      expect(transport.lastWords).toEqual([])
      expect(transport.written).toHaveLength(10)
    })
  )

  timeless("doesn't count while messages wait for the handler", () =>
    Effect.gen(function* () {
      const server = yield* serve(
        (connection) => Stream.runForEach(connection.messages, () => Effect.sleep(20_000)),
        { idleTimeout }
      )
      const transport = server.open()
      transport.deliver("one")
      yield* TestClock.adjust(0)
      transport.deliver("two")
      yield* TestClock.adjust(19_900)
      expect(transport.lastWords).toEqual([])
    })
  )
})

describe("the lifetime", () => {
  timeless("ends with 1012, up to a tenth earlier or later, spread over that time", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { maxLifetime: 10_000 })
      const transports = server.openMany(200)
      const closed = () => transports.filter(({ lastWords }) => lastWords.length > 0).length
      yield* TestClock.adjust(9000 - 1)
      expect(closed()).toBe(0)
      const counts: Array<number> = []
      for (let i = 0; i < 10; i++) {
        yield* TestClock.adjust(200)
        counts.push(closed())
      }
      yield* TestClock.adjust(LATE)
      expect(closed()).toBe(200)
      // Evenly, as far as chance allows: 200 in ten parts.
      const parts = counts.map((count, i) => count - (counts[i - 1] ?? 0))
      for (const part of parts) expect(part).toBeGreaterThan(4)
      expect(transports[0]?.lastWords).toEqual(["close 1012 lifetime reached"])
      expect(log.lines.at(-1)).toMatchObject({ reason: "LifetimeReached", code: 1012 })
    })
  )

  timeless("doesn't end many at one moment when it is short", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo, { maxLifetime: 1000 })
      const transports = server.openMany(100)
      const times = new Set<number>()
      let before = 0
      for (let now = 0; now < 1200; now += 10) {
        yield* TestClock.adjust(10)
        const closed = transports.filter(({ lastWords }) => lastWords.length > 0).length
        if (closed > before) times.add(now)
        before = closed
      }
      expect(before).toBe(100)
      expect(times.size).toBeGreaterThanOrEqual(8)
    })
  )
})

describe("a connection that is stopping", () => {
  timeless("has its first reason, whatever is due later", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo, {
        heartbeatInterval: 1000,
        heartbeatTimeout: 1000,
        idleTimeout: 2000,
        maxLifetime: 2000,
        sendTimeout: 1000
      })
      const transport = server.open({ answersClose: false })
      yield* server.connections.stopAll({ code: 4000, reason: "enough" })
      yield* TestClock.adjust(4000)
      expect(transport.lastWords).toEqual(["close 4000 enough"])
      yield* TestClock.adjust(2000)
      expect(log.lines.at(-1)).toMatchObject({ reason: "StopSignal", code: 4000 })
    })
  )
})
