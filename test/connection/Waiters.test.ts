/**
 * Fibers that wait for something which a callback will report.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Waiters } from "../../src/connection/Waiters.js"

describe("a waiter", () => {
  it.effect("goes on at the next wake, and so do all others", () =>
    Effect.gen(function* () {
      const waiters = new Waiters(() => false)
      const fibers = yield* Effect.forkAll([waiters.wait, waiters.wait])
      yield* Effect.yieldNow()
      expect(waiters.size).toBe(2)
      waiters.wake()
      yield* Fiber.join(fibers)
      expect(waiters.size).toBe(0)
    })
  )

  it.effect("doesn't wait for what is so by now", () =>
    Effect.gen(function* () {
      yield* new Waiters(() => true).wait
    })
  )

  it.effect("that is interrupted leaves nothing behind, however often that happens", () =>
    Effect.gen(function* () {
      const waiters = new Waiters(() => false)
      for (let i = 0; i < 100; i++) {
        const fiber = yield* Effect.fork(waiters.wait)
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
      }
      expect(waiters.size).toBe(0)
    })
  )
})
