/**
 * Many deadlines, one timer.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FC from "effect/FastCheck"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Deadlines from "../../src/connection/Deadlines.js"
import { settle, timeless } from "../support/timeless.js"

/** In milliseconds. */
const TIMEOUT = 1000

describe("a deadline", () => {
  timeless("falls due when its time is over, not earlier, and once", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make(Duration.millis(TIMEOUT))
      let calls = 0
      deadlines.set(() => calls++)
      yield* TestClock.adjust(TIMEOUT - 1)
      expect(calls).toBe(0)
      yield* TestClock.adjust(1)
      expect(calls).toBe(1)
      yield* TestClock.adjust(10 * TIMEOUT)
      expect(calls).toBe(1)
    })
  )

  timeless("falls due at its own time, also next to others", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make(Duration.millis(TIMEOUT))
      const calls: Array<string> = []
      for (const name of ["first", "second", "third"]) {
        deadlines.set(() => calls.push(name))
        yield* TestClock.adjust(1)
      }
      yield* TestClock.adjust(TIMEOUT - 3)
      expect(calls).toEqual(["first"])
      yield* TestClock.adjust(1)
      expect(calls).toEqual(["first", "second"])
      yield* TestClock.adjust(1)
      expect(calls).toEqual(["first", "second", "third"])
    })
  )

  timeless("that is cancelled doesn't fall due, and those around it do", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make(Duration.millis(TIMEOUT))
      const calls: Array<string> = []
      const [first, , third] = ["first", "second", "third", "fourth"].map((name) =>
        deadlines.set(() => calls.push(name))
      )
      first?.cancel()
      yield* TestClock.adjust(TIMEOUT - 1)
      third?.cancel()
      third?.cancel()
      yield* TestClock.adjust(1)
      expect(calls).toEqual(["second", "fourth"])
    })
  )

  timeless("that is set after all others were cancelled has its whole time", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make(Duration.millis(TIMEOUT))
      let calls = 0
      const other = deadlines.set(() => calls++)
      yield* settle
      other.cancel()
      yield* TestClock.adjust(TIMEOUT / 2)
      deadlines.set(() => calls++)
      yield* TestClock.adjust(TIMEOUT - 1)
      expect(calls).toBe(0)
      yield* TestClock.adjust(1)
      expect(calls).toBe(1)
    })
  )

  timeless("can be set when another falls due", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make(Duration.millis(TIMEOUT))
      const calls: Array<string> = []
      deadlines.set(() => {
        calls.push("first")
        deadlines.set(() => calls.push("second"))
      })
      yield* TestClock.adjust(2 * TIMEOUT - 1)
      expect(calls).toEqual(["first"])
      yield* TestClock.adjust(1)
      expect(calls).toEqual(["first", "second"])
    })
  )

  timeless("shares one timer with all others", () =>
    Effect.gen(function* () {
      const deadlines = yield* Deadlines.make(Duration.millis(TIMEOUT))
      const before = Chunk.size(yield* TestClock.sleeps())
      for (let count = 0; count < 10; count++) {
        deadlines.set(() => {})
        yield* TestClock.adjust(1)
      }
      expect(Chunk.size(yield* TestClock.sleeps()) - before).toBe(1)
    })
  )

  timeless("goes with the scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const deadlines = yield* Scope.extend(Deadlines.make(Duration.millis(TIMEOUT)), scope)
      let calls = 0
      deadlines.set(() => calls++)
      yield* settle
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(2 * TIMEOUT)
      expect(calls).toBe(0)
    })
  )

  it.effect.prop(
    "falls due at its time, or is cancelled, whatever others do",
    [
      FC.array(
        FC.record({
          wait: FC.integer({ min: 0, max: 700 }),
          cancelAfter: FC.option(FC.integer({ min: 0, max: 1500 }), { nil: undefined })
        }),
        { minLength: 1, maxLength: 5 }
      )
    ],
    ([plans]) =>
      Effect.scoped(
        Effect.gen(function* () {
          const deadlines = yield* Deadlines.make(Duration.millis(TIMEOUT))
          const calls: Array<readonly [number, number]> = []
          const expected: Array<readonly [number, number]> = []
          const clock = yield* Effect.clock
          let now = 0
          for (const [index, { cancelAfter, wait }] of plans.entries()) {
            now += wait
            yield* TestClock.adjust(wait)
            const { cancel } = deadlines.set(() => calls.push([index, clock.unsafeCurrentTimeMillis()]))
            // In the moment in which it falls due either could come first: that is left out.
            if (cancelAfter === undefined || cancelAfter === TIMEOUT) expected.push([index, now + TIMEOUT])
            else {
              if (cancelAfter > TIMEOUT) expected.push([index, now + TIMEOUT])
              yield* Effect.forkScoped(Effect.delay(Effect.sync(cancel), cancelAfter))
            }
          }
          yield* TestClock.adjust(3 * TIMEOUT)
          expect(calls).toEqual(expected)
        })
      ),
    { fastCheck: { numRuns: 20 } }
  )
})
