/**
 * Fibers that wait for something to become so which callbacks bring about.
 */
import * as Effect from "effect/Effect"

interface Look {
  readonly isSo: () => boolean
  readonly resume: () => void
}

/** Things that change, and those who wait for them. */
export class Changes {
  readonly #looks = new Set<Look>()

  /** Waits until something is so. It is looked at whenever something has changed. */
  until(isSo: () => boolean): Effect.Effect<void> {
    return Effect.async((resume) => {
      if (isSo()) return resume(Effect.void)
      const look = { isSo, resume: () => resume(Effect.void) }
      this.#looks.add(look)
      return Effect.sync(() => this.#looks.delete(look))
    })
  }

  /** Something has changed. Synchronous; those who wait run after the caller's turn. */
  happened(): void {
    for (const look of this.#looks) {
      if (!look.isSo()) continue
      this.#looks.delete(look)
      look.resume()
    }
  }
}
