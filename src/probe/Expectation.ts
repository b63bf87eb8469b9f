/**
 * What a run of the probe is expected to show (`--expect`), and whether it did.
 */
import type { Value } from "../config/Value.js"
import * as Duration from "effect/Duration"
import * as Values from "../config/Value.js"
import { type Ending, inWords, type Kind, kindOf, kinds } from "./Ending.js"
import type { Counts } from "./Ledger.js"
import type { Summary } from "./RoundTrips.js"

/** What was seen in a run. */
export interface Seen {
  /** The last ending. */
  readonly ending: Ending
  readonly counts: Counts
  /** In milliseconds. */
  readonly roundTrips: Summary
  /** Of the last connection, in milliseconds. */
  readonly handshake: number | undefined
  readonly reconnects: number
}

const operators = {
  "<=": (a: number, b: number) => a <= b,
  ">=": (a: number, b: number) => a >= b,
  "=": (a: number, b: number) => a === b,
  "<": (a: number, b: number) => a < b,
  ">": (a: number, b: number) => a > b
} as const

type Operator = keyof typeof operators

const counted: Readonly<Record<string, (seen: Seen) => number>> = {
  sent: ({ counts }) => counts.sent,
  echoes: ({ counts }) => counts.echoes,
  lost: ({ counts }) => counts.lost,
  duplicates: ({ counts }) => counts.duplicates,
  changed: ({ counts }) => counts.changed,
  "out-of-order": ({ counts }) => counts.outOfOrder,
  reconnects: ({ reconnects }) => reconnects
}

const timed: Readonly<Record<string, (seen: Seen) => number | undefined>> = {
  handshake: ({ handshake }) => handshake,
  min: ({ roundTrips }) => roundTrips.min,
  mean: ({ roundTrips }) => roundTrips.mean,
  p50: ({ roundTrips }) => roundTrips.p50,
  p90: ({ roundTrips }) => roundTrips.p90,
  p95: ({ roundTrips }) => roundTrips.p95,
  p99: ({ roundTrips }) => roundTrips.p99,
  max: ({ roundTrips }) => roundTrips.max
}

/** One expectation, with the text that a person wrote. */
export type Expectation =
  | {
      readonly _tag: "Ending"
      readonly text: string
      readonly kind: Kind
      /** The codes of `close`, or the statuses of `refused`, if not any. */
      readonly range: readonly [from: number, to: number] | undefined
    }
  | {
      readonly _tag: "Measure"
      readonly text: string
      readonly name: string
      readonly operator: Operator
      /** A count, or milliseconds. */
      readonly value: number
    }

/** Endings that can be expected: `interrupted` can't. */
const endings: ReadonlyArray<Kind> = Object.values(kinds).filter((kind) => kind !== "interrupted")

/** 1005 stands for a Close frame without a code; these stand for none. */
const NEVER_SENT = new Set([1006, 1015])

const readEnding = (text: string): Expectation | undefined => {
  const [, kind, from, to = from] = /^([a-z-]+)(?:=(\d{3,4})(?:-(\d{3,4}))?)?$/.exec(text) ?? []
  const found = endings.find((known) => known === kind)
  if (found === undefined) return undefined
  if (from === undefined) return { _tag: "Ending", text, kind: found, range: undefined }
  const digits = found === "close" ? 4 : found === "refused" ? 3 : 0
  const range = [Number(from), Number(to)] as const
  if (from.length !== digits || to?.length !== digits || range[0] > range[1]) return undefined
  // No peer can be seen to send one of those, and who expects it would wait for ever (RFC 6455 section 7.4.1).
  if (found === "close" && from === to && NEVER_SENT.has(range[0])) return undefined
  return { _tag: "Ending", text, kind: found, range }
}

const readMeasure = (text: string): Expectation | undefined => {
  const [, name = "", written = "", amount = ""] = /^([a-z0-9-]+)(<=|>=|=|<|>)(.+)$/.exec(text) ?? []
  const operator = Object.keys(operators).find((known): known is Operator => known === written)
  if (operator === undefined) return undefined
  if (Object.hasOwn(counted, name)) {
    return /^\d{1,15}$/.test(amount)
      ? { _tag: "Measure", text, name, operator, value: Number(amount) }
      : undefined
  }
  const time = Object.hasOwn(timed, name) ? Values.duration.read(amount) : undefined
  return time === undefined
    ? undefined
    : { _tag: "Measure", text, name, operator, value: Duration.toMillis(time) }
}

/** How an expectation is written. */
export const expectation: Value<Expectation> = {
  placeholder: "WHAT",
  accepts: `an ending (${endings.join(", ")}), close=1001, close=1000-1003 (1006 is never sent: eof or reset), refused=503, or a measure with =, <, <=, > or >=: ${Object.keys(counted).join(", ")} with a number, ${Object.keys(timed).join(", ")} with a duration such as 50ms`,
  read: (text) => readEnding(text) ?? readMeasure(text)
}

/** What is expected when nothing is given: all echoes, once and unchanged, and an end by the probe itself. */
export const byDefault: ReadonlyArray<Expectation> = [
  { _tag: "Ending", text: "open", kind: "open", range: undefined },
  ...["lost", "duplicates", "changed", "out-of-order"].map((name): Expectation => ({
    _tag: "Measure",
    text: `${name}=0`,
    name,
    operator: "=",
    value: 0
  }))
]

const numberOf = (ending: Ending): number | undefined =>
  ending._tag === "Close" ? ending.code : ending._tag === "Refused" ? ending.status : undefined

const isLike = (ending: Ending, expected: Extract<Expectation, { _tag: "Ending" }>): boolean => {
  if (kindOf(ending) !== expected.kind) return false
  const number = numberOf(ending)
  if (expected.range === undefined || number === undefined) return true
  return number >= expected.range[0] && number <= expected.range[1]
}

const endingsOf = (all: ReadonlyArray<Expectation>) =>
  all.filter((one): one is Extract<Expectation, { _tag: "Ending" }> => one._tag === "Ending")

/** Whether the expectations name this ending. */
export const namesEnding = (all: ReadonlyArray<Expectation>, ending: Ending): boolean =>
  endingsOf(all).some((expected) => isLike(ending, expected))

/** Whether the expectations name an ending that the probe doesn't bring about itself, and so has to wait for. */
export const awaitsEnding = (all: ReadonlyArray<Expectation>): boolean =>
  endingsOf(all).some(({ kind }) => kind !== "open" && kind !== "unanswered")

const describeEnding = (ending: Ending): string => {
  const number = numberOf(ending)
  return number === undefined ? kindOf(ending) : `${kindOf(ending)}=${number}`
}

/**
 * Says what isn't as expected, one line each. One of the endings must have come: `open` if none is named. Every
 * measure must hold.
 */
export const unmet = (all: ReadonlyArray<Expectation>, seen: Seen): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const named = endingsOf(all)
  const expected = named.length === 0 ? endingsOf(byDefault) : named
  if (!namesEnding(expected, seen.ending)) {
    problems.push(
      `expected ${expected.map(({ text }) => text).join(" or ")}, but it was ${describeEnding(seen.ending)}`
    )
  }
  for (const one of all) {
    if (one._tag === "Ending") continue
    const isTime = Object.hasOwn(timed, one.name)
    const value = (counted[one.name] ?? timed[one.name])?.(seen)
    if (value === undefined) problems.push(`expected ${one.text}, but nothing was measured`)
    else if (!operators[one.operator](value, one.value)) {
      problems.push(`expected ${one.text}, but it was ${isTime ? inMillis(value) : value}`)
    }
  }
  return problems
}

/** A time that was measured, for a person. */
export const inMillis = (millis: number): string =>
  millis >= 10_000
    ? inWords(millis)
    : `${millis >= 100 ? millis.toFixed(0) : millis >= 10 ? millis.toFixed(1) : millis.toFixed(2)} ms`
