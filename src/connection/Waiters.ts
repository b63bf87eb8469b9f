/**
 * Fibers that wait for something which a callback will report.
 */
import * as Effect from "effect/Effect"

type Resume<A> = (effect: Effect.Effect<A>) => void

/**
 * Fibers that wait until something is so.
 *
 * Nearly always it is one, and thousands of times a second. So the last that came has a place of its own without a
 * finalizer, which would cost more than all the rest of a wait: what one leaves there that is interrupted does nothing
 * when it is called, and goes when the next comes. One that has to give up that place waits on beside the others.
 */
export abstract class Waiters<A = void> {
  #last: Resume<A> | undefined = undefined
  #others: Set<Resume<A>> | undefined = undefined

  protected abstract isSo(): boolean
  /** What a wait ends with, asked for when it is so and the fiber runs. */
  protected abstract outcome(): Effect.Effect<A>

  /** Made when they are asked for: most connections say nothing, and have nothing waited for. */
  #until: Effect.Effect<A> | undefined = undefined
  #again: Effect.Effect<A> | undefined = undefined

  /** Waits until it is so, unless it is. It is looked at again after a `wake`. */
  get until(): Effect.Effect<A> {
    return (this.#until ??= Effect.async((resume) => {
      // Nearly always it isn't so yet: a look before that would be one more step of the fiber.
      if (this.isSo()) return resume(this.#lookAgain)
      this.#wait(resume)
    }))
  }

  get #lookAgain(): Effect.Effect<A> {
    return (this.#again ??= Effect.suspend(() => (this.isSo() ? this.outcome() : this.until)))
  }

  /** Calls back once when it is so. It may do so before, when others come to wait. */
  onceSo(then: () => void): void {
    if (this.isSo()) then()
    else this.#wait(then)
  }

  #wait(resume: Resume<A>): void {
    const before = this.#last
    this.#last = resume
    before?.(this.#untilBeside)
  }

  get #untilBeside(): Effect.Effect<A> {
    return Effect.async<A>((resume) => {
      if (this.isSo()) return resume(this.#lookAgain)
      const others = (this.#others ??= new Set())
      others.add(resume)
      return Effect.sync(() => others.delete(resume))
    })
  }

  /** How many wait; the last of them may have been interrupted. */
  get waiting(): number {
    return (this.#last === undefined ? 0 : 1) + (this.#others?.size ?? 0)
  }

  /** Lets all look again. Synchronous; they run after the caller's turn. */
  wake(): void {
    const last = this.#last
    const others = this.#others
    this.#last = undefined
    this.#others = undefined
    if (others !== undefined) for (const resume of others) resume(this.#lookAgain)
    last?.(this.#lookAgain)
  }
}

class WaitersFor<A> extends Waiters<A> {
  protected override readonly isSo: () => boolean
  protected override readonly outcome: () => Effect.Effect<A>

  constructor(isSo: () => boolean, outcome: () => Effect.Effect<A>) {
    super()
    this.isSo = isSo
    this.outcome = outcome
  }
}

/** Fibers that wait until something is so, and then for an outcome. */
export const waitersFor = <A>(isSo: () => boolean, outcome: () => Effect.Effect<A>): Waiters<A> =>
  new WaitersFor(isSo, outcome)

/** Fibers that wait until something is so, and go on with nothing else. */
export const waitersUntil = (isSo: () => boolean): Waiters => new WaitersFor(isSo, () => Effect.void)
