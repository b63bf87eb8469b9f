/**
 * A frame as a server sends it: not masked (RFC 6455 section 5.2).
 */

/** What a data frame carries. */
export const OPCODES = { Text: 0x1, Binary: 0x2 } as const

/** A message, as far as its frame goes. */
interface Data {
  readonly _tag: keyof typeof OPCODES
  readonly bytes: Uint8Array
}

/** As far as the size of its frame goes. */
interface Sized {
  readonly size: number
}

/** The second reserved bit: no extension that this server speaks gives it a meaning, so no peer may accept it. */
export const RSV2 = 0x20

const FIN = 0x80

/** A message as an unfragmented frame. */
export const whole = ({ _tag, bytes }: Data, reserved = 0): Buffer =>
  Buffer.concat([header(_tag, bytes.length, reserved), bytes])

const headerSize = (size: number): number => (size < 126 ? 2 : size < 65_536 ? 4 : 10)

/** How many bytes messages take as unfragmented frames. */
export const sizeOf = (messages: ReadonlyArray<Sized>): number => {
  let sum = 0
  for (const { size } of messages) sum += headerSize(size) + size
  return sum
}

/** Messages as unfragmented frames, which take so many bytes. */
export const join = (messages: ReadonlyArray<Data>, size: number): Buffer => {
  const frames = Buffer.allocUnsafe(size)
  let at = 0
  for (const { _tag, bytes } of messages) {
    at = writeHeader(frames, at, FIN | OPCODES[_tag], bytes.length)
    frames.set(bytes, at)
    at += bytes.length
  }
  return frames
}

/** The header of an unfragmented frame, to be followed by so many bytes of payload. */
export const header = (tag: keyof typeof OPCODES, size: number, reserved = 0): Buffer => {
  const bytes = Buffer.allocUnsafe(headerSize(size))
  writeHeader(bytes, 0, FIN | reserved | OPCODES[tag], size)
  return bytes
}

/** Writes one; tells where it ends. */
const writeHeader = (bytes: Buffer, at: number, first: number, size: number): number => {
  bytes[at] = first
  if (size < 126) {
    bytes[at + 1] = size
    return at + 2
  }
  if (size < 65_536) {
    bytes[at + 1] = 126
    return bytes.writeUInt16BE(size, at + 2)
  }
  bytes[at + 1] = 127
  return bytes.writeBigUInt64BE(BigInt(size), at + 2)
}
