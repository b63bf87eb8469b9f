/**
 * Echoes that trickle, and writers that wait for what is held back.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import type { Connection } from "../../src/connection/Connection.js"
import * as Frame from "../../src/protocol/Frame.js"
import { faulty, type FaultyConnection, numbered, STOPPED } from "../support/faulty.js"
import { timeless } from "../support/timeless.js"

const frame = (text: string): Buffer => Buffer.concat([Frame.header("Text", text.length), Buffer.from(text)])

/** The bytes that went out past the transport. */
const sent = ({ transport }: FaultyConnection): Buffer =>
  Buffer.concat(transport.actions.flatMap((action) => (action._tag === "raw" ? [action.bytes] : [])))

/** The trail, with pieces that follow one another as one. */
const joined = ({ trail }: FaultyConnection): ReadonlyArray<string> =>
  trail
    .join("\n")
    .replaceAll(/(?<=raw [0-9a-f]*)\nraw /g, "")
    .split("\n")

const rawFrames = (...texts: ReadonlyArray<string>): string =>
  `raw ${Buffer.concat(texts.map(frame)).toString("hex")}`

describe("a throttle", () => {
  for (const [rate, size, seconds] of [
    [1000, 998, 10],
    [37, 5, 2],
    [1_048_576, 500_000, 1]
  ] as const) {
    timeless(`holds its rate of ${rate} bytes a second, headers included, at every moment`, () =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=throttle&rate=${rate}`, { highWaterMark: 100_000_000 })
        const text = "x".repeat(size)
        yield* connection.says(...Array<string>(Math.ceil((rate * (seconds + 1)) / size)).fill(text))
        let bytes = 0
        for (let millis = 500; millis <= seconds * 1000; millis += 500) {
          yield* TestClock.adjust(500)
          bytes = sent(connection).length
          expect(bytes).toBeLessThanOrEqual((rate * millis) / 1000)
          // At most a tick behind.
          expect(bytes).toBeGreaterThanOrEqual((rate * (millis - 40)) / 1000 - 1)
        }
        expect(Math.abs(bytes - seconds * rate)).toBeLessThan(0.05 * seconds * rate)
        const whole = Buffer.concat(Array<Buffer>(Math.ceil(bytes / size)).fill(frame(text)))
        expect(sent(connection).equals(whole.subarray(0, bytes))).toBe(true)
      })
    )
  }

  timeless("saves up nothing while nothing is to be sent", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=throttle&rate=100")
      yield* TestClock.adjust("1 hour")
      yield* connection.says("x".repeat(98), "y".repeat(98))
      yield* TestClock.adjust(500)
      expect(sent(connection).length).toBeLessThanOrEqual(50)
      yield* TestClock.adjust(10_000)
      yield* TestClock.adjust("1 hour")
      yield* connection.says("z".repeat(98))
      yield* TestClock.adjust(500)
      expect(sent(connection).length).toBeLessThanOrEqual(250)
    })
  )

  timeless("counts a message when all of it is sent", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=throttle&rate=100")
      yield* connection.says("x".repeat(48), "y".repeat(48), "")
      expect(yield* connection.info).toMatchObject({ messagesOut: 0, bufferedBytes: 96 })
      yield* TestClock.adjust(750)
      expect(yield* connection.info).toMatchObject({ messagesOut: 1, bytesOut: 48, bufferedBytes: 48 })
      yield* TestClock.adjust(500)
      expect(yield* connection.info).toMatchObject({ messagesOut: 3, bytesOut: 96, bufferedBytes: 0 })
      expect(joined(connection)).toEqual([rawFrames("x".repeat(48), "y".repeat(48), "")])
    })
  )

  timeless("lets control frames go out between two frames, and never within one (RFC 6455 section 5.4)", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=throttle&rate=100")
      connection.transport.peerPings("before")
      yield* connection.says("x".repeat(98), "y".repeat(98))
      yield* TestClock.adjust(500)
      connection.transport.peerPings("between")
      yield* TestClock.adjust(400)
      expect(connection.trail).not.toContain("pong between")
      for (let i = 0; i < 16; i++) yield* TestClock.adjust(100)
      connection.transport.peerPings("after")
      expect(joined(connection)).toEqual([
        "pong before",
        rawFrames("x".repeat(98)),
        "pong between",
        rawFrames("y".repeat(98)),
        "pong after"
      ])
    })
  )

  timeless("answers the last of many pings that come within a frame (RFC 6455 section 5.5.3)", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=throttle&rate=100")
      yield* connection.says("x".repeat(98))
      yield* TestClock.adjust(500)
      for (const payload of numbered(1000)) connection.transport.peerPings(payload)
      yield* TestClock.adjust(1000)
      expect(joined(connection)).toEqual([rawFrames("x".repeat(98)), "pong 1000"])
    })
  )

  timeless("waits for a peer that takes nothing, and doesn't make up for it", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=throttle&rate=100")
      yield* connection.says("x".repeat(998))
      yield* TestClock.adjust(500)
      connection.transport.block()
      yield* TestClock.adjust(20)
      const before = sent(connection).length
      yield* TestClock.adjust(20)
      yield* TestClock.adjust(5000)
      expect(sent(connection).length).toBe(before)
      connection.transport.unblock()
      yield* TestClock.adjust(0)
      yield* TestClock.adjust(500)
      expect(sent(connection).length).toBeGreaterThan(before)
      expect(sent(connection).length).toBeLessThanOrEqual(before + 50)
    })
  )

  timeless(
    "is over at a stop: the rest goes out, what waited for a frame's end, then the Close frame",
    (log) =>
      Effect.gen(function* () {
        const connection = yield* faulty("fault=throttle&rate=100")
        yield* connection.says("x".repeat(98), "yy")
        yield* TestClock.adjust(500)
        connection.transport.peerPings("now")
        yield* connection.stop
        yield* TestClock.adjust("1 hour")
        expect(joined(connection)).toEqual([rawFrames("x".repeat(98)), "pong now", rawFrames("yy"), STOPPED])
        expect(log.lines.at(-1)).toMatchObject({ reason: "StopSignal", messagesOut: 2, bytesOut: 100 })
      })
  )

  timeless("ends with the connection when the peer vanishes within a frame", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=throttle&rate=100")
      yield* connection.says("x".repeat(98), "yy")
      yield* TestClock.adjust(500)
      connection.transport.socketCloses()
      yield* TestClock.adjust("1 hour")
      expect(log.lines.at(-1)).toMatchObject({ reason: "PeerVanished", messagesIn: 2 })
    })
  )

  timeless("isn't taken for a dead peer: one can't be asked within a frame", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=throttle&rate=50", {
        watch: { heartbeatInterval: 1000, heartbeatTimeout: 400 }
      })
      yield* connection.says("x".repeat(98))
      for (let i = 0; i < 19; i++) yield* TestClock.adjust(100)
      expect(connection.transport.lastWords).toEqual([])
      expect(joined(connection)).toHaveLength(1)
      // Then it can, and doesn't answer.
      for (let i = 0; i < 20; i++) yield* TestClock.adjust(100)
      expect(joined(connection)).toEqual([rawFrames("x".repeat(98)), "ping 1", "reset"])
    })
  )
})

describe("who sends more than the high-water mark", () => {
  /** Sends one message after the other, and counts those that it could. */
  const sender = (text: string) => {
    const state = { count: 0 }
    const handler = (connection: Connection) =>
      Effect.forever(
        Effect.zipRight(
          connection.send(text),
          Effect.sync(() => state.count++)
        )
      )
    return { state, handler }
  }

  for (const query of ["fault=delay&time=1s", "fault=throttle&rate=1KiB", "fault=stall"]) {
    for (const text of ["x".repeat(100), ""]) {
      timeless(`waits for what is held back, empty or not: ${query}, ${text.length} bytes each`, () =>
        Effect.gen(function* () {
          const { handler, state } = sender(text)
          const connection = yield* faulty(query, { handler, highWaterMark: 10_000 })
          yield* TestClock.adjust(0)
          const { count } = state
          expect(count).toBeGreaterThan(0)
          // Of empty ones a great many: they weigh little, and a delay has many under way.
          expect(count).toBeLessThanOrEqual(text === "" ? 10_001 : 101)
          yield* TestClock.adjust(999)
          if (query !== "fault=throttle&rate=1KiB") expect(state.count).toBe(count)
          yield* TestClock.adjust(1)
          yield* TestClock.adjust(0)
          if (query === "fault=stall") expect(state.count).toBe(count)
          else expect(state.count).toBeGreaterThan(count)
          yield* connection.stop
          expect(connection.trail.at(-1)).toBe(STOPPED)
        })
      )
    }
  }

  timeless("doesn't wait where nothing is held back", () =>
    Effect.gen(function* () {
      let isDone = false
      yield* faulty("fault=mute", {
        highWaterMark: 10,
        handler: (connection) =>
          Effect.zipRight(
            Effect.repeatN(connection.send("x".repeat(100)), 99),
            Effect.sync(() => {
              isDone = true
            })
          )
      })
      expect(isDone).toBe(true)
    })
  )
})
