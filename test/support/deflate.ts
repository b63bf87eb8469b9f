/**
 * permessage-deflate by hand (RFC 7692 section 7.2), message by message. What the window holds is passed on as a
 * dictionary, so that nothing has to be kept open.
 */
import * as zlib from "node:zlib"

/** What a flush leaves at the end, and a sender takes away (RFC 7692 section 7.2.1). */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

/** What two sides agreed on for one direction. */
export interface DeflateOptions {
  /** By default 15: a window of 32 KiB. */
  readonly windowBits?: number
  /** Whether a message may refer to those before it; by default it may. */
  readonly contextTakeover?: boolean
  /** 0, for stored blocks, to 9. */
  readonly level?: number
}

/** One direction of a connection: what it does to a message depends on those before. */
export type Direction = (bytes: Uint8Array) => Buffer

const remember = (window: Buffer, bytes: Uint8Array, options: DeflateOptions): Buffer =>
  options.contextTakeover === false
    ? window
    : Buffer.concat([window, bytes]).subarray(-(2 ** (options.windowBits ?? 15)))

const withWindow = (window: Buffer): { readonly dictionary?: Buffer } =>
  window.length === 0 ? {} : { dictionary: window }

/** Compresses messages one after the other. */
export const deflater = (options: DeflateOptions = {}): Direction => {
  let window: Buffer = Buffer.alloc(0)
  return (bytes) => {
    const deflated = zlib.deflateRawSync(bytes, {
      windowBits: options.windowBits ?? 15,
      level: options.level ?? zlib.constants.Z_DEFAULT_COMPRESSION,
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      ...withWindow(window)
    })
    window = remember(window, bytes, options)
    return deflated.subarray(0, -TAIL.length)
  }
}

/** Inflates messages one after the other; throws where they refer to what is not in the window. */
export const inflater = (options: DeflateOptions = {}): Direction => {
  const windowBits = options.windowBits ?? 15
  let window: Buffer = Buffer.alloc(0)
  return (bytes) => {
    const inflated = zlib.inflateRawSync(Buffer.concat([bytes, TAIL]), {
      windowBits,
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      // Within one piece of output zlib lets a reference go back further than the window. A window can't be larger
      // than that of 15 bits.
      ...(windowBits < 15 ? { chunkSize: zlib.constants.Z_MIN_CHUNK } : {}),
      ...withWindow(window)
    })
    window = remember(window, inflated, options)
    return inflated
  }
}
