/**
 * What a peer has sent: it waits in the kernel until it is read.
 */

interface Arrival {
  readonly bytes: number
  readonly happen: () => void
}

/** What has arrived, to be read in order. */
export class Arrivals {
  readonly #isReading: () => boolean
  #waiting: Array<Arrival> = []
  #isInRead = false
  /** Bytes that have been read. */
  read = 0

  /** @param isReading whether more is read now. */
  constructor(isReading: () => boolean) {
    this.#isReading = isReading
  }

  /** Bytes that have arrived and not been read. */
  get unread(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Something arrives, and is read now or later. */
  push(bytes: number, happen: () => void): void {
    this.#waiting.push({ bytes, happen })
    this.readOn()
  }

  /** Reads what there is, as long as more is read. */
  readOn(): void {
    // What comes of one read may let go on with the next.
    if (this.#isInRead) return
    this.#isInRead = true
    while (this.#isReading()) {
      const next = this.#waiting.shift()
      if (next === undefined) break
      this.read += next.bytes
      next.happen()
    }
    this.#isInRead = false
  }

  /** Drops what wasn't read. */
  clear(): void {
    this.#waiting = []
  }
}
