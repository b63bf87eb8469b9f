/**
 * Stops of many connections.
 */
import * as Effect from "effect/Effect"
import type { Lifecycle } from "../connection/Lifecycle.js"
import type { Monotonic } from "../connection/Monotonic.js"
import { turn } from "../connection/Turn.js"
import type { StopReason } from "../protocol/StopReason.js"

/** How many connections are stopped in one turn of the event loop: some milliseconds' work. */
const LOT = 32

/**
 * Stops them, and tells how many it stopped. So many at a time that each lot has its Close frames, and the server has
 * seen to all else, before it is the turn of the next: ten thousand at once would hold everybody up for seconds.
 */
export const stopEach = (
  stoppable: ReadonlyArray<Pick<Lifecycle, "stop">>,
  reason: StopReason
): Effect.Effect<number> =>
  Effect.gen(function* () {
    let stopped = 0
    for (const [at, one] of stoppable.entries()) {
      if (at > 0 && at % LOT === 0) yield* turn
      if (one.stop(reason)) stopped++
    }
    return stopped
  })

/** Stops them one after the other, evenly over so many milliseconds. */
export const stopOver = (
  lifecycles: ReadonlyArray<Lifecycle>,
  reason: StopReason,
  spread: number,
  elapsed: Monotonic
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const start = elapsed()
    for (let next = 0; next < lifecycles.length;) {
      const gone = elapsed() - start
      const due = gone >= spread ? lifecycles.length : Math.floor((gone / spread) * lifecycles.length) + 1
      yield* stopEach(lifecycles.slice(next, due), reason)
      next = due
      const wait = start + (next * spread) / lifecycles.length - elapsed()
      if (next < lifecycles.length && wait > 0) yield* Effect.sleep(wait)
    }
  })
