/**
 * Echoes that are late, left out or sent twice, and what of it is left to chance.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { faulty, numbered, STOPPED } from "../support/faulty.js"
import { timeless } from "../support/timeless.js"

describe("a delay", () => {
  timeless("counts from each message's own time: they don't add up", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=delay&time=100ms")
      yield* connection.says("a")
      yield* TestClock.adjust(30)
      yield* connection.says("b")
      yield* connection.says("c")
      yield* TestClock.adjust(69)
      expect(connection.trail).toEqual([])
      yield* TestClock.adjust(1)
      expect(connection.trail).toEqual(["write a"])
      yield* TestClock.adjust(29)
      expect(connection.trail).toEqual(["write a"])
      yield* TestClock.adjust(1)
      expect(connection.trail).toEqual(["write a", "write b c"])
    })
  )

  timeless("holds up no pong", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=delay&time=100ms")
      yield* connection.says("a")
      connection.transport.peerPings("now")
      expect(connection.trail).toEqual(["pong now"])
    })
  )

  timeless("counts as sent what has been sent, and as buffered what is held", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=delay&time=100ms")
      yield* connection.says("abc", "de")
      expect(yield* connection.info).toMatchObject({
        messagesIn: 2,
        bytesIn: 5,
        messagesOut: 0,
        bytesOut: 0,
        bufferedBytes: 5,
        state: "open"
      })
      yield* TestClock.adjust(100)
      expect(yield* connection.info).toMatchObject({ messagesOut: 2, bytesOut: 5, bufferedBytes: 0 })
    })
  )

  /** How late each of 20 messages is that come 20 ms apart, to 10 ms. */
  const lateness = (query: string) =>
    Effect.gen(function* () {
      const connection = yield* faulty(query)
      const late: Array<number> = []
      for (let now = 0; now < 550; now += 10) {
        if (now % 20 === 0 && now < 400) connection.transport.deliver(String(now / 20))
        yield* TestClock.adjust(10)
        while (late.length < connection.transport.written.length) late.push(now + 10 - late.length * 20)
      }
      expect(connection.transport.written).toEqual(numbered(20, 0))
      return late
    })

  timeless("with jitter is more or less, in order, and repeats exactly with a seed", () =>
    Effect.gen(function* () {
      const late = yield* lateness("fault=delay&time=100ms&jitter=60ms&seed=1")
      for (const one of late) {
        expect(one).toBeGreaterThanOrEqual(40)
        expect(one).toBeLessThanOrEqual(170)
      }
      expect(Math.min(...late)).toBeLessThan(85)
      expect(Math.max(...late)).toBeGreaterThan(140)
      expect(yield* lateness("fault=delay&time=100ms&jitter=60ms&seed=1")).toEqual(late)
      expect(yield* lateness("fault=delay&time=100ms&jitter=60ms&seed=2")).not.toEqual(late)
    })
  )

  timeless("is over at a stop: what was held goes out, then the Close frame", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=delay&time=1h")
      yield* connection.says("a", "b")
      yield* connection.says("c")
      yield* connection.stop
      yield* TestClock.adjust("2 hours")
      expect(connection.trail).toEqual(["write a b c", STOPPED])
      expect(log.lines.at(-1)).toMatchObject({ reason: "StopSignal", messagesOut: 3, bytesOut: 3 })
    })
  )

  timeless("is over at the peer's Close frame, too", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=delay&time=1h")
      connection.transport.deliver("a")
      connection.transport.peerCloses(4002, "bye")
      yield* TestClock.adjust(0)
      expect(connection.trail).toEqual(["write a", "close 4002 bye"])
      expect(log.lines.at(-1)).toMatchObject({ reason: "PeerClosed", code: 4002, messagesOut: 1 })
    })
  )

  timeless("ends with the connection when the peer vanishes", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=delay&time=1h")
      yield* connection.says("a")
      connection.transport.socketCloses()
      yield* TestClock.adjust("2 hours")
      expect(connection.trail.filter((line) => line.startsWith("close"))).toEqual([])
      expect(log.lines.at(-1)).toMatchObject({ reason: "PeerVanished", code: null, messagesIn: 1 })
    })
  )
})

const MESSAGES = 10_000

/** Sends many messages, and tells what came back. */
const echoes = (query: string) =>
  Effect.gen(function* () {
    const connection = yield* faulty(query)
    yield* connection.says(...numbered(MESSAGES))
    const { messagesIn, messagesOut } = yield* connection.info
    const { written } = connection.transport
    expect(messagesIn).toBe(MESSAGES)
    expect(messagesOut).toBe(written.length)
    return written
  })

/** Three standard deviations of a count of what happens with this chance. */
const tolerance = (rate: number): number => 3 * Math.sqrt(MESSAGES * rate * (1 - rate))

for (const [fault, sign] of [
  ["drop", -1],
  ["duplicate", 1]
] as const) {
  describe(fault, () => {
    for (const rate of [0.01, 0.25, 0.9]) {
      timeless(`hits its rate of ${rate}`, () =>
        Effect.gen(function* () {
          for (const seed of [1, 2 ** 40 + 1]) {
            const written = yield* echoes(`fault=${fault}&rate=${rate}&seed=${seed}`)
            const hits = sign * (written.length - MESSAGES)
            expect(Math.abs(hits - MESSAGES * rate)).toBeLessThan(tolerance(rate))
          }
        })
      )
    }

    timeless("hits nothing with a rate of 0, and all with 1", () =>
      Effect.gen(function* () {
        expect(yield* echoes(`fault=${fault}&rate=0`)).toEqual(numbered(MESSAGES))
        const all = numbered(MESSAGES).flatMap((text) => (fault === "drop" ? [] : [text, text]))
        expect(yield* echoes(`fault=${fault}&rate=1`)).toEqual(all)
      })
    )

    timeless("keeps the order, and repeats exactly with a seed and no other", () =>
      Effect.gen(function* () {
        const query = `fault=${fault}&rate=0.5`
        const written = yield* echoes(`${query}&seed=7`)
        expect(written).toEqual([...written].sort((a, b) => Number(a) - Number(b)))
        expect(yield* echoes(`${query}&seed=7`)).toEqual(written)
        // Those that differ only in their high bits, too.
        for (const seed of [8, 7 + 2 ** 32, 7 + 2 ** 52]) {
          expect(yield* echoes(`${query}&seed=${seed}`)).not.toEqual(written)
        }
      })
    )
  })
}

describe("a seed", () => {
  for (const query of ["fault=drop&rate=0.5", "fault=duplicate&rate=0.5"]) {
    timeless(`that wasn't given is drawn, and the log tells which, so that it can be: ${query}`, (log) =>
      Effect.gen(function* () {
        const first = yield* faulty(query)
        const second = yield* faulty(query)
        for (const connection of [first, second]) {
          yield* connection.says(...numbered(100))
          yield* connection.stop
        }
        const seeds = log.lines.flatMap(({ message, seed }) =>
          message === "connection closed" ? [seed] : []
        )
        expect(seeds).toHaveLength(2)
        expect(seeds[0]).not.toBe(seeds[1])
        const again = yield* faulty(`${query}&seed=${String(seeds[0])}`)
        yield* again.says(...numbered(100))
        expect(again.transport.written).toEqual(first.transport.written)
        expect(again.transport.written).not.toEqual(second.transport.written)
      })
    )
  }

  timeless("is drawn for jitter, and shown", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=delay&time=1s&jitter=100ms")
      yield* connection.stop
      expect(log.lines.at(-1)).toMatchObject({ fault: "delay", seed: expect.any(Number) })
    })
  )

  timeless("that was given is shown", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=drop&rate=0.5&seed=42")
      yield* connection.stop
      expect(log.lines.at(-1)).toMatchObject({ fault: "drop", seed: 42 })
    })
  )

  timeless("isn't shown where nothing is left to chance", (log) =>
    Effect.gen(function* () {
      for (const query of ["fault=delay&time=1s", "fault=throttle&rate=1", "fault=mute", "fault=stall"]) {
        const connection = yield* faulty(query)
        yield* connection.stop
        expect(log.lines.at(-1)).not.toHaveProperty("seed")
      }
    })
  )
})

describe("echoes that are left out or sent twice", () => {
  for (const [query, written] of [
    ["fault=drop&rate=1", []],
    ["fault=duplicate&rate=1", ["a", "a", "b", "b"]]
  ] as const) {
    timeless(`are so to the last, though the connection is ending: ${query}`, () =>
      Effect.gen(function* () {
        const closed = yield* faulty(query)
        closed.transport.deliver("a", "b")
        closed.transport.peerCloses(1000)
        yield* TestClock.adjust(0)
        expect(closed.transport.written).toEqual(written)
        const stopped = yield* faulty(query)
        stopped.transport.deliver("a", "b")
        yield* stopped.stop
        expect(stopped.transport.written).toEqual(written)
      })
    )
  }

  timeless("are counted as they are on the wire", (log) =>
    Effect.gen(function* () {
      const dropped = yield* faulty("fault=drop&rate=1")
      yield* dropped.says("abc")
      yield* dropped.stop
      expect(log.lines.at(-1)).toMatchObject({ messagesIn: 1, bytesIn: 3, messagesOut: 0, bytesOut: 0 })
      const doubled = yield* faulty("fault=duplicate&rate=1")
      yield* doubled.says("abc")
      yield* doubled.stop
      expect(log.lines.at(-1)).toMatchObject({ messagesIn: 1, bytesIn: 3, messagesOut: 2, bytesOut: 6 })
    })
  )
})
