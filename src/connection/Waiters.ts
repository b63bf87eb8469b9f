/**
 * Fibers that wait for something which a callback will report.
 */
import * as Effect from "effect/Effect"

/** Fibers that wait for the next `wake`. */
export class Waiters {
  #waiting: Array<(effect: Effect.Effect<void>) => void> = []

  /** Waits for the next `wake`. An interrupted waiter needs no clean-up: waking it does nothing. */
  readonly wait: Effect.Effect<void> = Effect.async<void>((resume) => {
    this.#waiting.push(resume)
  })

  /** Lets go on all that wait now. Synchronous; they run after the caller's turn. */
  wake(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume(Effect.void)
  }
}
