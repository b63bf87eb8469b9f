/**
 * The figures of round trips.
 */
import * as FC from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { RoundTrips } from "../../src/probe/RoundTrips.js"

const roundTrips = (...all: ReadonlyArray<number>): RoundTrips => {
  const trips = new RoundTrips()
  for (const millis of all) trips.record(millis)
  return trips
}

describe("round trips", () => {
  it("have no figures when there were none", () => {
    const { buckets, last, summary } = roundTrips()
    expect({ buckets, last }).toEqual({ buckets: [], last: undefined })
    expect(Object.values(summary)).toEqual(Array.from({ length: 7 }, () => undefined))
  })

  it("stand in buckets of 1, 2 and 5, those between with nothing in them", () => {
    expect(roundTrips(0.3, 1, 1.9, 2, 5, 12).buckets).toEqual([
      { from: 0.2, to: 0.5, count: 1 },
      { from: 0.5, to: 1, count: 0 },
      { from: 1, to: 2, count: 2 },
      { from: 2, to: 5, count: 1 },
      { from: 5, to: 10, count: 1 },
      { from: 10, to: 20, count: 1 }
    ])
  })

  it("have a mean and percentiles", () => {
    const { last, summary } = roundTrips(...Array.from({ length: 1000 }, (_, i) => i + 1))
    expect(last).toBe(1000)
    const exact = { min: 1, mean: 500.5, p50: 500, p90: 900, p95: 950, p99: 990, max: 1000 }
    expect(Object.keys(summary)).toEqual(Object.keys(exact))
    for (const [name, value] of Object.entries(exact))
      expect(Object.entries(summary)).toContainEqual([name, expect.closeTo(value, 0)])
  })

  it("take a nanosecond at least", () => {
    expect(roundTrips(0).buckets).toEqual([{ from: 1e-6, to: 2e-6, count: 1 }])
  })

  it("are all in their buckets, and their figures in order, to three digits", () => {
    FC.assert(
      FC.property(FC.array(FC.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1 }), (all) => {
        const { buckets, last, summary } = roundTrips(...all)
        expect(last).toBe(all.at(-1))
        for (const { count, from, to } of buckets) {
          const within = all.filter((millis) => {
            const nanos = Math.round(millis * 1e6)
            return nanos >= Math.round(from * 1e6) && nanos < Math.round(to * 1e6)
          })
          expect(count).toBe(within.length)
        }
        expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(all.length)
        const { max = 0, min = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0 } = summary
        expect([min, p50, p90, p95, p99, max]).toEqual(
          [min, p50, p90, p95, p99, max].toSorted((a, b) => a - b)
        )
        const sorted = all.toSorted((a, b) => a - b)
        const near = (value: number, exact: number): void =>
          expect(Math.abs(value - exact)).toBeLessThanOrEqual(exact * 0.002 + 0.002)
        near(min, sorted[0] ?? 0)
        near(max, sorted.at(-1) ?? 0)
        near(p50, sorted[Math.ceil(sorted.length / 2) - 1] ?? 0)
      })
    )
  })
})
