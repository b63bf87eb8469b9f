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

  /** Waits until it is so, unless it is. It is looked at again after a `wake`. */
  readonly until: Effect.Effect<A> = Effect.async((resume) => {
    // Nearly always it isn't so yet: a look before that would be one more step of the fiber.
    if (this.isSo()) return resume(this.#again)
    const before = this.#last
    this.#last = resume
    before?.(this.#untilBeside)
  })

  /** Waits until it is so, and ends with nothing. It may end before, when others come to wait. */
  get untilSo(): Effect.Effect<void> {
    return Effect.async((resume) => {
      if (this.isSo()) return resume(Effect.void)
      const before = this.#last
      this.#last = () => resume(Effect.void)
      before?.(this.#untilBeside)
    })
  }

  readonly #again: Effect.Effect<A> = Effect.suspend(() => (this.isSo() ? this.outcome() : this.until))

  get #untilBeside(): Effect.Effect<A> {
    return Effect.async<A>((resume) => {
      if (this.isSo()) return resume(this.#again)
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
    if (others !== undefined) for (const resume of others) resume(this.#again)
    last?.(this.#again)
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
