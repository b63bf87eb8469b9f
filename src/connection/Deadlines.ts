/**
 * Many deadlines, one timer.
 *
 * All of them are equally far away, so they fall due in the order in which they were set: one fiber sleeps until the
 * first. A fiber and a timer for each would be most of what a shutdown of thousands of connections costs.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { monotonic } from "./Monotonic.js"
import { waitersUntil } from "./Waiters.js"

/** Something that happens unless it is cancelled in time. */
export interface Deadline {
  readonly cancel: () => void
}

/** Sets deadlines. */
export interface Deadlines {
  /** Calls back when the time is over. Synchronous. */
  readonly set: (callback: () => void) => Deadline
}

/** Makes deadlines that are all as far away as `timeout`. They go with the scope. */
export const make = (timeout: Duration.Duration): Effect.Effect<Deadlines, never, Scope.Scope> =>
  Effect.gen(function* () {
    const now = yield* monotonic
    const millis = Duration.toMillis(timeout)
    const pending = new Set<{ readonly at: number; readonly callback: () => void }>()
    const waiters = waitersUntil(() => pending.size > 0)

    const next: Effect.Effect<void> = Effect.suspend(() => {
      for (const deadline of pending) {
        const left = deadline.at - now()
        if (left > 0) return Effect.sleep(left)
        pending.delete(deadline)
        deadline.callback()
      }
      return waiters.until
    })
    yield* Effect.forkScoped(Effect.forever(next))

    return {
      set: (callback) => {
        const deadline = { at: now() + millis, callback }
        pending.add(deadline)
        if (pending.size === 1) waiters.wake()
        return { cancel: () => pending.delete(deadline) }
      }
    }
  })
