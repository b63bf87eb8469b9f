/**
 * What a person sees while the probe runs: a line for each thing that happens, or, on a terminal, one line of figures
 * that is renewed in place.
 */

/** What is asked of standard output. */
export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
}

/** How often the line of figures is renewed at the most, in milliseconds. */
const PACE = 100

const CLEAR = "\r\u001b[K"

/** Writes lines, above the line of figures if there is one. */
export class Screen {
  readonly #output: Output
  readonly #isLive: boolean
  #isShown = false
  #renewedAt = Number.NEGATIVE_INFINITY

  constructor(output: Output) {
    this.#output = output
    this.#isLive = output.isTTY === true
  }

  /** Whether there is a line of figures. */
  get isLive(): boolean {
    return this.#isLive
  }

  /** Writes a line that stays. */
  line(text: string): void {
    this.#output.write(`${this.#isShown ? CLEAR : ""}${text}\n`)
    this.#isShown = false
    this.#renewedAt = Number.NEGATIVE_INFINITY
  }

  /** Renews the line of figures, unless that was a moment ago. */
  figures(text: () => string): void {
    const now = performance.now()
    if (!this.#isLive || now - this.#renewedAt < PACE) return
    this.#renewedAt = now
    this.#isShown = true
    // A terminal that doesn't know its width says 0.
    const { columns = 0 } = this.#output
    this.#output.write(CLEAR + text().slice(0, (columns > 0 ? columns : 80) - 1))
  }

  /** Takes the line of figures away. */
  clear(): void {
    if (this.#isShown) this.#output.write(CLEAR)
    this.#isShown = false
  }
}
