/**
 * A clock for how long something takes: the time of day may be set, this one only goes on.
 */
import * as Effect from "effect/Effect"

/** Reads the time in milliseconds since a moment that means nothing. */
export type Monotonic = () => number

/** The clock of the program that runs. */
export const monotonic: Effect.Effect<Monotonic> = Effect.map(
  Effect.clock,
  (clock) => () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)
)
