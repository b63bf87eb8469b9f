/**
 * What `--expect` takes, and what it makes of a run.
 */
import * as FC from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { Ending, kinds } from "../../src/probe/Ending.js"
import * as Expectation from "../../src/probe/Expectation.js"
import { total } from "../../src/probe/Ledger.js"
import { RoundTrips } from "../../src/probe/RoundTrips.js"

const read = (text: string): Expectation.Expectation => {
  const expectation = Expectation.expectation.read(text)
  if (expectation === undefined) throw new Error(`${text} can't be read`)
  return expectation
}

const nothing: Expectation.Seen = {
  ending: Ending.Open(),
  counts: total([]),
  roundTrips: new RoundTrips().summary,
  handshake: undefined,
  reconnects: 0
}

const refused = (status: number): Ending =>
  Ending.Refused({ status, message: "", retryAfter: undefined, location: undefined })

describe("an expectation", () => {
  it.each([
    "",
    "opened",
    "Open",
    "open ",
    "interrupted",
    "open=1000",
    "reset=1",
    "close=",
    "close=100",
    "close=10000",
    "close=1000-",
    "close=1003-1000",
    "close=1000-99999",
    "close=1006",
    "close=1015",
    "close=1000,1001",
    "refused=50",
    "refused=5000",
    "refused=599-400",
    "lost",
    "lost=",
    "lost=-1",
    "lost=1.5",
    "lost=1ms",
    "lost==1",
    "lost!=1",
    "lost=1234567890123456",
    "p99<50",
    "p99<ms",
    "p99=",
    "p42<50ms",
    "toString=1",
    "constructor<1s"
  ])("%j can't be read", (text) => {
    expect(Expectation.expectation.read(text)).toBeUndefined()
  })

  it("is read for each ending but an interruption, as its own text", () => {
    for (const kind of Object.values(kinds)) {
      if (kind !== "interrupted")
        expect(read(kind)).toEqual({ _tag: "Ending", text: kind, kind, range: undefined })
    }
  })

  it.each([
    ["close=1001", [1001, 1001]],
    ["close=1000-1003", [1000, 1003]],
    ["refused=503", [503, 503]],
    ["refused=400-499", [400, 499]]
  ])("%s has a range", (text, range) => {
    expect(read(text)).toMatchObject({ _tag: "Ending", range })
  })

  it.each([
    ["lost=0", "lost", "=", 0],
    ["echoes>=10", "echoes", ">=", 10],
    ["out-of-order<2", "out-of-order", "<", 2],
    ["p99<=50ms", "p99", "<=", 50],
    ["handshake>1s", "handshake", ">", 1000],
    ["mean<2 seconds", "mean", "<", 2000]
  ])("%s is a measure", (text, name, operator, value) => {
    expect(read(text)).toEqual({ _tag: "Measure", text, name, operator, value })
  })

  it("never breaks on any text", () => {
    FC.assert(FC.property(FC.string(), (text) => void Expectation.expectation.read(text)))
  })
})

describe("a run", () => {
  it("is as expected where a count compares as it should, and says what it was where not", () => {
    const operators = {
      "=": (a: number, b: number) => a === b,
      "<": (a: number, b: number) => a < b,
      "<=": (a: number, b: number) => a <= b,
      ">": (a: number, b: number) => a > b,
      ">=": (a: number, b: number) => a >= b
    }
    const names = {
      sent: "sent",
      echoes: "echoes",
      lost: "lost",
      duplicates: "duplicates",
      changed: "changed",
      "out-of-order": "outOfOrder"
    } as const
    FC.assert(
      FC.property(
        FC.constantFrom(...Object.entries(names)),
        FC.constantFrom(...Object.entries(operators)),
        FC.nat({ max: 5 }),
        FC.nat({ max: 5 }),
        ([name, field], [operator, holds], value, bound) => {
          const seen = { ...nothing, counts: { ...nothing.counts, [field]: value } }
          const text = `${name}${operator}${bound}`
          expect(Expectation.unmet([read(text)], seen)).toEqual(
            holds(value, bound) ? [] : [`expected ${text}, but it was ${value}`]
          )
        }
      )
    )
  })

  it.each(["min", "mean", "p50", "p90", "p95", "p99", "max", "handshake"])("has its %s compared", (name) => {
    const seen = {
      ...nothing,
      handshake: name === "handshake" ? 20 : undefined,
      roundTrips: { ...nothing.roundTrips, [name]: 20 }
    }
    expect(Expectation.unmet([read(`${name}<=20ms`)], seen)).toEqual([])
    expect(Expectation.unmet([read(`${name}<20ms`)], seen)).toEqual([
      `expected ${name}<20ms, but it was 20.0 ms`
    ])
    expect(Expectation.unmet([read(`${name}<20ms`)], nothing)).toEqual([
      `expected ${name}<20ms, but nothing was measured`
    ])
  })

  it("counts its reconnects", () => {
    expect(Expectation.unmet([read("reconnects=2")], { ...nothing, reconnects: 2 })).toEqual([])
    expect(Expectation.unmet([read("reconnects=2")], nothing)).toHaveLength(1)
  })

  it.each([
    [["close"], Ending.Close({ code: 4000, reason: "" }), []],
    [["close=1000-1003"], Ending.Close({ code: 1003, reason: "" }), []],
    [["close=1000-1003"], Ending.Close({ code: 1000, reason: "" }), []],
    [
      ["close=1000-1003"],
      Ending.Close({ code: 1004, reason: "" }),
      ["expected close=1000-1003, but it was close=1004"]
    ],
    [["refused=400-499"], refused(404), []],
    [["refused=503"], refused(502), ["expected refused=503, but it was refused=502"]],
    [["reset", "eof"], Ending.Eof({ detail: undefined }), []],
    [["reset", "eof"], Ending.Open(), ["expected reset or eof, but it was open"]],
    [["lost=0"], Ending.Reset(), ["expected open, but it was reset"]]
  ])("that is expected to be %j, and ends with %j, has %j to be told", (texts, ending, problems) => {
    expect(Expectation.unmet(texts.map(read), { ...nothing, ending })).toEqual(problems)
  })

  it("is by default expected to lose, double, change and reorder nothing, and to end by the probe", () => {
    expect(Expectation.unmet(Expectation.byDefault, nothing)).toEqual([])
    for (const name of ["lost", "duplicates", "changed", "outOfOrder"])
      expect(
        Expectation.unmet(Expectation.byDefault, { ...nothing, counts: { ...nothing.counts, [name]: 1 } })
      ).toHaveLength(1)
    expect(Expectation.unmet(Expectation.byDefault, { ...nothing, ending: Ending.Reset() })).toEqual([
      "expected open, but it was reset"
    ])
  })

  it("waits for endings that the probe doesn't bring about", () => {
    const awaits = (...texts: ReadonlyArray<string>): boolean => Expectation.awaitsEnding(texts.map(read))
    expect([awaits(), awaits("open", "lost=0"), awaits("unanswered")]).toEqual([false, false, false])
    expect([awaits("close=1001"), awaits("open", "reset")]).toEqual([true, true])
  })
})
