/**
 * Fibers that wait for something which a callback will report.
 */
import * as Effect from "effect/Effect"

/** Fibers that wait until something is so. */
export class Waiters {
  readonly #waiting = new Set<(effect: Effect.Effect<void>) => void>()

  /**
   * Waits until something is so, for the next `wake` after which to look again.
   *
   * Looks at the moment of registering: a fiber may yield between a look of its own and this one, and must not miss
   * the `wake` in between.
   */
  readonly wait: Effect.Effect<void>

  constructor(isSo: () => boolean) {
    this.wait = Effect.async<void>((resume) => {
      if (isSo()) return resume(Effect.void)
      this.#waiting.add(resume)
      // One that waits again and again, each time for a while only, must not leave a callback a time.
      return Effect.sync(() => this.#waiting.delete(resume))
    })
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** Lets go on all that wait now. Synchronous; they run after the caller's turn. */
  wake(): void {
    if (this.#waiting.size === 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resume of waiting) resume(Effect.void)
  }
}
