/**
 * How much later than it should be everything is: on a machine that is busy the process may not run for a while, and
 * nobody in it is to blame for that.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** How often to look, in milliseconds. */
const BEAT = 10

/** Tells for how many milliseconds of a time, by the clock of `performance`, nothing ran. */
export interface Pulse {
  readonly heldUp: (from: number, to: number) => number
}

/** Looks, and does something else then, until the scope closes. */
export const begin = (onBeat: Effect.Effect<void>): Effect.Effect<Pulse, never, Scope.Scope> =>
  Effect.gen(function* () {
    const gaps: Array<{ readonly from: number; readonly to: number }> = []
    let last = performance.now()
    const beat = Effect.sync(() => {
      const now = performance.now()
      if (now - last > 2 * BEAT) gaps.push({ from: last + BEAT, to: now })
      last = now
    })
    const once = Effect.sleep(BEAT).pipe(Effect.zipRight(beat), Effect.zipRight(onBeat))
    yield* Effect.forkScoped(Effect.forever(once))
    return {
      heldUp: (from, to) => {
        // The one that this may be the end of.
        const current = { from: last + BEAT, to: performance.now() }
        return [...gaps, current].reduce(
          (sum, gap) => sum + Math.max(0, Math.min(to, gap.to) - Math.max(from, gap.from)),
          0
        )
      }
    }
  })
