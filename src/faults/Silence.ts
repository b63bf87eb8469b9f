/**
 * A side that has gone silent: `stall` reads nothing, `mute` reads on; neither says anything.
 */
import { late, nowhere, type Outlet } from "./Outlet.js"
import { later, type Tools } from "./Tools.js"

/** How often a side that reads nothing looks whether there is still somebody, in milliseconds. */
const LOOKING = 1000

/** Keeps a connection silent for a while. */
export class Silence {
  readonly #tools: Tools
  readonly #onLess: () => void
  readonly #onVanished: () => void
  #kind: "stall" | "mute" | undefined = undefined
  #cancel: (() => void) | undefined = undefined

  /**
   * @param onLess what was held back goes out.
   * @param onVanished the peer has ended its side of TCP, unheard.
   */
  constructor(tools: Tools, onLess: () => void, onVanished: () => void) {
    this.#tools = tools
    this.#onLess = onLess
    this.#onVanished = onVanished
  }

  get isSilent(): boolean {
    return this.#kind !== undefined
  }

  get isStalled(): boolean {
    return this.#kind === "stall"
  }

  /** Falls silent. What is to be sent goes where nobody hears of it, or not until the silence is over. */
  begin(kind: "stall" | "mute"): Outlet {
    this.#kind = kind
    if (kind === "mute") return nowhere
    const { inner } = this.#tools
    inner.hold(true)
    inner.inbox.limit(0)
    this.#look()
    return late(this.#tools, this.#onLess, () => Number.POSITIVE_INFINITY)
  }

  /** Is over. */
  end(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#kind = undefined
  }

  /** Who doesn't read isn't told of the end either: it would be kept for ever. */
  #look(): void {
    this.#cancel = later(this.#tools, LOOKING, () => {
      this.#cancel = undefined
      if (this.#tools.inner.hasPeerEnded()) this.#onVanished()
      else this.#look()
    })
  }
}
