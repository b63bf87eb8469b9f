/**
 * Numbers that look random, always the same for a seed: what a run did can be done again.
 */

/** A source of them. */
export interface Random {
  /** A whole number from 0 to one less than `limit`. */
  readonly below: (limit: number) => number
  /** A whole number from `low` to `high`, both included. */
  readonly between: (low: number, high: number) => number
  /** True once in so many times. */
  readonly oneIn: (times: number) => boolean
  readonly pick: <A>(from: ReadonlyArray<A>) => A
  readonly bytes: (length: number) => Buffer
}

/** Spreads the bits of a number over all of it (the finalizer of MurmurHash3). */
const mixed = (number: number): number => {
  let bits = number | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/** The source of one case of a run: each has its own, so that it doesn't depend on those before it. */
export const random = (seed: number, index: number): Random => {
  let state = mixed(mixed(seed) + Math.imul(index + 1, 0x9e3779b1))
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0
    return mixed(state)
  }
  const below = (limit: number): number => Math.floor((next() / 2 ** 32) * limit)
  return {
    below,
    between: (low, high) => low + below(high - low + 1),
    oneIn: (times) => below(times) === 0,
    pick: (from) => {
      const picked = from[below(from.length)]
      if (picked === undefined) throw new Error("there is nothing to pick from")
      return picked
    },
    bytes: (length) => {
      const bytes = Buffer.alloc(length)
      for (let i = 0; i < length; i++) bytes[i] = next()
      return bytes
    }
  }
}
