/**
 * What a benchmark makes of its rounds.
 */
import { describe, expect, it } from "vitest"
import * as Figures from "./Figures.js"
import { Script } from "./load/Echoes.js"
import { table } from "./Report.js"

const rounds = (...values: ReadonlyArray<number>) => values.map((cpu) => ({ cpu }))

const outcome: Figures.Outcome = {
  name: "64 B",
  series: [
    { peer: "ws", rounds: rounds(10, 20, 40) },
    { peer: "ours", rounds: rounds(5, 30, 20) }
  ]
}

describe("a figure", () => {
  it("is the median of its rounds", () => {
    expect(Figures.median([3, 1, 2])).toBe(2)
    expect(Figures.median([4, 1, 2, 3])).toBe(2.5)
    expect(Figures.median([])).toBeNaN()
    expect(outcome.series.map((series) => Figures.of(series, "cpu"))).toEqual([20, 20])
  })

  it("is compared with the yardstick's of the same round, so that a slow moment is one for both", () => {
    expect(Figures.ratio(outcome, "ours", "ws", "cpu")).toBe(0.5)
    expect(Figures.ratio(outcome, "ws", "ws", "cpu")).toBe(1)
    expect(Figures.ratio(outcome, "ours", "nobody", "cpu")).toBeNaN()
  })

  it("stands in a table, beside that ratio", () => {
    const columns = [
      { figure: "cpu", title: "CPU, µs", digits: 1, hasRatio: true },
      { figure: "p99", title: "p99, ms", digits: 2 }
    ]
    expect(table([outcome], columns, "ws").split("\n")).toEqual([
      "| case | server | CPU, µs | to ws | p99, ms |",
      "| --- | --- | --: | --: | --: |",
      "| 64 B | ws | 20.0 | 1.00 × | – |",
      "|  | ours | 20.0 | 0.50 × | – |"
    ])
  })
})

describe("what comes back", () => {
  const script = new Script({ frame: Buffer.from("sent"), echo: Buffer.from("echoed") }, 3)

  it("is compared byte for byte, wherever in an echo it begins, and however many there are", () => {
    expect(script.matches(Buffer.from("echoed"), 0)).toBe(true)
    expect(script.matches(Buffer.from("edec"), 4)).toBe(true)
    expect(script.matches(Buffer.from("echoed".repeat(10_922)), 0)).toBe(true)
    expect(script.matches(Buffer.from("echoes"), 0)).toBe(false)
    expect(script.matches(Buffer.from("echoed"), 1)).toBe(false)
    expect(script.matches(Buffer.from(`${"echoed".repeat(10_000)}echo3d`), 0)).toBe(false)
  })

  it("answers messages that are one piece of bytes", () => {
    expect([1, 2, 3].map((count) => script.frames(count).toString())).toEqual([
      "sent",
      "sentsent",
      "sentsentsent"
    ])
  })
})
