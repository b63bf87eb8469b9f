/**
 * How long things took, in milliseconds.
 */

/** Half of them took so long at most, and so on. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/** Sums them up. */
export const latencyOf = (milliseconds: ReadonlyArray<number>): Latency => {
  const sorted = Float64Array.from(milliseconds).sort()
  const percentile = (share: number): number =>
    sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
  return { p50: percentile(0.5), p99: percentile(0.99), p999: percentile(0.999) }
}
