/**
 * Ids: unique, and sorted in the order of opening.
 */
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as ConnectionId from "../../src/protocol/ConnectionId.js"

/** Today, roughly: what the clock of a server says. */
const NOW = 1_764_000_000_000

const sorted = (ids: ReadonlyArray<string>) => [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))

describe("the ids of connections", () => {
  it("sort as strings in the order in which they were made", () => {
    const next = ConnectionId.source(ConnectionId.tagOf(0.5))
    const ids = [NOW, NOW, NOW + 1, NOW + 36, NOW + 36, NOW + 1_000_000].map(next)
    expect(ids).toEqual(sorted(ids))
  })

  it("sort when many are made within a millisecond", () => {
    const next = ConnectionId.source(ConnectionId.tagOf(0.5))
    const ids = Array.from({ length: 5000 }, () => next(NOW))
    expect(ids).toEqual(sorted(ids))
    expect(new Set(ids).size).toBe(5000)
  })

  it("sort, and differ, when the clock is set back", () => {
    const next = ConnectionId.source(ConnectionId.tagOf(0.5))
    const ids = [NOW, NOW + 10, NOW - 3_600_000, NOW - 3_600_000, NOW + 10, NOW + 11].map(next)
    expect(ids).toEqual(sorted(ids))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it("count anew in each millisecond, so that the count never outgrows its place", () => {
    const next = ConnectionId.source(ConnectionId.tagOf(0.5))
    const [first, , last] = [NOW, NOW, NOW + 1].map((now) => next(now).slice(9))
    expect(last).toBe(first)
  })

  it("are lower case letters and digits, all of one length: a path and a log can carry them", () => {
    const ids = [0, NOW, 36 ** 9 - 1].flatMap((now) =>
      [0, 0.5, 0.999_999_999].map((r) => ConnectionId.source(ConnectionId.tagOf(r))(now))
    )
    for (const id of ids) expect(id).toMatch(/^[0-9a-z]{20}$/)
  })

  it("differ between servers that make them in the same millisecond", () => {
    const [one, other] = [
      ConnectionId.source(ConnectionId.tagOf(0.25)),
      ConnectionId.source(ConnectionId.tagOf(0.75))
    ]
    expect(one(NOW)).not.toBe(other(NOW))
    expect(one(NOW)).not.toBe(other(NOW))
  })

  it.prop(
    "are unique and sorted, whatever the clock says",
    [
      FC.array(FC.integer({ min: 0, max: 2 * NOW }), { maxLength: 200 }),
      FC.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    ],
    ([times, random]) => {
      const ids = times.map(ConnectionId.source(ConnectionId.tagOf(random)))
      expect(ids).toEqual(sorted(ids))
      expect(new Set(ids).size).toBe(ids.length)
    }
  )
})
