/**
 * What those who make something go wrong work with.
 */
import * as Effect from "effect/Effect"
import type { RawTransport } from "../connection/Transport.js"

/** A transport, a clock, and fibers. */
export interface Tools {
  readonly inner: RawTransport
  /** Outbound bytes, held back ones among them, that may wait before writing does. */
  readonly highWaterMark: number
  /** The time in milliseconds, by a clock that only goes on. */
  readonly elapsed: () => number
  /** Runs an effect in a fiber of its own. The result ends it. */
  readonly run: (effect: Effect.Effect<void>) => () => void
  /** Draws a seed for those who have asked for none. */
  readonly newSeed: () => number
}

/** Longer ones never end. */
const LONGEST_SLEEP = 2 ** 31 - 1

const sleep = (millis: number): Effect.Effect<void> =>
  millis <= LONGEST_SLEEP
    ? Effect.sleep(millis)
    : Effect.zipRight(
        Effect.sleep(LONGEST_SLEEP),
        Effect.suspend(() => sleep(millis - LONGEST_SLEEP))
      )

/** Calls back after so many milliseconds, but not within this call; not at all once the result has been called. */
export const later = ({ run }: Tools, millis: number, callback: () => void): (() => void) =>
  run(Effect.zipRight(millis > 0 ? sleep(millis) : Effect.yieldNow(), Effect.sync(callback)))

/** Calls back when the kernel has taken all that was written; at once if it has. */
export const whenFlushed = ({ inner, run }: Tools, callback: () => void): void => {
  // An empty message that is being compressed has no bytes that wait.
  if (inner.untakenBytes() === 0 && !inner.isQueueing()) callback()
  else run(Effect.zipRight(inner.flushed, Effect.sync(callback)))
}

/** Calls back when bytes that are written as they are overtake no message; at once if so. */
export const whenOrdered = (tools: Tools, callback: () => void): void => {
  if (tools.inner.isQueueing()) whenFlushed(tools, callback)
  else callback()
}
