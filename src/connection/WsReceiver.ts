/**
 * Where `ws` parses, guarded against two things that a peer may do to it, and kept from copying what is large. It knows
 * nothing of `ws` but what stands here.
 */
import type { Writable } from "node:stream"
import { areLarge } from "../protocol/Pieces.js"

/** How many of the pieces of a frame have been looked at. */
const SETTLED = Symbol("settled")

/** What `ws` parses frames with. With compression it may be behind what was read from TCP. */
export interface Receiver extends Writable {
  readonly _buffers: Array<Buffer>
  readonly _errored: boolean
  /** Of the frame that is being read: its mask, and whether it ends its message. */
  _mask: Buffer | undefined
  _fin: boolean
  readonly _compressed: boolean
  /** Bytes of its payload. */
  _payloadLength: number
  /** Bytes that have been read and not been parsed. */
  readonly _bufferedBytes: number
  /** Frames of the message so far. */
  _numFragments: number
  getData: (callback: (error?: Error) => void) => void
  [SETTLED]?: number
}

/** How many pieces of a frame are kept, and how small on average, before they are put together: each costs some 300 bytes more. */
const MANY_PIECES = 1024
const SMALL_PIECE = 1024

/**
 * Puts together the pieces of a frame, if they are many and small: it may come a byte at a time. Each only once, or a
 * long frame would be copied over and over.
 */
const compact = (receiver: Receiver): void => {
  const pieces = receiver._buffers
  // There are less than before where another frame has begun.
  if (pieces.length < (receiver[SETTLED] ?? 0)) receiver[SETTLED] = 0
  const settled = receiver[SETTLED] ?? 0
  if (pieces.length - settled < MANY_PIECES) return
  const size = pieces.slice(settled).reduce((sum, { length }) => sum + length, 0)
  if (size < SMALL_PIECE * MANY_PIECES) pieces.push(Buffer.concat(pieces.splice(settled), size))
  receiver[SETTLED] = pieces.length
}

/** Smaller payloads are copied into one piece. */
const LARGE = 16 * 1024

/** Whether the payload of a frame is to be left in the pieces in which it was read. `ws` puts together what is text itself. */
const staysInPieces = ({ _buffers, _compressed, _payloadLength }: Receiver): boolean =>
  _payloadLength >= LARGE &&
  !_compressed &&
  (_buffers[0]?.length ?? 0) < _payloadLength &&
  areLarge(_payloadLength, _buffers.length)

/** The mask for what comes so many bytes later (RFC 6455 section 5.3). */
const maskAfter = (mask: Buffer, bytes: number): Buffer =>
  Buffer.from(Uint8Array.from(mask, (_, at) => mask[(at + bytes) % mask.length] ?? 0))

/** How all of them read the payload of a frame, and parse. */
let getData: Receiver["getData"] | undefined
let parse: Writable["_write"] | undefined

/** Lets a receiver read the payload of a large frame a piece at a time, as if each were a frame: it copies none then. */
const getPieces: Receiver["getData"] = function (this: Receiver, callback) {
  if (this._bufferedBytes >= this._payloadLength && staysInPieces(this)) {
    const { _fin, _mask, _numFragments } = this
    let left = this._payloadLength
    let mask = _mask
    this._fin = false
    for (let size = this._buffers[0]?.length ?? 0; size < left; size = this._buffers[0]?.length ?? 0) {
      this._payloadLength = size
      // A piece is none of the fragments of which there may be so many.
      this._numFragments = 0
      getData?.call(this, callback)
      mask &&= maskAfter(mask, size)
      this._mask = mask
      left -= size
    }
    // The rest of it, as what it is.
    this._payloadLength = left
    this._fin = _fin
    this._numFragments = _numFragments
  }
  getData?.call(this, callback)
}

/** One function for all, since they are many. */
const parseGuarded: Writable["_write"] = function (this: Receiver, chunk, encoding, callback) {
  // What was read while a message was inflated is written to the receiver even after it has found a bad frame.
  if (this._errored) return callback()
  parse?.call(this, chunk, encoding, callback)
  compact(this)
}

/** Guards a receiver from now on. */
export const guard = (receiver: Receiver): void => {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its receiver
  parse ??= receiver._write
  receiver._write = parseGuarded
  // oxlint-disable-next-line typescript/unbound-method -- likewise
  getData ??= receiver.getData
  receiver.getData = getPieces
}
