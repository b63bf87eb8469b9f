/**
 * Where `ws` parses, guarded against two things that a peer may do to it. It knows nothing of `ws` but what stands here.
 */
import type { Writable } from "node:stream"

/** How many of the pieces of a frame have been looked at. */
const SETTLED = Symbol("settled")

/** What `ws` parses frames with. With compression it may be behind what was read from TCP. */
export interface Receiver extends Writable {
  readonly _buffers: Array<Buffer>
  readonly _errored: boolean
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

/** How all of them parse. */
let parse: Writable["_write"] | undefined

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
}
