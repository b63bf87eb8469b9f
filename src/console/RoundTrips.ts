/**
 * Which echo answers which message, and how long it took.
 */
import type { Payload } from "./MessageLog.js"

interface Awaited<A> {
  readonly what: A
  readonly payload: Payload
  readonly at: number
}

const same = (one: Payload, other: Payload): boolean => {
  if (typeof one === "string" || typeof other === "string") return one === other
  if (one.length !== other.length) return false
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}

/** Alike for payloads that are: text as it is, bytes by a number (FNV-1a), which may be that of others, too. */
const keyOf = (payload: Payload): string | number => {
  if (typeof payload === "string") return payload
  let hash = 0x81_1c_9d_c5
  for (const byte of payload) hash = Math.imul(hash ^ byte, 0x01_00_01_93)
  return hash
}

/** How far ahead an echo is looked for: behind a fault that drops echoes, those before it are lost. */
const LOOKAHEAD = 1000

/**
 * Messages that wait for their echoes. Echoes come in order: one that answers a later message tells that those before
 * it are lost. One that would answer any of several answers the first of them, but how long it took isn't known: if that
 * echo was lost, a later message has been answered.
 */
export class RoundTrips<A> {
  #waiting: Array<Awaited<A>> = []
  /** Those before it have been answered: shifting an array for each would cost more than the message. */
  #first = 0
  /** How many wait of each kind. */
  readonly #alike = new Map<string | number, number>()

  get count(): number {
    return this.#waiting.length - this.#first
  }

  sent(what: A, payload: Payload, at: number): void {
    this.#waiting.push({ what, payload, at })
    const key = keyOf(payload)
    this.#alike.set(key, (this.#alike.get(key) ?? 0) + 1)
  }

  /**
   * What the payload answers, how long that took unless it can't be known, and what is lost by it; `undefined` if nobody
   * had asked.
   */
  received(
    payload: Payload,
    at: number
  ):
    | { readonly answered: A; readonly took: number | undefined; readonly lost: ReadonlyArray<A> }
    | undefined {
    const alike = this.#alike.get(keyOf(payload))
    if (alike === undefined) return undefined
    const end = Math.min(this.#waiting.length, this.#first + LOOKAHEAD)
    for (let index = this.#first; index < end; index++) {
      const candidate = this.#waiting[index]
      if (candidate === undefined || !same(candidate.payload, payload)) continue
      const done = this.#waiting.slice(this.#first, index + 1)
      for (const one of done) this.#settle(one.payload)
      const lost = done.slice(0, -1).map(({ what }) => what)
      this.#first = index + 1
      if (this.#first > 1000 && this.#first * 2 > this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#first)
        this.#first = 0
      }
      return { answered: candidate.what, took: alike === 1 ? at - candidate.at : undefined, lost }
    }
    return undefined
  }

  /** The connection has ended: what still waits is lost. */
  end(): ReadonlyArray<A> {
    const lost = this.#waiting.slice(this.#first).map(({ what }) => what)
    this.#waiting = []
    this.#first = 0
    this.#alike.clear()
    return lost
  }

  #settle(payload: Payload): void {
    const key = keyOf(payload)
    const left = (this.#alike.get(key) ?? 0) - 1
    if (left > 0) this.#alike.set(key, left)
    else this.#alike.delete(key)
  }
}

/** Figures of round-trip times, in milliseconds. */
export interface Figures {
  readonly count: number
  readonly last: number
  readonly min: number
  readonly median: number
  readonly p95: number
  readonly max: number
}

/** The figures of these times, of which there is at least one. */
export const figuresOf = (times: ReadonlyArray<number>): Figures | undefined => {
  const sorted = [...times].sort((one, other) => one - other)
  const last = times.at(-1)
  if (last === undefined) return undefined
  const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? last
  return { count: times.length, last, min: at(0.000001), median: at(0.5), p95: at(0.95), max: at(1) }
}
