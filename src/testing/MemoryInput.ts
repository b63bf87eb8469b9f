/**
 * What a peer in memory sends, and what comes of it when it is read.
 */
import { Inbox } from "../connection/Inbox.js"
import type { TransportListener } from "../connection/Transport.js"
import * as CloseCode from "../protocol/CloseCode.js"
import type { Message } from "../protocol/Message.js"
import { StopReason } from "../protocol/StopReason.js"
import { sizeOfControl, sizeOfMessages } from "./Action.js"
import { Arrivals } from "./Arrivals.js"

/** The receiving side of a transport. Whoever plays the peer calls what begins with `peer`. */
export abstract class MemoryInput {
  /** What the peer has sent: it is read in order, when this side reads. */
  protected readonly arrivals = new Arrivals(() => this.listener !== undefined && this.isReading)
  readonly inbox = new Inbox(this.arrivals)
  protected listener: TransportListener | undefined = undefined
  /** Nothing more will come that is worth waiting for: the last frame of the peer has been read. */
  protected isInputOver = false
  protected hasPeerReset = false
  /** What has been read that RFC 6455 doesn't allow, or a Close frame: nothing behind it is read but the end of TCP. */
  #isDeaf = false
  readonly #maxPayload: number

  constructor(maxPayload: number) {
    this.#maxPayload = maxPayload
  }

  /** Whether what arrives is read. */
  protected abstract get isReading(): boolean
  /** The last frame of the peer has been read, or the end of TCP. */
  protected abstract onInputOver(reason: StopReason): void
  /** TCP has been reset. */
  protected abstract onReset(): void

  /** Bytes that have arrived and not been read. */
  get unread(): number {
    return this.arrivals.unread
  }

  /** Sends these messages, which one read brings. */
  peerSays(messages: ReadonlyArray<Message>): void {
    this.#arrive(sizeOfMessages(messages), () => {
      for (const message of messages) this.#onMessage(message)
      this.inbox.wake()
    })
  }

  /** Sends a Close frame, an empty one without a code. */
  peerCloses(code: number = CloseCode.NO_STATUS, reason = ""): void {
    this.#arrive(sizeOfControl(Buffer.byteLength(reason)), () =>
      this.#onLast(StopReason.PeerClosed({ code, reason }))
    )
  }

  /** Sends a frame that RFC 6455 doesn't allow. */
  peerErrs(code: number, reason: string): void {
    this.#arrive(sizeOfControl(0), () => this.#onLast(StopReason.ProtocolError({ code, reason })))
  }

  /** Ends its side of TCP, without a Close frame unless it has sent one. */
  peerVanishes(): void {
    this.arrivals.push(0, () => {
      this.isInputOver = true
      this.onInputOver(StopReason.PeerVanished())
    })
  }

  /** Resets TCP, which is noticed when that is read. */
  peerResets(): void {
    this.hasPeerReset = true
    this.arrivals.push(0, () => this.onReset())
  }

  /** Sends a ping. */
  peerPings(payload: string): void {
    this.#arrive(sizeOfControl(payload.length), () => this.listener?.onPing(Buffer.from(payload)))
  }

  /** Sends a pong. */
  peerPongs(payload: string): void {
    this.#arrive(sizeOfControl(payload.length), () => this.listener?.onPong(payload))
  }

  /** Sends bytes that don't mean anything yet. */
  peerSends(count = 1): void {
    this.#arrive(count, () => {})
  }

  #arrive(size: number, happen: () => void): void {
    this.arrivals.push(size, () => {
      if (!this.#isDeaf) happen()
    })
  }

  #onMessage(message: Message): void {
    if (this.inbox.isOver || this.#isDeaf) return
    if (message.size <= this.#maxPayload) this.inbox.push(message)
    else
      this.#onLast(StopReason.ProtocolError({ code: CloseCode.MESSAGE_TOO_BIG, reason: "message too big" }))
  }

  #onLast(reason: StopReason): void {
    this.#isDeaf = true
    this.isInputOver = true
    this.onInputOver(reason)
  }
}
