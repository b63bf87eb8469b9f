/**
 * Round-trip times: exact counts in buckets for a person to look at, and the percentiles of Node's histogram.
 */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks"

/** Round trips in milliseconds, without any `undefined`. */
export interface Summary {
  readonly min: number | undefined
  readonly mean: number | undefined
  readonly p50: number | undefined
  readonly p90: number | undefined
  readonly p95: number | undefined
  readonly p99: number | undefined
  readonly max: number | undefined
}

/** So many round trips took from `from` to less than `to`, in milliseconds. */
export interface Bucket {
  readonly from: number
  readonly to: number
  readonly count: number
}

const NANOS = 1e6

/** The bounds of buckets grow in steps of 1, 2 and 5; times are whole nanoseconds. */
const boundsOf = (nanos: number): readonly [from: number, to: number] => {
  const power = 10 ** (String(nanos).length - 1)
  const lead = nanos / power
  if (lead < 2) return [power, 2 * power]
  return lead < 5 ? [2 * power, 5 * power] : [5 * power, 10 * power]
}

/** Round trips, as they come. */
export class RoundTrips {
  readonly #histogram: RecordableHistogram = createHistogram({ figures: 3 })
  readonly #buckets = new Map<number, number>()
  #last: number | undefined

  /** Adds one, in milliseconds. */
  record(millis: number): void {
    const nanos = Math.max(1, Math.round(millis * NANOS))
    this.#last = millis
    this.#histogram.record(nanos)
    const [from] = boundsOf(nanos)
    this.#buckets.set(from, (this.#buckets.get(from) ?? 0) + 1)
  }

  /** The one that came last. */
  get last(): number | undefined {
    return this.#last
  }

  /** All in a few figures, right to three digits. */
  get summary(): Summary {
    const histogram = this.#histogram
    const isEmpty = histogram.count === 0
    const millis = (nanos: number): number | undefined =>
      isEmpty ? undefined : Math.round(nanos / 1000) / 1000
    const percentile = (share: number): number | undefined => millis(histogram.percentile(share))
    return {
      min: millis(histogram.min),
      mean: millis(histogram.mean),
      p50: percentile(50),
      p90: percentile(90),
      p95: percentile(95),
      p99: percentile(99),
      max: millis(histogram.max)
    }
  }

  /** From the fastest to the slowest, without a gap. */
  get buckets(): ReadonlyArray<Bucket> {
    const slowest = Math.max(...this.#buckets.keys())
    const all: Array<Bucket> = []
    let from = Math.min(...this.#buckets.keys())
    while (from <= slowest) {
      const [, to] = boundsOf(from)
      all.push({ from: from / NANOS, to: to / NANOS, count: this.#buckets.get(from) ?? 0 })
      from = to
    }
    return all
  }
}
