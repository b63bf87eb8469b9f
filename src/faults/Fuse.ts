/**
 * The moment at which a fault comes: at once, after some time, or when so many messages have been echoed.
 */
import type { Moment } from "./Parameter.js"
import { later, type Tools } from "./Tools.js"

/** Whether that is at once. */
export const isAtOnce = (after: Moment | undefined): boolean =>
  after === undefined || (after._tag === "Time" ? after.millis : after.count) === 0

/** Burns down to a moment. */
export class Fuse {
  readonly #tools: Tools
  #cancel: (() => void) | undefined = undefined
  #onMoment: (() => void) | undefined = undefined
  /** How many messages are still to be echoed; 0 if it isn't messages that count. */
  left = 0

  constructor(tools: Tools) {
    this.#tools = tools
  }

  /** Starts. Calls back at the moment, never within this call. */
  light(after: Moment | undefined, onMoment: () => void): void {
    const { inbox } = this.#tools.inner
    if (after?._tag === "Messages" && !isAtOnce(after)) {
      this.left = after.count
      this.#onMoment = onMoment
      inbox.limit(after.count)
      return
    }
    const millis = after?._tag === "Time" ? after.millis : 0
    // Nothing is handed out before what comes at once has come.
    if (millis === 0) inbox.limit(0)
    this.#cancel = later(this.#tools, millis, () => {
      this.#cancel = undefined
      inbox.limit(Number.POSITIVE_INFINITY)
      onMoment()
    })
  }

  /** So many messages, at most those that were left, have been echoed. */
  shorten(count: number): void {
    const { inbox } = this.#tools.inner
    this.left -= count
    if (this.left > 0) return inbox.limit(this.left)
    inbox.limit(Number.POSITIVE_INFINITY)
    const onMoment = this.#onMoment
    this.#onMoment = undefined
    onMoment?.()
  }

  /** Puts it out. */
  quench(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#onMoment = undefined
    this.left = 0
  }
}
