/**
 * What a run has shown, for a person and for a program.
 */
import { type Ending, inWords, inWordsOf, kindOf } from "./Ending.js"
import { inMillis, type Seen } from "./Expectation.js"
import type { Bucket } from "./RoundTrips.js"

/** All that a run has shown. */
export interface Result extends Seen {
  readonly url: string
  readonly durationMs: number
  readonly buckets: ReadonlyArray<Bucket>
  readonly unmet: ReadonlyArray<string>
  readonly exitCode: number
}

const FULL = 40

const bars = (buckets: ReadonlyArray<Bucket>): ReadonlyArray<string> => {
  const most = Math.max(...buckets.map(({ count }) => count))
  const label = ({ from, to }: Bucket): string => `${Number(from.toFixed(3))} - ${Number(to.toFixed(3))} ms`
  const width = Math.max(...buckets.map((bucket) => label(bucket).length))
  return buckets.map((bucket) => {
    const bar = "#".repeat(Math.ceil((bucket.count / most) * FULL))
    return `  ${label(bucket).padStart(width)}  ${bar} ${bucket.count}`
  })
}

const BLOCKS = "▁▂▃▄▅▆▇█"

/** The histogram in one line. */
export const sparkline = (buckets: ReadonlyArray<Bucket>): string => {
  const most = Math.max(1, ...buckets.map(({ count }) => count))
  return buckets
    .map(({ count }) => (count === 0 ? " " : (BLOCKS[Math.ceil((count / most) * BLOCKS.length) - 1] ?? "")))
    .join("")
}

const time = (millis: number | undefined): string => (millis === undefined ? "-" : inMillis(millis))

/** One line each of how it ended, and what that means. */
export const endingLines = (ending: Ending): ReadonlyArray<string> => {
  const { meaning, what } = inWordsOf(ending)
  return [`ended: ${what}`, `       ${meaning}`]
}

/** The summary at the end. */
export const summary = (result: Result): ReadonlyArray<string> => {
  const { buckets, counts, durationMs, handshake, reconnects, roundTrips, unmet, url } = result
  const odd = [
    [counts.duplicates, "duplicated"],
    [counts.changed, "changed"],
    [counts.outOfOrder, "out of order"],
    [counts.others, "of other messages"]
  ] as const
  const tallies = [
    `${counts.sent} sent`,
    `${counts.echoes} echoed`,
    `${counts.lost} lost`,
    ...odd.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`),
    ...(reconnects > 0 ? [`${reconnects} reconnects`] : []),
    ...(handshake === undefined ? [] : [`handshake ${inMillis(handshake)}`]),
    inWords(durationMs)
  ]
  const { max, mean, min, p50, p90, p99 } = roundTrips
  const trips = `round trip: min ${time(min)}, mean ${time(mean)}, p50 ${time(p50)}, p90 ${time(p90)}, p99 ${time(p99)}, max ${time(max)}`
  return [
    `--- ${url}`,
    tallies.join(", "),
    ...(buckets.length === 0 ? [] : [trips, ...bars(buckets)]),
    ...unmet.map((text) => `not as expected: ${text}`)
  ]
}

/** The document of `--json`. */
export const json = (result: Result): string => {
  const { buckets, counts, durationMs, ending, exitCode, handshake, reconnects, roundTrips, unmet, url } =
    result
  const { _tag, ...details } = ending
  const rounded = (millis: number | undefined) =>
    millis === undefined ? null : Math.round(millis * 1000) / 1000
  return JSON.stringify({
    url,
    ok: unmet.length === 0,
    exitCode,
    unmet,
    ending: { kind: kindOf(ending), ...details, ...inWordsOf(ending) },
    ...counts,
    reconnects,
    durationMs: rounded(durationMs),
    handshakeMs: rounded(handshake),
    roundTripMs: {
      ...Object.fromEntries(Object.entries(roundTrips).map(([name, value]) => [name, rounded(value)])),
      buckets
    }
  })
}
