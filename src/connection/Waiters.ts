/**
 * Fibers that wait for something which a callback will report.
 */
import * as Effect from "effect/Effect"

/** Fibers that wait until something is so. */
export class Waiters {
  #waiting: Array<(effect: Effect.Effect<void>) => void> = []

  /**
   * Waits until something is so, for the next `wake` after which to look again.
   *
   * Looks at the moment of registering: a fiber may yield between a look of its own and this one, and must not miss
   * the `wake` in between. An interrupted waiter needs no clean-up: waking it does nothing.
   */
  readonly wait: Effect.Effect<void>

  constructor(isSo: () => boolean) {
    this.wait = Effect.async<void>((resume) => {
      if (isSo()) resume(Effect.void)
      else this.#waiting.push(resume)
    })
  }

  /** Lets go on all that wait now. Synchronous; they run after the caller's turn. */
  wake(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume(Effect.void)
  }
}
