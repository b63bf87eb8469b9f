/**
 * Connections that their own handlers close, reset, or stop.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { begin, CLOSE_TIMEOUT, over, stopSignal } from "../support/life.js"
import { settle, timeless } from "../support/timeless.js"

const closed = ["stopping StopSignal", "close 4001 bye", "farewell StopSignal", "closed StopSignal"]

describe("a handler that closes its connection", () => {
  timeless("has the Close frame sent at once, behind what it has sent, and goes on", () =>
    Effect.gen(function* () {
      const story: Array<string> = []
      const life = yield* begin((connection) =>
        Effect.gen(function* () {
          yield* connection.send("last")
          yield* connection.close({ code: 4001, reason: "bye" })
          const late = yield* Effect.exit(connection.send("late"))
          story.push(Exit.isFailure(late) ? "too late" : "sent")
          yield* Effect.sleep("1 second")
          story.push("cleaned up")
        })
      )
      yield* settle
      expect(life.trail).toEqual(["write last", ...closed])
      expect(story).toEqual(["too late"])
      yield* TestClock.adjust("1 second")
      expect(yield* over(life)).toEqual(["write last", ...closed])
      expect(story).toEqual(["too late", "cleaned up"])
    })
  )

  timeless("gets no more messages: what it hasn't taken is dropped", () =>
    Effect.gen(function* () {
      const taken: Array<string> = []
      const life = yield* begin((connection) =>
        Stream.runForEach(connection.messages, ({ text }) => {
          taken.push(text)
          return Effect.zipRight(Effect.sleep(1), connection.close({ code: 4001, reason: "bye" }))
        })
      )
      life.transport.deliver("one")
      yield* settle
      life.transport.deliver("two", "three")
      yield* TestClock.adjust(1)
      expect(yield* over(life)).toEqual(closed)
      expect(taken).toEqual(["one"])
    })
  )

  timeless("and doesn't end is interrupted after the close timeout", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) =>
        Effect.zipRight(connection.close({ code: 4001, reason: "bye" }), Effect.never)
      )
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(life.fiber.unsafePoll()).toBe(null)
      yield* TestClock.adjust(1)
      expect(yield* over(life)).toEqual(closed)
    })
  )

  timeless("says 1000 if it says nothing", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) => connection.close())
      expect(yield* over(life)).toContain("close 1000")
    })
  )

  timeless("can't say what may not be said", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) =>
        Effect.gen(function* () {
          for (const options of [{ code: 1006 }, { code: 1005 }, { reason: "x".repeat(124) }])
            yield* connection.send((yield* Effect.flip(connection.close(options)))._tag)
        })
      )
      yield* settle
      expect(life.transport.written).toEqual(["InvalidClose", "InvalidClose", "InvalidClose"])
      yield* over(life)
    })
  )

  timeless("changes nothing if it is stopping already, nor does a stop after it", () =>
    Effect.gen(function* () {
      const late = yield* begin((connection) =>
        Effect.zipRight(connection.stopSignal.await, connection.close({ code: 4001 })).pipe(
          Effect.zipLeft(Stream.runDrain(connection.messages)),
          Effect.uninterruptible
        )
      )
      yield* settle
      late.lifecycle.stop(stopSignal)
      expect(yield* over(late)).toContain("close 4000 enough")
      const early = yield* begin((connection) =>
        connection.close({ code: 4001, reason: "bye" }).pipe(Effect.zipRight(connection.stop({ code: 4002 })))
      )
      expect(yield* over(early)).toEqual(closed)
    })
  )

  timeless("waits for a peer that doesn't answer no longer than the close timeout", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) => connection.close({ code: 4001, reason: "bye" }), {
        answersClose: false
      })
      yield* TestClock.adjust(CLOSE_TIMEOUT)
      expect(yield* over(life)).toEqual([
        "stopping StopSignal",
        "close 4001 bye",
        "farewell StopSignal",
        "destroy",
        "closed StopSignal"
      ])
    })
  )
})

timeless("a handler that resets its connection is interrupted, and its peer gets no Close frame", () =>
  Effect.gen(function* () {
    const story: Array<string> = []
    const life = yield* begin((connection) =>
      Effect.zipRight(connection.send("lost"), connection.reset).pipe(
        Effect.zipRight(Effect.sync(() => story.push("went on"))),
        Effect.zipRight(Effect.never),
        Effect.onInterrupt(() => Effect.sync(() => story.push("interrupted")))
      )
    )
    expect(yield* over(life)).toEqual([
      "write lost",
      "stopping StopSignal",
      "reset",
      "farewell StopSignal",
      "closed StopSignal"
    ])
    expect(story.at(-1)).toBe("interrupted")
  })
)
