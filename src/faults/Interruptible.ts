/**
 * A transport with which something can go wrong at any time, and that costs next to nothing before it does.
 */
import type { RawTransport, Transport, TransportListener } from "../connection/Transport.js"
import type { ConnectionId } from "../protocol/ConnectionId.js"
import type { StopReason } from "../protocol/StopReason.js"
import type { ConnectionPlan } from "./FaultPlan.js"
import { FaultyTransport } from "./FaultyTransport.js"
import { PassThrough } from "./PassThrough.js"
import type { Tools } from "./Tools.js"

/** What the transports of a server have in common. */
export type SharedTools = Omit<Tools, "inner">

export class Interruptible extends PassThrough<Transport> implements TransportListener {
  readonly #raw: RawTransport
  readonly #tools: SharedTools
  #isSealed = false
  #faulty: FaultyTransport | undefined = undefined
  /** Who is told what happens. */
  #listener: TransportListener | undefined = undefined
  readonly #open: Map<string, Interruptible>
  #id: ConnectionId | undefined = undefined

  /** @param open those that are open, by the ids of their connections. */
  constructor(raw: RawTransport, tools: SharedTools, open: Map<string, Interruptible>) {
    super(raw)
    this.#raw = raw
    this.#tools = tools
    this.#open = open
  }

  /** Its connection has this id. */
  opened(id: ConnectionId): void {
    this.#id = id
    this.#open.set(id, this)
  }

  override attach(listener: TransportListener): void {
    this.#listener = this.#faulty ?? listener
    this.#raw.attach(this)
    this.#faulty?.attach(listener)
  }

  override seal(): void {
    this.#isSealed = true
    super.seal()
  }

  /** Lets this go wrong from now on, unless it is ending. A later fault replaces an earlier one. */
  apply(plan: ConnectionPlan): void {
    if (this.#isSealed) return
    let faulty = this.#faulty
    if (faulty === undefined) {
      faulty = new FaultyTransport({ ...this.#tools, inner: this.#raw })
      this.#faulty = faulty
      this.inner = faulty
      if (this.#listener !== undefined) {
        faulty.attach(this.#listener)
        this.#listener = faulty
      }
    }
    faulty.apply(plan)
  }

  onPing(payload: Buffer): void {
    this.#listener?.onPing(payload)
  }

  onPong(payload: string): void {
    this.#listener?.onPong(payload)
  }

  onEnding(reason: StopReason): void {
    this.#listener?.onEnding(reason)
  }

  onClosed(): void {
    if (this.#id !== undefined) this.#open.delete(this.#id)
    this.#listener?.onClosed()
  }
}
