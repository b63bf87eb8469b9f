/**
 * Messages that are written, and what of them waits to be taken by the kernel.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import * as Frame from "../protocol/Frame.js"
import { type Message, Prepared } from "../protocol/Message.js"
import { MESSAGE_OVERHEAD, type Reader } from "./Inbox.js"
import * as Pieces from "../protocol/Pieces.js"
import { TurnCork } from "./TurnCork.js"
import { type Waiters, waitersUntil } from "./Waiters.js"
import type { WsSocket } from "./WsSocket.js"

/**
 * Messages that are so large on average are copied into one piece, up to that size of it: a write of one piece costs
 * the kernel, and Node, half as much as one of two.
 */
const COPIED = { average: 2 * 1024, most: 64 * 1024 }

const NOTHING = new Uint8Array(0)

/** How `ws` is to send a message. */
const SENT = {
  Text: { binary: false },
  Binary: { binary: true }
}

/** How it is to send one that is never compressed. */
const PREPARED = {
  Text: { binary: false, compress: false },
  Binary: { binary: true, compress: false }
}

/** What is written to a peer. */
export class Outbox {
  messages = 0
  bytes = 0
  readonly #ws: WsSocket
  readonly #socket: Socket
  readonly #highWaterMark: number
  readonly #reader: Reader
  #pongs: TurnCork | undefined = undefined
  /** Nothing is compressed, and so nothing waits within `ws`, which has no part in what is written. */
  readonly #isPlain: boolean
  /** Made when somebody waits, which is seldom. */
  #writers: Waiters | undefined = undefined
  #flushers: Waiters | undefined = undefined
  /** Outbound bytes that may be buffered before writes wait. */
  #limit: number
  /** Batches whose callback has yet to come. */
  #unwritten = 0
  /** Those of them, the oldest, that are known to be taken: of what the kernel takes at once Node tells later in the turn. */
  #taken = 0
  #isOver = false
  #afterLast: (() => void) | undefined = undefined
  #written: (() => void) | undefined = undefined

  /** @param reader reads on when the kernel has taken something. */
  constructor(ws: WsSocket, socket: Socket, highWaterMark: number, reader: Reader) {
    this.#ws = ws
    this.#socket = socket
    this.#highWaterMark = highWaterMark
    this.#limit = highWaterMark
    this.#reader = reader
    this.#isPlain = ws.extensions === ""
  }

  /** Bytes that the kernel hasn't taken. */
  get bufferedBytes(): number {
    return this.#ws.bufferedAmount
  }

  /** The memory that what waits takes, in bytes. */
  cost(): number {
    const bytes = this.bufferedBytes
    if (bytes === 0) this.#taken = this.#unwritten
    return bytes === 0 ? 0 : bytes + MESSAGE_OVERHEAD * (this.#unwritten - this.#taken)
  }

  /** Whether messages wait to be compressed. */
  get isQueueing(): boolean {
    return !this.#isPlain && this.#ws.isCompressing
  }

  /** Whether more is buffered than should be. */
  get isFull(): boolean {
    return this.#ws.bufferedAmount > this.#highWaterMark
  }

  /** Whether nothing waits to be taken, or will be. */
  get isFlushed(): boolean {
    return this.#isOver || (this.#ws.bufferedAmount === 0 && !this.isQueueing)
  }

  /** Writes messages as one batch. */
  write(chunk: Chunk.Chunk<Message>): void {
    // As an array: what iterates a chunk makes three objects for each, and as many for each of its messages.
    const messages = chunk.length === 1 ? [Chunk.unsafeHead(chunk)] : Chunk.toReadonlyArray(chunk)
    const [only] = messages
    if (only === undefined) return
    this.messages += messages.length
    for (const { size } of messages) this.bytes += size
    this.#unwritten++
    // It must not overtake what is being compressed.
    if (messages.length === 1 && only instanceof Prepared && !this.isQueueing) {
      this.#socket.write(only.frame, this.#onWritten)
      return
    }
    if (!this.#isPlain) return this.#compress(messages)
    const size = Frame.sizeOf(messages)
    if (size <= Math.min(COPIED.average * messages.length, COPIED.most))
      this.#socket.write(Frame.join(messages, size), this.#onWritten)
    else this.#gather(messages)
  }

  /** Without a copy, in one system call. */
  #gather(messages: ReadonlyArray<Message>): void {
    this.#socket.cork()
    let left = messages.length
    for (const message of messages) {
      left--
      this.#socket.write(Frame.header(message._tag, message.size))
      const pieces = Pieces.of(message)
      let more = pieces.length
      for (const piece of pieces) {
        more--
        if (left > 0 || more > 0) this.#socket.write(piece)
        else this.#socket.write(piece, this.#onWritten)
      }
    }
    this.#socket.uncork()
  }

  #compress(messages: ReadonlyArray<Message>): void {
    const last = messages.length - 1
    this.#socket.cork()
    for (const [i, message] of messages.entries()) {
      const { _tag, bytes } = message
      const options = message instanceof Prepared ? PREPARED[_tag] : SENT[_tag]
      if (i < last) this.#ws.send(bytes, options)
      else this.#ws.send(bytes, options, this.#onWritten)
    }
    this.#socket.uncork()
  }

  /** Writes bytes past `ws`. */
  writeRaw(bytes: Uint8Array): void {
    this.#unwritten++
    this.#socket.write(bytes, this.#onWritten)
  }

  /** Writes a ping. */
  ping(payload: string): void {
    this.#ws.ping(payload, false, () => this.#onSent())
  }

  /** Writes a pong. */
  pong(payload: Buffer): void {
    this.#pongs ??= new TurnCork(this.#socket)
    this.#pongs.cork()
    this.#ws.pong(payload, false, () => this.#onSent())
  }

  /** Waits while more than the limit is buffered. Asked for when it is to be run. */
  get drained(): Effect.Effect<void> {
    if (this.#mayWrite()) return Effect.void
    this.#writers ??= waitersUntil(() => this.#mayWrite())
    return this.#writers.until
  }

  /** Waits until nothing is. */
  get flushed(): Effect.Effect<void> {
    // Nobody tells when the answer to the handshake has been taken, which takes a while with TLS: what comes behind it does.
    if (!this.isFlushed && this.#unwritten === 0) this.writeRaw(NOTHING)
    this.#flushers ??= waitersUntil(() => this.isFlushed)
    return this.#flushers.until
  }

  /** Lets so many more bytes be buffered before writes wait. */
  allow(bytes: number): void {
    this.#limit += bytes
    this.#writers?.wake()
  }

  /** No more will be written: nobody is to wait for it. */
  finish(): void {
    this.#isOver = true
    this.#writers?.wake()
    this.#flushers?.wake()
  }

  /** Runs a callback when the last batch has been handed to the kernel: compressed messages take a while. */
  afterLast(then: () => void): void {
    if (this.#unwritten === 0) then()
    else this.#afterLast = then
  }

  /** Called when a batch has been written. Made with the first: most connections say nothing. */
  get #onWritten(): () => void {
    return (this.#written ??= () => {
      this.#unwritten--
      if (this.#taken > 0) this.#taken--
      if (this.#unwritten === 0) {
        const then = this.#afterLast
        this.#afterLast = undefined
        then?.()
      }
      this.#onSent()
    })
  }

  #onSent(): void {
    if (this.#mayWrite()) this.#writers?.wake()
    if (this.isFlushed) this.#flushers?.wake()
    this.#reader.readOn()
  }

  #mayWrite(): boolean {
    return this.#isOver || this.#ws.bufferedAmount <= this.#limit
  }
}
