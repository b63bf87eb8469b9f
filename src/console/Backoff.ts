/**
 * When to come back: exponential back-off with full jitter, so that many clients don't come back at once.
 */

const FIRST = 500
const LONGEST = 30_000

/** A connection that lasted so long, in milliseconds, was a good one: the next back-off starts anew. */
export const GOOD = 5000

/** The longest wait before an attempt (the first is 0), in milliseconds. */
export const ceiling = (attempt: number): number => Math.min(LONGEST, FIRST * 2 ** Math.min(attempt, 16))

/** The steps, until they don't grow any more. */
export const steps: ReadonlyArray<number> = Array.from({ length: 7 }, (_, attempt) => ceiling(attempt))

/** The wait before an attempt: anything up to the ceiling. `random` is from 0 to 1. */
export const waitBefore = (attempt: number, random: number): number => Math.round(ceiling(attempt) * random)
