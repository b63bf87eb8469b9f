/**
 * A transport over `ws`: what happens on the socket, in the order of the wire, turned into what a lifecycle asks for.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import { formatAddress } from "./Address.js"
import * as CloseCode from "../protocol/CloseCode.js"
import { Message } from "../protocol/Message.js"
import { StopReason } from "../protocol/StopReason.js"
import type { Transport, TransportListener } from "./Transport.js"
import { Waiters } from "./Waiters.js"
import type { WsSocket } from "./WsSocket.js"

/** What a message that waits costs beside its payload: the objects around it. */
const MESSAGE_OVERHEAD = 128

const TEXT = { binary: false }
const BINARY = { binary: true }

const protocolError = (code: number, error: Error): StopReason => {
  switch (code) {
    case CloseCode.PROTOCOL_ERROR:
      return StopReason.ProtocolError({
        code,
        reason: error.message.replace("Invalid WebSocket frame: ", "")
      })
    case CloseCode.INVALID_PAYLOAD:
      return StopReason.ProtocolError({
        code,
        reason: error.message.includes("UTF-8") ? "invalid UTF-8" : "invalid compressed data"
      })
    case CloseCode.MESSAGE_TOO_BIG:
      return StopReason.ProtocolError({ code, reason: "message too big" })
    default:
      // `ws` calls a message in too many fragments a policy violation (1008): it is too big to be kept in pieces.
      return StopReason.ProtocolError({
        code: CloseCode.MESSAGE_TOO_BIG,
        reason: "message in too many fragments"
      })
  }
}

/** A transport over one `ws` connection. */
export class WsTransport implements Transport {
  readonly remote: string
  readonly #ws: WsSocket
  readonly #socket: Socket
  readonly #highWaterMark: number
  readonly #takers = new Waiters()
  readonly #writers = new Waiters()
  readonly #closers = new Waiters()
  #listener: TransportListener | undefined = undefined
  #inbox: Array<Message> = []
  #inboxCost = 0
  #isPaused = false
  /** No more messages will be put into the inbox. */
  #isOver = false
  #isSealed = false
  /** The last thing that this side has to say, a Close frame or the end of TCP, has been said. */
  #isSaid = false
  #peerEnded = false
  #isClosed = false
  #isCorked = false
  #badFrameCode: number | undefined = undefined

  /** @param highWaterMark outbound bytes buffered before reading pauses. */
  constructor(ws: WsSocket, socket: Socket, highWaterMark: number) {
    this.#ws = ws
    this.#socket = socket
    this.#highWaterMark = highWaterMark
    this.remote = formatAddress(socket.remoteAddress, socket.remotePort)
  }

  attach(listener: TransportListener): void {
    this.#listener = listener
    this.#ws.onCloseWanted = (code, data) => this.#onCloseWanted(code, data)
    this.#ws.on("message", (data, isBinary) => {
      if (Buffer.isBuffer(data)) this.#onMessage(data, isBinary)
    })
    this.#ws.on("ping", (data) => this.#onPing(data))
    this.#ws.on("error", (error) => this.#onError(error))
    // Before `ws` hears of it: a fiber must not find the connection unusable before the reason is given.
    this.#socket.prependListener("error", () => this.#onGone())
    this.#socket.prependListener("close", () => this.#onClose())
    this.#socket.on("end", () => this.#onEnd())
  }

  readonly take: Effect.Effect<ReadonlyArray<Message>> = Effect.suspend(() => {
    if (this.#inbox.length === 0 && !this.#isOver) return Effect.zipRight(this.#takers.wait, this.take)
    const messages = this.#inbox
    this.#inbox = []
    this.#inboxCost = 0
    this.#read()
    return Effect.succeed(messages)
  })

  hasMessages(): boolean {
    return this.#inbox.length > 0
  }

  bufferedBytes(): number {
    return this.#ws.bufferedAmount
  }

  write(messages: Chunk.Chunk<Message>): boolean {
    if (this.#isSaid || this.#ws.readyState !== this.#ws.OPEN) return false
    const last = messages.length - 1
    // One system call for the batch.
    this.#socket.cork()
    for (let i = 0; i <= last; i++) {
      const message = Chunk.unsafeGet(messages, i)
      const options = message._tag === "Text" ? TEXT : BINARY
      if (i < last) this.#ws.send(message.bytes, options)
      else this.#ws.send(message.bytes, options, this.#onWritten)
    }
    this.#socket.uncork()
    if (this.#isFull()) this.#pause()
    return true
  }

  readonly drained: Effect.Effect<void> = Effect.suspend(() =>
    this.#isFull() && !this.#isSealed && !this.#isOver && !this.#isSaid
      ? Effect.zipRight(this.#writers.wait, this.drained)
      : Effect.void
  )

  seal(): void {
    if (this.#isSealed) return
    this.#isSealed = true
    this.#pause()
    this.#ws.afterReceived(() => this.#finish())
    this.#writers.wake()
  }

  close(code: number | undefined, reason: string): void {
    if (!this.#say()) return
    if (code === undefined) this.#ws.sendClose()
    else this.#ws.sendClose(code, reason)
    if (this.#peerEnded) this.#ws.passEnd()
    this.#ws.resume()
  }

  end(): void {
    if (!this.#say()) return
    if (this.#peerEnded) this.#ws.passEnd()
    else this.#socket.end()
    this.#ws.resume()
  }

  destroy(): void {
    this.#say()
    this.#ws.terminate()
  }

  isClosed(): boolean {
    return this.#isClosed
  }

  readonly closed: Effect.Effect<void> = Effect.suspend(() =>
    this.#isClosed ? Effect.void : Effect.zipRight(this.#closers.wait, this.closed)
  )

  /** `ws` wants to send a Close frame, with a payload if it is an answer to one, and with a code alone to a bad frame. */
  #onCloseWanted(code: number | undefined, data: string | Buffer | undefined): void {
    if (this.#isSaid) return this.#ws.sendClose(code, data)
    if (code !== undefined && data === undefined) {
      // The error that follows tells what was wrong with the frame.
      this.#badFrameCode = code
      return
    }
    this.#listener?.onEnding(
      StopReason.PeerClosed({
        code: code ?? CloseCode.NO_STATUS,
        reason: data === undefined ? "" : data.toString()
      })
    )
    this.#finish()
  }

  #onError(error: Error): void {
    if (this.#badFrameCode === undefined) return this.#onGone()
    this.#listener?.onEnding(protocolError(this.#badFrameCode, error))
    this.#finish()
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#isOver) return
    this.#inbox.push(new Message(isBinary ? "Binary" : "Text", data))
    this.#inboxCost += data.length + MESSAGE_OVERHEAD
    if (this.#inboxCost > this.#highWaterMark) this.#pause()
    this.#takers.wake()
  }

  // By hand, since `ws` ends the connection of a peer that sends more than a few pings in one read.
  #onPing(data: Buffer): void {
    if (this.#isSaid || this.#ws.readyState !== this.#ws.OPEN) return
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#ws.pong(data, false, this.#onWritten)
    if (this.#isFull()) this.#pause()
  }

  #onEnd(): void {
    if (this.#isSaid) return this.#ws.passEnd()
    this.#peerEnded = true
    this.#ws.afterReceived(() => this.#onGone())
  }

  /** The peer is gone, for the reason that was given before if there was one. */
  #onGone(): void {
    this.#listener?.onEnding(StopReason.PeerVanished())
    this.#finish()
  }

  #onClose(): void {
    this.#isClosed = true
    this.#onGone()
    this.#say()
    this.#closers.wake()
    this.#listener?.onClosed()
  }

  readonly #onWritten = (): void => {
    if (this.#isFull()) return
    this.#writers.wake()
    this.#read()
  }

  #say(): boolean {
    if (this.#isSaid) return false
    this.#isSaid = true
    this.#inbox = []
    this.#finish()
    this.#writers.wake()
    return true
  }

  #finish(): void {
    this.#isOver = true
    this.#takers.wake()
  }

  #isFull(): boolean {
    return this.#ws.bufferedAmount > this.#highWaterMark
  }

  #pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#ws.pause()
  }

  #read(): void {
    if (!this.#isPaused || this.#isSealed || this.#isSaid) return
    if (this.#inboxCost > this.#highWaterMark || this.#isFull()) return
    this.#isPaused = false
    this.#ws.resume()
  }
}
