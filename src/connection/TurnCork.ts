/**
 * Many small writes in one turn of the event loop, as one.
 */
import type { Writable } from "node:stream"

/** Holds back what is written until the turn ends, and then lets it go in one system call. */
export class TurnCork {
  readonly #stream: Writable
  #isCorked = false

  constructor(stream: Writable) {
    this.#stream = stream
  }

  /** Holds back what is written from now on in this turn. */
  cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#stream.cork()
    process.nextTick(() => {
      this.#isCorked = false
      this.#stream.uncork()
    })
  }
}
