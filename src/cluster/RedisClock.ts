/**
 * The time by the clock of Redis, which is the same for all who share it, as far as it is known here.
 */

interface Reading {
  /** What Redis said. */
  readonly time: number
  /** By the clocks here, when it was asked and when it had answered. */
  readonly asked: Clocks
  readonly answered: Clocks
}

interface Clocks {
  readonly monotonic: number
  readonly wall: number
}

const clocks = (): Clocks => ({ monotonic: performance.now(), wall: Date.now() })

/** The clock, which has to be read now and then. */
export class RedisClock {
  #reading: Reading | undefined = undefined

  /** Begins to ask; to be called with what Redis answered. */
  read(): (time: number) => void {
    const asked = clocks()
    return (time) => {
      this.#reading = { time, asked, answered: clocks() }
    }
  }

  /** The earliest that it can be; `undefined` if nothing is known. */
  get earliest(): number | undefined {
    const reading = this.#reading
    return reading && reading.time + performance.now() - reading.answered.monotonic
  }

  /**
   * The latest that it can be. The clock that has gone further counts: that which can't be set back doesn't go on
   * while a whole machine sleeps.
   */
  get latest(): number | undefined {
    const reading = this.#reading
    if (reading === undefined) return undefined
    const now = clocks()
    const { monotonic, wall } = reading.asked
    return reading.time + Math.max(now.monotonic - monotonic, now.wall - wall)
  }
}
