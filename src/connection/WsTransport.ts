/**
 * A transport over `ws`: what happens on the socket, in the order of the wire, turned into what a lifecycle asks for.
 */
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import { type Carried, carry } from "./Carrier.js"
import { Inbox, MESSAGE_OVERHEAD, type Reader } from "./Inbox.js"
import { Outbox } from "./Outbox.js"
import type { Message } from "../protocol/Message.js"
import * as Pieces from "../protocol/Pieces.js"
import { StopReason } from "../protocol/StopReason.js"
import { NO_REMARKS, type RawTransport, type TransportListener, type TransportOptions } from "./Transport.js"
import { wakeAfterReads } from "./Turn.js"
import { hasEnded, type Wire } from "./Wire.js"
import { type Waiters, waitersUntil } from "./Waiters.js"
import { tooBig, type WsListener, type WsSocket } from "./WsSocket.js"

export class WsTransport implements RawTransport, WsListener, Carried, Reader {
  readonly remote: string
  readonly wire: Wire
  readonly remarks = NO_REMARKS
  readonly inbox = new Inbox(this)
  readonly #ws: WsSocket
  readonly #socket: Socket
  readonly #outbox: Outbox
  readonly #highWaterMark: number
  readonly #maxPayload: number
  #closers: Waiters | undefined = undefined
  #listener: TransportListener | undefined = undefined
  #isPaused = false
  #isHeld = false
  #isSealed = false
  /** The last thing that this side has to say, a Close frame or the end of TCP, has been said. */
  #isSaid = false
  #peerEnded = false
  #isClosed = false
  #isFailed = false

  constructor(ws: WsSocket, socket: Socket, options: TransportOptions) {
    this.remote = options.remote
    this.wire = options.wire
    this.#highWaterMark = options.highWaterMark
    this.#maxPayload = options.maxPayload
    this.#ws = ws
    this.#socket = socket
    this.#outbox = new Outbox(ws, socket, options.highWaterMark, this)
  }

  attach(listener: TransportListener): void {
    this.#listener = listener
    this.#ws.listen(this)
    // Told before `ws`: a fiber must not find the connection unusable before the reason is given.
    carry(this.#socket, this)
  }

  get take(): Effect.Effect<ReadonlyArray<Message>> {
    return this.inbox.take
  }

  hasMessages(): boolean {
    return !this.inbox.isEmpty
  }

  isHeard(): boolean {
    return !this.#isPaused
  }

  isStalled(): boolean {
    return false
  }

  get messagesOut(): number {
    return this.#outbox.messages
  }

  get bytesOut(): number {
    return this.#outbox.bytes
  }

  bufferedBytes(): number {
    return this.#outbox.bufferedBytes
  }

  untakenBytes(): number {
    return this.#outbox.bufferedBytes
  }

  outboundCost(): number {
    return this.#outbox.cost()
  }

  write(messages: Chunk.Chunk<Message>): boolean {
    if (!this.#canSend) return false
    this.#outbox.write(messages)
    if (this.#outbox.isFull) this.#pause()
    return true
  }

  hasPeerEnded(): boolean {
    return hasEnded(this.#socket)
  }

  isQueueing(): boolean {
    return this.#outbox.isQueueing
  }

  writeRaw(bytes: Uint8Array): boolean {
    if (!this.#canSend) return false
    this.#outbox.writeRaw(bytes)
    return true
  }

  get drained(): Effect.Effect<void> {
    return this.#outbox.drained
  }

  get flushed(): Effect.Effect<void> {
    return this.#outbox.flushed
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    if (isHeld) this.#pause()
    else this.readOn()
  }

  seal(): void {
    if (this.#isSealed) return
    this.#isSealed = true
    // After the last word it is read on, and nothing taken: the end of the peer's side would go unnoticed otherwise.
    if (!this.#isSaid) this.#pause()
    this.#ws.afterReceived(() => this.inbox.finish())
    // As much more as it takes to answer what was read.
    this.#outbox.allow(this.bufferedBytes() + this.inbox.cost)
  }

  close(code: number | undefined, reason: string): boolean {
    const isOpen = this.#ws.readyState === this.#ws.OPEN
    if (!this.#say()) return false
    this.#ws.sendClose(code, reason)
    // A failed connection isn't kept for the peer's answer (RFC 6455 section 7.1.7).
    if (this.#isFailed || this.#peerEnded) this.#endSoon()
    this.#ws.resume()
    return isOpen
  }

  ping(payload: string): void {
    if (this.#canSend) this.#outbox.ping(payload)
  }

  // By hand, since `ws` ends the connection of a peer that sends more than a few pings in one read.
  pong(payload: Buffer): void {
    if (!this.#canSend) return
    this.#outbox.pong(payload)
    if (this.#outbox.isFull) this.#pause()
  }

  end(): void {
    if (!this.#say()) return
    this.#endSoon()
    this.#ws.resume()
  }

  destroy(): void {
    this.#say()
    this.#ws.terminate()
  }

  reset(): void {
    this.#say()
    this.wire.reset()
  }

  isClosed(): boolean {
    return this.#isClosed
  }

  get closed(): Effect.Effect<void> {
    return (this.#closers ??= waitersUntil(() => this.#isClosed)).until
  }

  onEnding(reason: StopReason): void {
    this.#listener?.onEnding(reason)
    // Unless nobody is to know of it yet.
    if (this.#isSealed) this.inbox.finish()
  }

  onMessage(pieces: ReadonlyArray<Buffer>, isBinary: boolean): void {
    if (this.inbox.isOver || this.#isFailed) return
    const message = Pieces.message(isBinary ? "Binary" : "Text", pieces)
    if (message.size > this.#maxPayload) {
      // One that came compressed: its frames were not too large.
      this.#isFailed = true
      return this.onEnding(StopReason.ProtocolError(tooBig))
    }
    if (this.#isSealed) this.#outbox.allow(message.size + MESSAGE_OVERHEAD)
    if (this.inbox.isEmpty) wakeAfterReads(this.inbox)
    this.inbox.push(message)
    if (this.inbox.cost > this.#highWaterMark) this.#pause()
  }

  onPing(payload: Buffer): void {
    this.#listener?.onPing(payload)
  }

  onPong(payload: string): void {
    this.#listener?.onPong(payload)
  }

  onEnd(): void {
    this.#peerEnded = true
    if (this.#isSaid) return this.#endSoon()
    this.#ws.afterReceived(() => this.onFailed())
  }

  onFailed(): void {
    this.onEnding(StopReason.PeerVanished())
  }

  onClosed(): void {
    this.#isClosed = true
    this.onFailed()
    this.#say()
    this.#closers?.wake()
    this.#listener?.onClosed()
  }

  #endSoon(): void {
    this.#outbox.afterLast(() => (this.#peerEnded ? this.#ws.passEnd() : this.#ws.endTcp()))
  }

  #say(): boolean {
    if (this.#isSaid) return false
    this.#isSaid = true
    this.#ws.said()
    this.inbox.clear()
    this.inbox.finish()
    this.#outbox.finish()
    return true
  }

  get #canSend(): boolean {
    return !this.#isSaid && this.#ws.readyState === this.#ws.OPEN
  }

  #pause(): void {
    if (!this.#isPaused) this.#ws.pause()
    this.#isPaused = true
  }

  readOn(): void {
    if (!this.#isPaused || this.#isHeld || this.#isSealed || this.#isSaid) return
    if (this.inbox.cost > this.#highWaterMark || this.#outbox.isFull) return
    this.#isPaused = false
    this.#ws.resume()
  }
}
