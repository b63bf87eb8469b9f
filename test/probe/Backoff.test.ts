/**
 * How long the probe waits before it connects again.
 */
import * as FC from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { delay, FIRST, retryAfter } from "../../src/probe/Backoff.js"

const NOW = Date.UTC(2030, 0, 1)

describe("Retry-After", () => {
  it.each([
    [undefined, undefined],
    ["", undefined],
    ["soon", undefined],
    ["1.5.", undefined],
    ["0", 0],
    ["3", 3000],
    ["999999999", 3_600_000],
    ["Tue, 01 Jan 2030 00:00:02 GMT", 2000],
    ["Mon, 31 Dec 2029 23:59:00 GMT", 0],
    ["Wed, 02 Jan 2030 00:00:00 GMT", 3_600_000]
  ])("%j is a wait of %s milliseconds", (text, millis) => {
    expect(retryAfter(text, NOW)).toBe(millis)
  })

  it("is never a wait below zero or of more than an hour, whatever it says", () => {
    FC.assert(
      FC.property(FC.oneof(FC.string(), FC.integer().map(String), FC.date().map(String)), (text) => {
        const millis = retryAfter(text, NOW)
        if (millis !== undefined)
          expect(millis).toSatisfy((millis: number) => millis >= 0 && millis <= 3_600_000)
      })
    )
  })
})

describe("the back-off", () => {
  it("doubles from one attempt to the next, up to the most that is allowed", () => {
    const most = (attempt: number): number => delay(attempt, { maxDelay: 5000, random: 1 })
    expect([1, 2, 3, 4, 5, 6, 1e9].map(most)).toEqual([FIRST, 1000, 2000, 4000, 5000, 5000, 5000])
  })

  it("lies anywhere from nothing to that, behind what the server asks for", () => {
    FC.assert(
      FC.property(
        FC.integer({ min: 1, max: 1e6 }),
        FC.integer({ min: 1, max: 2 ** 31 }),
        FC.double({ min: 0, max: 1, noNaN: true }),
        FC.option(FC.integer({ min: 0, max: 3_600_000 }), { nil: undefined }),
        (attempt, maxDelay, random, asked) => {
          const wait = delay(attempt, { maxDelay, random, retryAfter: asked })
          expect(wait).toBeGreaterThanOrEqual(asked ?? 0)
          expect(wait - (asked ?? 0)).toBeLessThanOrEqual(Math.min(maxDelay, FIRST * 2 ** (attempt - 1)))
        }
      )
    )
    expect(delay(3, { maxDelay: 30_000, random: 0 })).toBe(0)
    expect(delay(3, { maxDelay: 30_000, random: 0.5, retryAfter: 10_000 })).toBe(11_000)
  })
})
