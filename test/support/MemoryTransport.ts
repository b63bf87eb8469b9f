/**
 * A transport without a socket: the test is the peer and the kernel, and sees what is done to the connection.
 */
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import { Inbox } from "../../src/connection/Inbox.js"
import { waitersUntil } from "../../src/connection/Waiters.js"
import * as CloseCode from "../../src/protocol/CloseCode.js"
import * as Message from "../../src/protocol/Message.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import type { RawTransport, TransportListener } from "../../src/connection/Transport.js"

/** Something that was done to the connection. */
export type Action =
  | { readonly _tag: "write"; readonly texts: ReadonlyArray<string> }
  | { readonly _tag: "seal" }
  | { readonly _tag: "close"; readonly code: number | undefined; readonly reason: string }
  | { readonly _tag: "end" }
  | { readonly _tag: "ping"; readonly payload: string }
  | { readonly _tag: "pong"; readonly payload: string }
  | { readonly _tag: "raw"; readonly bytes: Buffer }
  | { readonly _tag: "destroy" }
  | { readonly _tag: "reset" }

/** How the peer and the kernel behave. */
export interface MemoryTransportOptions {
  readonly remote?: string
  /** Whether the peer answers a Close frame, or the end of TCP, so that TCP is closed; by default it does. */
  readonly answersClose?: boolean
  /** Outbound bytes that are buffered before writing waits, by default 10. */
  readonly highWaterMark?: number
  /** Called with each thing that is done to the connection. */
  readonly onAction?: (action: Action) => void
}

/** A transport in memory. */
export class MemoryTransport implements RawTransport {
  readonly remote: string
  /** What has passed over TCP; the test says so. */
  readonly wire = { bytesRead: 0, bytesTaken: 0, reset: (): void => this.reset() }
  /** What was done to the connection, in order. */
  readonly actions: Array<Action> = []
  readonly #answersClose: boolean
  readonly #highWaterMark: number
  readonly #onAction: (action: Action) => void
  readonly remarks = {}
  messagesOut = 0
  bytesOut = 0
  readonly inbox = new Inbox(() => {})
  readonly #writers = waitersUntil(
    () => this.#buffered <= this.#highWaterMark || this.#isSealed || this.inbox.isOver || this.#isSaid
  )
  readonly #flushers = waitersUntil(() => this.#buffered === 0 || this.#isSaid)
  readonly #closers = waitersUntil(() => this.#isClosed)
  #listener: TransportListener | undefined = undefined
  #buffered = 0
  #isBlocked = false
  #isSealed = false
  #isSaid = false
  #isClosed = false

  constructor(options: MemoryTransportOptions = {}) {
    this.remote = options.remote ?? "192.0.2.1:50000"
    this.#answersClose = options.answersClose ?? true
    this.#highWaterMark = options.highWaterMark ?? 10
    this.#onAction = options.onAction ?? (() => {})
  }

  // What the test sees.

  /** The messages that were written, as text. */
  get written(): ReadonlyArray<string> {
    return this.actions.flatMap((action) => (action._tag === "write" ? action.texts : []))
  }

  /** The last words: Close frames as `close 1001 words`, and `end`, `destroy`. */
  get lastWords(): ReadonlyArray<string> {
    return this.actions.flatMap((action) => {
      switch (action._tag) {
        case "close":
          return [
            ["close", action.code, action.reason]
              .filter((part) => part !== undefined && part !== "")
              .join(" ")
          ]
        case "end":
        case "destroy":
        case "reset":
          return [action._tag]
        case "ping":
        case "pong":
        case "raw":
        case "seal":
        case "write":
          return []
      }
    })
  }

  // What the peer and the kernel do.

  /**
   * One read brings these messages.
   *
   * @returns whether they were taken in: after the end nothing is.
   */
  deliver(...texts: ReadonlyArray<string>): boolean {
    if (this.inbox.isOver || this.#listener === undefined) return false
    for (const text of texts) this.inbox.push(Message.text(text))
    this.inbox.wake()
    this.peerSends(texts.reduce((sum, text) => sum + 6 + text.length, 0))
    return true
  }

  /** The peer sends a Close frame, an empty one without a code. */
  peerCloses(code: number = CloseCode.NO_STATUS, reason = ""): void {
    this.#end(StopReason.PeerClosed({ code, reason }))
  }

  /** TCP ends, without a Close frame. */
  peerVanishes(): void {
    this.#end(StopReason.PeerVanished())
  }

  /** A bad frame is read. */
  peerErrs(code: number, reason: string): void {
    this.#end(StopReason.ProtocolError({ code, reason }))
  }

  /** The TCP connection is gone. */
  socketCloses(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#end(StopReason.PeerVanished())
    this.#say()
    this.#buffered = 0
    this.#closers.wake()
    this.#listener?.onClosed()
  }

  /** Bytes come, whatever they mean. */
  peerSends(count = 1): void {
    this.wire.bytesRead += count
  }

  /** A ping comes. */
  peerPings(payload: string): void {
    this.peerSends(6 + payload.length)
    this.#listener?.onPing(Buffer.from(payload))
  }

  /** A pong comes. */
  peerPongs(payload: string): void {
    this.peerSends(6 + payload.length)
    this.#listener?.onPong(payload)
  }

  /** The kernel takes some bytes of what is buffered. */
  takes(count: number): void {
    this.wire.bytesTaken += count
    this.#buffered = Math.max(0, this.#buffered - count)
    this.#writers.wake()
    this.#flushers.wake()
  }

  /** The peer isn't read, or is again. */
  isHeld = false

  /** The kernel takes no more bytes. */
  block(): void {
    this.#isBlocked = true
  }

  /** The kernel takes all that is buffered, and what comes. */
  unblock(): void {
    this.#isBlocked = false
    this.wire.bytesTaken += this.#buffered
    this.#buffered = 0
    this.#writers.wake()
    this.#flushers.wake()
  }

  // What the lifecycle asks for.

  attach(listener: TransportListener): void {
    this.#listener = listener
  }

  get take(): Effect.Effect<ReadonlyArray<Message.Message>> {
    return this.inbox.take
  }

  hasMessages(): boolean {
    return !this.inbox.isEmpty
  }

  isHeard(): boolean {
    return !this.isHeld
  }

  isStalled(): boolean {
    return false
  }

  bufferedBytes(): number {
    return this.#buffered
  }

  untakenBytes(): number {
    return this.#buffered
  }

  outboundCost(): number {
    return this.#buffered
  }

  write(messages: Chunk.Chunk<Message.Message>): boolean {
    if (this.#isSaid) return false
    this.#do({ _tag: "write", texts: Array.from(messages, ({ text }) => text) })
    for (const { bytes } of messages) {
      this.messagesOut++
      this.bytesOut += bytes.length
      this.#sends(bytes.length)
    }
    return true
  }

  /** Whether the peer has ended its side of TCP, unread. */
  isEnded = false

  hasPeerEnded(): boolean {
    return this.isEnded
  }

  isQueueing(): boolean {
    return false
  }

  writeRaw(bytes: Uint8Array): boolean {
    if (this.#isSaid) return false
    this.#do({ _tag: "raw", bytes: Buffer.from(bytes) })
    this.#sends(bytes.length)
    return true
  }

  readonly flushed = this.#flushers.until

  hold(isHeld: boolean): void {
    this.isHeld = isHeld
  }

  readonly drained = this.#writers.until

  seal(): void {
    this.#do({ _tag: "seal" })
    this.#isSealed = true
    this.inbox.finish()
    this.#writers.wake()
  }

  close(code: number | undefined, reason: string): boolean {
    if (!this.#say({ _tag: "close", code, reason })) return false
    if (this.#answersClose) queueMicrotask(() => this.socketCloses())
    return !this.#isClosed
  }

  ping(payload: string): void {
    if (!this.#isSaid) this.#do({ _tag: "ping", payload })
  }

  pong(payload: Buffer): void {
    if (!this.#isSaid) this.#do({ _tag: "pong", payload: payload.toString() })
  }

  end(): void {
    if (this.#say({ _tag: "end" }) && this.#answersClose) queueMicrotask(() => this.socketCloses())
  }

  destroy(): void {
    this.#do({ _tag: "destroy" })
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

  readonly closed = this.#closers.until

  #do(action: Action): void {
    this.actions.push(action)
    this.#onAction(action)
  }

  #end(reason: StopReason): void {
    this.#listener?.onEnding(reason)
    if (this.#isSealed) this.inbox.finish()
  }

  #say(action?: Action): boolean {
    if (this.#isSaid) return false
    if (action !== undefined) this.#do(action)
    this.#isSaid = true
    this.inbox.clear()
    this.inbox.finish()
    this.#writers.wake()
    this.#flushers.wake()
    return true
  }

  #sends(size: number): void {
    if (this.#isBlocked) this.#buffered += size
    else this.wire.bytesTaken += size
  }
}
