/**
 * Numbers that look random, and are the same again for the same seed.
 */

/** A source of such numbers (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** 32 bits. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }

  /** A whole number; both ends are possible. */
  between(low: number, high: number): number {
    return low + Math.floor((this.bits() / 2 ** 32) * (high - low + 1))
  }

  isOneIn(count: number): boolean {
    return this.between(1, count) === 1
  }

  /** One of these, the more often the more it weighs. */
  weighed<A extends string>(weights: Readonly<Record<A, number>>): A {
    const names = Object.keys(weights).filter((name): name is A => Object.hasOwn(weights, name))
    let left = this.between(
      1,
      names.reduce((sum, name) => sum + weights[name], 0)
    )
    const found = names.find((name) => (left -= weights[name]) <= 0)
    if (found === undefined) throw new Error("there is nothing to choose from")
    return found
  }

  oneOf<A>(choices: readonly [A, ...ReadonlyArray<A>]): A {
    return choices[this.between(0, choices.length - 1)] ?? choices[0]
  }
}
