/**
 * A transport without a socket: what the peer sends arrives in memory, and whoever plays the peer sees what is done to the
 * connection. What is read and written when is as on a socket (see `connection/WsTransport`).
 */
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import { NO_REMARKS, type Transport, type TransportListener } from "../connection/Transport.js"
import { type Waiters, waitersUntil } from "../connection/Waiters.js"
import type { Wire } from "../connection/Wire.js"
import type { Message } from "../protocol/Message.js"
import { StopReason } from "../protocol/StopReason.js"
import { type Action, sizeOf } from "./Action.js"
import { MemoryInput } from "./MemoryInput.js"
import { MemoryOutbox } from "./MemoryOutbox.js"

/** Whose transport it is, and its limits in bytes. */
export interface MemoryTransportOptions {
  readonly remote: string
  readonly highWaterMark: number
  readonly maxPayload: number
  /** Called with each thing that is done to the connection. */
  readonly onAction: (action: Action) => void
  /** Called when the sending side of TCP ends, behind all that was written. */
  readonly onEnd?: () => void
}

/** A transport in memory. */
export class MemoryTransport extends MemoryInput implements Transport {
  readonly remote: string
  readonly remarks = NO_REMARKS
  readonly wire: Wire
  messagesOut = 0
  bytesOut = 0
  protected readonly outbox: MemoryOutbox
  readonly #options: MemoryTransportOptions
  readonly #closers: Waiters = waitersUntil(() => this.#isClosed)
  #isSealed = false
  #isSaid = false
  #isClosed = false

  constructor(options: MemoryTransportOptions) {
    super(options.maxPayload)
    this.remote = options.remote
    this.#options = options
    const outbox = (this.outbox = new MemoryOutbox(options.highWaterMark))
    const { arrivals } = this
    this.wire = {
      get bytesRead() {
        return arrivals.read
      },
      get bytesTaken() {
        return outbox.taken
      },
      reset: () => this.reset()
    }
  }

  /** The TCP connection is gone. */
  socketCloses(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.arrivals.clear()
    this.listener?.onEnding(StopReason.PeerVanished())
    this.#say()
    this.outbox.buffered = 0
    this.#closers.wake()
    this.listener?.onClosed()
  }

  // One who has something to write notices it, too.
  override peerResets(): void {
    if (this.outbox.buffered > 0) this.socketCloses()
    else super.peerResets()
  }

  // What the kernel does.

  /** Takes no more bytes. */
  block(): void {
    this.outbox.isBlocked = true
  }

  /** Takes some of the bytes that are buffered. */
  takes(count: number): void {
    this.outbox.take(count)
    this.arrivals.readOn()
  }

  /** Takes all that is buffered, and what comes. */
  unblock(): void {
    this.outbox.isBlocked = false
    this.takes(this.outbox.buffered)
  }

  // What the lifecycle asks for.

  attach(listener: TransportListener): void {
    this.listener = listener
    this.arrivals.readOn()
  }

  get take(): Effect.Effect<ReadonlyArray<Message>> {
    return this.inbox.take
  }

  hasMessages(): boolean {
    return !this.inbox.isEmpty
  }

  isHeard(): boolean {
    return this.isReading
  }

  isStalled(): boolean {
    return false
  }

  bufferedBytes(): number {
    return this.outbox.buffered
  }

  untakenBytes(): number {
    return this.outbox.buffered
  }

  outboundCost(): number {
    return this.outbox.buffered
  }

  write(messages: Chunk.Chunk<Message>): boolean {
    if (!this.act({ _tag: "write", messages: Array.from(messages) })) return false
    this.messagesOut += messages.length
    for (const { size } of messages) this.bytesOut += size
    return true
  }

  get drained(): Effect.Effect<void> {
    return this.outbox.drained
  }

  seal(): void {
    if (this.#isSealed) return
    this.act({ _tag: "seal" })
    this.#isSealed = true
    this.inbox.finish()
    // As much more as it takes to answer what was read.
    this.outbox.allow(this.outbox.buffered + this.inbox.cost)
  }

  close(code: number | undefined, reason: string): boolean {
    if (!this.#say({ _tag: "close", code, reason })) return false
    // A failed connection isn't kept for the peer's answer (RFC 6455 section 7.1.7).
    if (this.isInputOver) this.#options.onEnd?.()
    this.arrivals.readOn()
    return !this.#isClosed
  }

  ping(payload: string): void {
    this.act({ _tag: "ping", payload })
  }

  pong(payload: Buffer): void {
    this.act({ _tag: "pong", payload: payload.toString() })
  }

  end(): void {
    if (!this.#say({ _tag: "end" })) return
    this.#options.onEnd?.()
    this.arrivals.readOn()
  }

  destroy(): void {
    this.#options.onAction({ _tag: "destroy" })
    this.#say()
    queueMicrotask(() => this.socketCloses())
  }

  reset(): void {
    if (this.#isClosed) return
    this.#say({ _tag: "reset" })
    queueMicrotask(() => this.socketCloses())
  }

  isClosed(): boolean {
    return this.#isClosed
  }

  get closed(): Effect.Effect<void> {
    return this.#closers.until
  }

  /** Whether what arrives is read: not so while too much waits, inbound or outbound. */
  protected get isReading(): boolean {
    if (this.#isSaid) return true
    const { highWaterMark } = this.#options
    return !this.#isSealed && this.inbox.cost <= highWaterMark && this.outbox.buffered <= highWaterMark
  }

  protected onInputOver(reason: StopReason): void {
    if (this.#isSaid) this.#options.onEnd?.()
    else this.listener?.onEnding(reason)
  }

  protected onReset(): void {
    this.socketCloses()
  }

  /** Does something, unless the last thing has been said. */
  protected act(action: Action): boolean {
    if (this.#isSaid) return false
    this.outbox.write(sizeOf(action))
    this.#options.onAction(action)
    if (this.hasPeerReset) queueMicrotask(() => this.socketCloses())
    return true
  }

  /** Does the last thing. */
  #say(action?: Action): boolean {
    if (this.#isSaid) return false
    if (action !== undefined) this.act(action)
    this.#isSaid = true
    this.inbox.clear()
    this.inbox.finish()
    this.outbox.finish()
    return true
  }
}
