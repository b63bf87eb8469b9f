/**
 * What was measured, and what it comes to.
 */

/** Figures of one peer in one round, by their names. */
export type Round = Readonly<Record<string, number>>

/** What was measured of one peer in all rounds. */
export interface Series {
  readonly peer: string
  readonly rounds: ReadonlyArray<Round>
}

/** One case of a benchmark. */
export interface Outcome {
  readonly name: string
  readonly series: ReadonlyArray<Series>
}

/** The middle one of an odd number, between the middle two of an even one. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2
}

/** The median of one figure. */
export const of = ({ rounds }: Series, figure: string): number =>
  median(rounds.map((round) => round[figure] ?? Number.NaN))

/** How often a peer's figure is the yardstick's: the median of what it was in each round. */
export const ratio = ({ series }: Outcome, peer: string, yardstick: string, figure: string): number => {
  const roundsOf = (name: string) => series.find(({ peer }) => peer === name)?.rounds ?? []
  const others = roundsOf(yardstick)
  return median(
    roundsOf(peer).map((round, at) => (round[figure] ?? Number.NaN) / (others[at]?.[figure] ?? Number.NaN))
  )
}
