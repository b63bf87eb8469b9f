/**
 * A transport over `ws`: what happens on the socket, in the order of the wire, turned into what a lifecycle asks for.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import { Inbox, MESSAGE_OVERHEAD } from "./Inbox.js"
import * as CloseCode from "../protocol/CloseCode.js"
import { Message } from "../protocol/Message.js"
import { StopReason } from "../protocol/StopReason.js"
import type { Transport, TransportListener, TransportOptions } from "./Transport.js"
import type { Wire } from "./Wire.js"
import { TurnCork } from "./TurnCork.js"
import { Waiters } from "./Waiters.js"
import { tooBig, type WsSocket } from "./WsSocket.js"

const TEXT = { binary: false }
const BINARY = { binary: true }

export class WsTransport implements Transport {
  readonly remote: string
  readonly wire: Wire
  readonly #ws: WsSocket
  readonly #socket: Socket
  readonly #pongs: TurnCork
  readonly #options: TransportOptions
  /** Outbound bytes that may be buffered before writes wait: once sealed, as much more as it takes to answer the rest. */
  #limit: number
  readonly #inbox = new Inbox(() => this.#read())
  readonly #writers = new Waiters(() => this.#mayWrite())
  readonly #closers = new Waiters(() => this.#isClosed)
  #listener: TransportListener | undefined = undefined
  #isPaused = false
  #isSealed = false
  /** The last thing that this side has to say, a Close frame or the end of TCP, has been said. */
  #isSaid = false
  #peerEnded = false
  #isClosed = false
  /** The peer broke a rule that `ws` doesn't know of. */
  #isFailed = false
  /** TCP is to end when all has been written: compressed messages take a while. */
  #isEnding = false
  /** Batches that the kernel has yet to take. */
  #unwritten = 0

  constructor(ws: WsSocket, socket: Socket, options: TransportOptions) {
    this.remote = options.remote
    this.wire = options.wire
    this.#options = options
    this.#ws = ws
    this.#socket = socket
    this.#pongs = new TurnCork(socket)
    this.#limit = options.highWaterMark
  }

  attach(listener: TransportListener): void {
    this.#listener = listener
    this.#ws.listen({
      onMessage: (data, isBinary) => this.#onMessage(data, isBinary),
      onPing: (payload) => this.#onPing(payload),
      onPong: (payload) => listener.onPong(payload.toString("latin1")),
      onClose: (code = CloseCode.NO_STATUS, reason) =>
        this.#onEnding(StopReason.PeerClosed({ code, reason })),
      onBadFrame: (wrong) => this.#onEnding(StopReason.ProtocolError(wrong)),
      onFailed: () => this.#onGone()
    })
    // Before `ws` hears of it: a fiber must not find the connection unusable before the reason is given.
    this.#socket.prependListener("error", () => this.#onGone())
    this.#socket.prependListener("close", () => this.#onClose())
    this.#socket.on("end", () => this.#onEnd())
  }

  get take(): Effect.Effect<ReadonlyArray<Message>> {
    return this.#inbox.take
  }

  hasMessages(): boolean {
    return !this.#inbox.isEmpty
  }

  isReading(): boolean {
    return !this.#isPaused
  }

  bufferedBytes(): number {
    return this.#ws.bufferedAmount
  }

  write(messages: Chunk.Chunk<Message>): boolean {
    if (!this.#canSend) return false
    const last = messages.length - 1
    // One system call for the batch.
    this.#socket.cork()
    for (let i = 0; i <= last; i++) {
      const message = Chunk.unsafeGet(messages, i)
      const options = message._tag === "Text" ? TEXT : BINARY
      if (i < last) this.#ws.send(message.bytes, options)
      else {
        this.#unwritten++
        this.#ws.send(message.bytes, options, this.#onWritten)
      }
    }
    this.#socket.uncork()
    if (this.#isFull()) this.#pause()
    return true
  }

  readonly drained: Effect.Effect<void> = Effect.suspend(() =>
    this.#mayWrite() ? Effect.void : Effect.zipRight(this.#writers.wait, this.drained)
  )

  seal(): void {
    if (this.#isSealed) return
    this.#isSealed = true
    this.#limit += this.bufferedBytes() + this.#inbox.cost
    this.#pause()
    this.#ws.afterReceived(() => this.#inbox.finish())
    this.#writers.wake()
  }

  close(code: number | undefined, reason: string): boolean {
    const isOpen = this.#ws.readyState === this.#ws.OPEN
    if (!this.#say()) return false
    if (code === undefined) this.#ws.sendClose()
    else this.#ws.sendClose(code, reason)
    // A failed connection isn't kept for the peer's answer (RFC 6455 section 7.1.7).
    if (this.#isFailed || this.#peerEnded) this.#endSoon()
    this.#ws.resume()
    return isOpen
  }

  ping(payload: string): void {
    if (this.#canSend) this.#ws.ping(payload)
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

  readonly isClosed = (): boolean => this.#isClosed

  readonly closed: Effect.Effect<void> = Effect.suspend(() =>
    this.#isClosed ? Effect.void : Effect.zipRight(this.#closers.wait, this.closed)
  )

  /** The peer ends the connection. What it sent before can still be taken. */
  #onEnding(reason: StopReason): void {
    this.#listener?.onEnding(reason)
    this.#inbox.finish()
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#inbox.isOver) return
    if (data.length > this.#options.maxPayload) {
      // One that came compressed: its frames were not too large.
      this.#isFailed = true
      return this.#onEnding(StopReason.ProtocolError(tooBig))
    }
    if (this.#isSealed) this.#limit += data.length + MESSAGE_OVERHEAD
    this.#inbox.push(new Message(isBinary ? "Binary" : "Text", data))
    if (this.#inbox.cost > this.#options.highWaterMark) this.#pause()
  }

  // By hand, since `ws` ends the connection of a peer that sends more than a few pings in one read.
  #onPing(data: Buffer): void {
    if (!this.#canSend) return
    this.#pongs.cork()
    this.#ws.pong(data, false, this.#onFlushed)
    if (this.#isFull()) this.#pause()
  }

  #onEnd(): void {
    this.#peerEnded = true
    if (this.#isSaid) return this.#endSoon()
    this.#ws.afterReceived(() => this.#onGone())
  }

  /** The peer is gone, for the reason that was given before if there was one. */
  #onGone(): void {
    this.#onEnding(StopReason.PeerVanished())
  }

  #onClose(): void {
    this.#isClosed = true
    this.#onGone()
    this.#say()
    this.#closers.wake()
    this.#listener?.onClosed()
  }

  readonly #onWritten = (): void => {
    this.#unwritten--
    if (this.#isEnding && this.#unwritten === 0) this.#endNow()
    this.#onFlushed()
  }

  readonly #onFlushed = (): void => {
    if (this.#mayWrite()) this.#writers.wake()
    this.#read()
  }

  #endSoon(): void {
    if (this.#unwritten === 0) this.#endNow()
    else this.#isEnding = true
  }

  #endNow(): void {
    this.#isEnding = false
    if (this.#peerEnded) this.#ws.passEnd()
    else this.#socket.end()
  }

  #say(): boolean {
    if (this.#isSaid) return false
    this.#isSaid = true
    this.#ws.said()
    this.#inbox.clear()
    this.#inbox.finish()
    this.#writers.wake()
    return true
  }

  get #canSend(): boolean {
    return !this.#isSaid && this.#ws.readyState === this.#ws.OPEN
  }

  #mayWrite(): boolean {
    return this.#isSaid || this.bufferedBytes() <= this.#limit
  }

  #isFull(): boolean {
    return this.#ws.bufferedAmount > this.#options.highWaterMark
  }

  #pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#ws.pause()
  }

  #read(): void {
    if (!this.#isPaused || this.#isSealed || this.#isSaid) return
    if (this.#inbox.cost > this.#options.highWaterMark || this.#isFull()) return
    this.#isPaused = false
    this.#ws.resume()
  }
}
