/**
 * How late the event loop is: what holds it up holds up every connection of the process.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * How often it is looked at, in milliseconds.
 *
 * Node's own `monitorEventLoopDelay` gives percentiles of its own choice since it was started, and those of several
 * processes can't be put together; and it wakes an idle process a hundred times a second by default. A timer of our own
 * feeds a histogram with fixed buckets, five times a second, which costs an idle process some 0.15 % of a core.
 */
export const INTERVAL = 200

/** Tells, until the scope closes, how many seconds later than asked for a timer was called. */
export const watch = (observe: (seconds: number) => void): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        let last = performance.now()
        const timer = setInterval(() => {
          const now = performance.now()
          // Timers count whole milliseconds, and may seem to be early by a part of one.
          observe(Math.max(0, now - last - INTERVAL) / 1000)
          last = now
        }, INTERVAL)
        // Nothing is kept alive to be watched.
        return timer.unref()
      }),
      (timer) => Effect.sync(() => clearInterval(timer))
    )
  )
