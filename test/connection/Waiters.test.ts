/**
 * Fibers that wait for something which a callback will report.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { waitersFor } from "../../src/connection/Waiters.js"

/** Waiters, and what they wait for. */
const make = () => {
  const state = { isSo: false, outcome: "so" }
  return {
    state,
    waiters: waitersFor(
      () => state.isSo,
      () => Effect.sync(() => state.outcome)
    )
  }
}

describe("a waiter", () => {
  it.effect("goes on when it is so and somebody wakes it, and so do all others", () =>
    Effect.gen(function* () {
      const { state, waiters } = make()
      const fiber = yield* Effect.forkAll([waiters.until, waiters.until, waiters.until])
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      expect(waiters.waiting).toBe(3)
      state.isSo = true
      waiters.wake()
      expect(yield* Fiber.join(fiber)).toEqual(["so", "so", "so"])
      expect(waiters.waiting).toBe(0)
    })
  )

  it.effect("waits on when it is woken and it isn't so", () =>
    Effect.gen(function* () {
      const { state, waiters } = make()
      const fiber = yield* Effect.fork(Effect.all([waiters.until, waiters.until], { concurrency: 2 }))
      for (let i = 0; i < 10; i++) {
        yield* Effect.yieldNow()
        waiters.wake()
      }
      yield* Effect.yieldNow()
      expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
      state.isSo = true
      waiters.wake()
      yield* Fiber.join(fiber)
    })
  )

  it.effect("gets the outcome as it is when it goes on", () =>
    Effect.gen(function* () {
      const { state, waiters } = make()
      const fiber = yield* Effect.fork(waiters.until)
      yield* Effect.yieldNow()
      state.isSo = true
      waiters.wake()
      state.outcome = "so, later"
      expect(yield* Fiber.join(fiber)).toBe("so, later")
    })
  )

  it.effect("doesn't wait for what is so by now", () =>
    Effect.gen(function* () {
      const { state, waiters } = make()
      state.isSo = true
      expect(yield* waiters.until).toBe("so")
    })
  )

  it.effect("isn't missed by a wake that comes as it makes room for another", () =>
    Effect.gen(function* () {
      const { state, waiters } = make()
      const first = yield* Effect.fork(waiters.until)
      yield* Effect.yieldNow()
      // Runs at once: the first is told to wait beside, and hasn't begun to when there is a wake.
      const second = Effect.runFork(waiters.until)
      waiters.wake()
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      state.isSo = true
      waiters.wake()
      expect(yield* Fiber.join(first)).toBe("so")
      expect(yield* Fiber.join(second)).toBe("so")
    })
  )

  it.effect("that is interrupted isn't let go on, and keeps no other from it", () =>
    Effect.gen(function* () {
      const { state, waiters } = make()
      const [first, second, third] = yield* Effect.all([1, 2, 3].map(() => Effect.fork(waiters.until)))
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      if (first === undefined || second === undefined || third === undefined)
        return yield* Effect.die("three")
      yield* Fiber.interrupt(third)
      yield* Fiber.interrupt(first)
      state.isSo = true
      waiters.wake()
      expect(yield* Fiber.join(second)).toBe("so")
    })
  )

  it.effect(
    "that is interrupted leaves no more behind than what goes when the next comes, however often that happens",
    () =>
      Effect.gen(function* () {
        const { waiters } = make()
        for (let i = 0; i < 100; i++) {
          const fiber = yield* Effect.fork(waiters.until)
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
        }
        expect(waiters.waiting).toBeLessThanOrEqual(1)
      })
  )
})
