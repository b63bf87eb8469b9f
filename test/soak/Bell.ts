/**
 * Waiting for what callbacks bring about: whoever changes something rings, whoever waits looks again.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** What was waited for didn't come in time. */
export class WaitedTooLong extends Data.TaggedError("WaitedTooLong")<{ readonly message: string }> {}

export class Bell {
  readonly #looks = new Set<() => void>()

  ring(): void {
    for (const look of this.#looks) look()
  }

  /** Waits until something is so; fails, and says what, if it isn't in so many milliseconds. */
  until(what: () => string, patience: number, isSo: () => boolean): Effect.Effect<void, WaitedTooLong> {
    return Effect.timeoutFail(this.#wait(isSo), {
      duration: patience,
      onTimeout: () => new WaitedTooLong({ message: `after ${patience / 1000} s ${what()}` })
    })
  }

  /** Waits as long as that, or until something is so. */
  spend(milliseconds: number, isSo: () => boolean): Effect.Effect<void> {
    return Effect.asVoid(Effect.timeoutOption(this.#wait(isSo), Math.max(0, milliseconds)))
  }

  #wait(isSo: () => boolean): Effect.Effect<void> {
    return Effect.async((resume) => {
      const look = (): void => {
        if (!isSo()) return
        this.#looks.delete(look)
        resume(Effect.void)
      }
      this.#looks.add(look)
      look()
      return Effect.sync(() => this.#looks.delete(look))
    })
  }
}
