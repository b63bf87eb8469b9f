/**
 * Waiting by the clock that programs have: that of other tests knows no limit.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { later, type Tools } from "../../src/faults/Tools.js"
import { MemoryTransport } from "../support/MemoryTransport.js"

const DAY = 24 * 60 * 60 * 1000

const tools: Tools = {
  inner: new MemoryTransport(),
  highWaterMark: 1,
  elapsed: () => 0,
  run: (effect) => {
    const fiber = Effect.runFork(effect)
    return () => Effect.runFork(Fiber.interruptFork(fiber))
  },
  newSeed: () => 0
}

describe("what is to come later", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
  })

  afterEach(() => {
    vi.useRealTimers()
  })

  it("comes, too, after longer than a timer of Node can last", async () => {
    let count = 0
    later(tools, 60 * DAY, () => count++)
    await vi.advanceTimersByTimeAsync(60 * DAY - 1)
    expect(count).toBe(0)
    await vi.advanceTimersByTimeAsync(1)
    expect(count).toBe(1)
  })
})
