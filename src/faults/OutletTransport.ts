/**
 * A transport whose echoes may have an outlet of their own, which holds them back or sends them past the transport.
 */
import type * as Effect from "effect/Effect"
import type { RawTransport } from "../connection/Transport.js"
import { MESSAGE_OVERHEAD } from "../connection/Inbox.js"
import { waitersFor } from "../connection/Waiters.js"
import { type Count, NOTHING, type Outlet } from "./Outlet.js"
import { PassThrough } from "./PassThrough.js"
import type { Tools } from "./Tools.js"

/** How many messages may be held back, however small: each costs some 200 bytes, and a delay has many under way. */
const MOST_HELD = 10_000

export class OutletTransport extends PassThrough<RawTransport> {
  protected readonly tools: Tools
  /** Where echoes go. */
  protected outlet: Outlet | undefined = undefined
  /** Nothing is waited for any more. */
  protected isGone = false
  readonly #writers = waitersFor(
    () => this.#mayWrite(),
    () => this.inner.drained
  )
  /** What went past the inner transport. */
  #messages = 0
  #bytes = 0

  constructor(tools: Tools) {
    super(tools.inner)
    this.tools = tools
  }

  override get messagesOut(): number {
    return this.inner.messagesOut + this.#messages + (this.outlet?.counted().messages ?? 0)
  }

  override get bytesOut(): number {
    return this.inner.bytesOut + this.#bytes + (this.outlet?.counted().bytes ?? 0)
  }

  override bufferedBytes(): number {
    return this.inner.bufferedBytes() + (this.outlet?.held().bytes ?? 0)
  }

  override outboundCost(): number {
    const { bytes, messages } = this.outlet?.held() ?? NOTHING
    return this.inner.outboundCost() + bytes + MESSAGE_OVERHEAD * messages
  }

  override get drained(): Effect.Effect<void> {
    return this.#mayWrite() ? this.inner.drained : this.#writers.until
  }

  /** Less is held back than before. */
  protected readonly onLess = (): void => this.#writers.wake()

  /** Sends a control frame as soon as the outlet lets it through. */
  protected control(kind: "ping" | "pong", send: () => void): void {
    if (this.outlet === undefined) send()
    else this.outlet.control(kind, send)
  }

  /** Counts what went past the inner transport. */
  protected sentPast({ bytes, messages }: Count): void {
    this.#messages += messages
    this.#bytes += bytes
  }

  /** Does without an outlet from now on: what it held back goes out. */
  protected releaseOutlet(): void {
    const { outlet } = this
    this.outlet = undefined
    outlet?.release()
    if (outlet !== undefined) this.sentPast(outlet.counted())
    this.onLess()
  }

  #mayWrite(): boolean {
    const { bytes, messages } = this.outlet?.held() ?? NOTHING
    if (messages === 0 || this.isGone) return true
    return messages <= MOST_HELD && bytes + this.inner.bufferedBytes() <= this.tools.highWaterMark
  }
}
