/**
 * Messages that are cheap to make and to check: a number of their own, and a piece of a text that both sides of the
 * soak know. The text is masked once, not for each message.
 */
import * as Frames from "../support/frames.js"
import { Random } from "./Random.js"

export type Kind = "text" | "binary"

export const MAX_SIZE = 1024 * 1024
/** Who sent it and which of his messages it is, each in eight hexadecimal digits. */
export const HEADER = 16
/** Where a piece begins differs from message to message by so much at most. */
const SLACK = 64 * 1024
/** Copying so much costs less than another write. */
const SMALL = 4096
/** Pieces begin and end between characters: these are all as long as a mask. */
const WORDS = ["echo", "0;9\n", "é¡", "ü-x", "€.", "語 ", "😀", "𝄞"] as const

const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, "0")
const headerOf = (sender: number, number: number): string => hex(sender) + hex(number)

interface Pool {
  readonly plain: Buffer
  readonly masked: Buffer
}

/** Makes and checks the messages of a soak. */
export class Messages {
  readonly #key: Buffer
  readonly #pools: Readonly<Record<Kind, Pool>>

  constructor(seed: number) {
    const random = new Random(seed)
    this.#key = Buffer.alloc(4)
    this.#key.writeUInt32BE(random.bits())
    this.#pools = {
      text: this.#pool((plain, at) => plain.write(random.oneOf(WORDS), at)),
      binary: this.#pool((plain, at) => plain.writeUInt32BE(random.bits(), at))
    }
  }

  #pool(fill: (plain: Buffer, at: number) => void): Pool {
    const plain = Buffer.alloc(MAX_SIZE + SLACK)
    for (let at = 0; at < plain.length; at += 4) fill(plain, at)
    const masked = Buffer.from(plain)
    for (let i = 0; i < masked.length; i++) masked[i] = (masked[i] ?? 0) ^ (this.#key[i & 3] ?? 0)
    return { plain, masked }
  }

  /** A size that a message can have: a text ends with a whole word. */
  static size(kind: Kind, wanted: number): number {
    const size = Math.min(MAX_SIZE, Math.max(HEADER, wanted))
    return kind === "text" ? size - (size % 4) : size
  }

  /** The frame of a message, in one piece or two. */
  frame(sender: number, number: number, kind: Kind, size: number): ReadonlyArray<Buffer> {
    const [start, end] = this.#piece(sender, number, size)
    const body = this.#pools[kind].masked.subarray(start, end)
    const lengthBytes = size < 126 ? 0 : size < 65_536 ? 2 : 8
    const isSmall = size <= SMALL
    const at = 2 + lengthBytes
    const head = Buffer.allocUnsafe(at + 4 + HEADER + (isSmall ? body.length : 0))
    head[0] = 0x80 | (kind === "text" ? Frames.TEXT : Frames.BINARY)
    head[1] = 0x80 | (lengthBytes === 0 ? size : lengthBytes === 2 ? 126 : 127)
    if (lengthBytes === 2) head.writeUInt16BE(size, 2)
    else if (lengthBytes === 8) head.writeBigUInt64BE(BigInt(size), 2)
    this.#key.copy(head, at)
    head.write(headerOf(sender, number), at + 4, "latin1")
    for (let i = 0; i < HEADER; i++) head[at + 4 + i] = (head[at + 4 + i] ?? 0) ^ (this.#key[i & 3] ?? 0)
    if (!isSmall) return [head, body]
    body.copy(head, at + 4 + HEADER)
    return [head]
  }

  /** Whether these are the bytes of that message. */
  isSame(payload: Buffer, sender: number, number: number, kind: Kind): boolean {
    if (payload.length < HEADER || payload.toString("latin1", 0, HEADER) !== headerOf(sender, number))
      return false
    const [start, end] = this.#piece(sender, number, payload.length)
    return payload.compare(this.#pools[kind].plain, start, end, HEADER) === 0
  }

  #piece(sender: number, number: number, size: number): readonly [start: number, end: number] {
    const start = ((sender * 31 + number * 17) * 4) % SLACK
    return [start, start + size - HEADER]
  }
}

/** What one connection said and heard: every echo must be the next. */
export class Transcript {
  /** The kinds and sizes of the messages that were sent, in order; what has been heard is forgotten. */
  readonly #awaited: Array<{ readonly kind: Kind; readonly size: number }> = []
  readonly #messages: Messages
  readonly #sender: number
  sent = 0
  echoed = 0
  bytesSent = 0
  bytesEchoed = 0

  constructor(messages: Messages, sender: number) {
    this.#messages = messages
    this.#sender = sender
  }

  get isComplete(): boolean {
    return this.echoed === this.sent
  }

  /** The bytes of the next message. */
  say(kind: Kind, wanted: number): ReadonlyArray<Buffer> {
    const size = Messages.size(kind, wanted)
    this.#awaited.push({ kind, size })
    this.bytesSent += size
    return this.#messages.frame(this.#sender, this.sent++, kind, size)
  }

  /** Takes a message of the server; tells what is wrong with it. */
  hear(frame: Frames.ServerFrame): string | undefined {
    const next = this.#awaited.shift()
    if (next === undefined) return `heard ${Frames.describe(frame)}, though all was echoed`
    const number = this.echoed
    const kind = frame.opcode === Frames.TEXT ? "text" : "binary"
    const isSame =
      frame.fin &&
      kind === next.kind &&
      frame.payload.length === next.size &&
      this.#messages.isSame(frame.payload, this.#sender, number, kind)
    if (!isSame) {
      return `heard ${frame.payload.toString("latin1", 0, HEADER)} (${Frames.describe(frame)}) as the echo of ${headerOf(this.#sender, number)} (${next.kind} ${next.size} bytes), message ${number} of ${this.sent}`
    }
    this.echoed++
    this.bytesEchoed += frame.payload.length
    return undefined
  }
}
