/**
 * A frame as a server sends it: not masked (RFC 6455 section 5.2).
 */
import type { Message } from "./Message.js"

/** What a data frame carries. */
export const OPCODES = { Text: 0x1, Binary: 0x2 } as const

/** The second reserved bit: no extension that this server speaks gives it a meaning, so no peer may accept it. */
export const RSV2 = 0x20

const FIN = 0x80

/** A message as an unfragmented frame. */
export const whole = ({ _tag, bytes }: Message, reserved = 0): Buffer =>
  Buffer.concat([header(_tag, bytes.length, reserved), bytes])

/** The header of an unfragmented frame, to be followed by so many bytes of payload. */
export const header = (tag: keyof typeof OPCODES, size: number, reserved = 0): Buffer => {
  const first = FIN | reserved | OPCODES[tag]
  if (size < 126) return Buffer.of(first, size)
  if (size < 65_536) {
    const bytes = Buffer.of(first, 126, 0, 0)
    bytes.writeUInt16BE(size, 2)
    return bytes
  }
  const bytes = Buffer.alloc(10)
  bytes[0] = first
  bytes[1] = 127
  bytes.writeBigUInt64BE(BigInt(size), 2)
  return bytes
}
