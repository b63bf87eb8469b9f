/**
 * Messages in the pieces in which they came: to put a large one together costs as much as to read it.
 */
import { Message } from "./Message.js"

/** How large pieces have to be, on average, to be left as they are: each costs some 300 bytes, and a part of a write. */
const LEFT_AS_THEY_ARE = 8 * 1024

/** Whether so many bytes are worth being left in so many pieces. */
export const areLarge = (size: number, count: number): boolean => size >= LEFT_AS_THEY_ARE * count

/** A message in pieces, which are put together for whoever asks for its bytes. */
class InPieces extends Message {
  #pieces: ReadonlyArray<Uint8Array>
  readonly #size: number

  constructor(tag: "Text" | "Binary", pieces: ReadonlyArray<Uint8Array>, size: number) {
    super(tag, NOTHING)
    this.#pieces = pieces
    this.#size = size
    Object.defineProperty(this, "bytes", TOGETHER)
  }

  override get size(): number {
    return this.#size
  }

  get pieces(): ReadonlyArray<Uint8Array> {
    return this.#pieces
  }

  together(): Uint8Array {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces, this.#size)]
    return this.#pieces[0] ?? NOTHING
  }
}

const NOTHING = Buffer.alloc(0)

/** The message has its bytes itself, like others. By one function for all: with one of its own each would be a class of its own. */
const TOGETHER = {
  get(this: InPieces): Uint8Array {
    return this.together()
  },
  enumerable: true
}

/** Makes a message of pieces that came. */
export const message = (tag: "Text" | "Binary", pieces: ReadonlyArray<Uint8Array>): Message => {
  if (pieces.length < 2) return new Message(tag, pieces[0] ?? NOTHING)
  const size = pieces.reduce((sum, { length }) => sum + length, 0)
  return areLarge(size, pieces.length)
    ? new InPieces(tag, pieces, size)
    : new Message(tag, Buffer.concat(pieces, size))
}

/** The pieces that a message is in, in their order. */
export const of = (message: Message): ReadonlyArray<Uint8Array> =>
  message instanceof InPieces ? message.pieces : [message.bytes]
