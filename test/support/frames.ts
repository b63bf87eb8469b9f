/**
 * Frames by hand (RFC 6455 section 5.2): what a client sends, right or wrong, and what a server answers. Independent
 * of the library that the server is built on, which would make the same mistakes on both sides.
 */
import { isUtf8 } from "node:buffer"
import { createHash, randomBytes } from "node:crypto"

/** Opcodes (RFC 6455 section 11.8). */
export const CONTINUATION = 0x0
export const TEXT = 0x1
export const BINARY = 0x2
export const CLOSE = 0x8
export const PING = 0x9
export const PONG = 0xa

/** What a payload is given as; a string is written in UTF-8. */
export type Payload = string | Uint8Array

/** How a frame writes its length: in the 7 bits of the header, or in 16 or 64 more. */
export type LengthEncoding = 7 | 16 | 64

/** What a frame is made of. */
export interface FrameOptions {
  readonly opcode: number
  readonly payload?: Payload
  /** By default set: the last fragment. */
  readonly fin?: boolean
  readonly rsv1?: boolean
  readonly rsv2?: boolean
  readonly rsv3?: boolean
  /** The mask key, by default random; `false` for an unmasked frame. */
  readonly mask?: Uint8Array | false
  /** By default the shortest that the length fits into, as it must be. */
  readonly lengthEncoding?: LengthEncoding
  /** The length in the header, by default that of the payload. */
  readonly declaredLength?: number | bigint
}

/** The bytes of a payload. */
export const bytesOf = (payload: Payload): Buffer =>
  typeof payload === "string"
    ? Buffer.from(payload, "utf8")
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)

const masked = (payload: Buffer, key: Uint8Array): Buffer => {
  const result = Buffer.allocUnsafe(payload.length)
  for (let i = 0; i < payload.length; i++) result[i] = (payload[i] ?? 0) ^ (key[i & 3] ?? 0)
  return result
}

const shortest = (length: bigint): LengthEncoding => (length < 126n ? 7 : length < 65536n ? 16 : 64)

const extendedLength = (length: bigint, encoding: LengthEncoding): Buffer => {
  switch (encoding) {
    case 7:
      return Buffer.alloc(0)
    case 16: {
      const bytes = Buffer.alloc(2)
      bytes.writeUInt16BE(Number(length))
      return bytes
    }
    case 64: {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64BE(length)
      return bytes
    }
  }
}

/** A frame as a client sends it. Nothing is checked: a bad one is often what is wanted. */
export const frame = (options: FrameOptions): Buffer => {
  const payload = bytesOf(options.payload ?? "")
  const length = BigInt(options.declaredLength ?? payload.length)
  const encoding = options.lengthEncoding ?? shortest(length)
  const key = options.mask ?? randomBytes(4)
  const first =
    (options.fin === false ? 0 : 0x80) |
    (options.rsv1 === true ? 0x40 : 0) |
    (options.rsv2 === true ? 0x20 : 0) |
    (options.rsv3 === true ? 0x10 : 0) |
    options.opcode
  const second = (key === false ? 0 : 0x80) | (encoding === 7 ? Number(length) : encoding === 16 ? 126 : 127)
  return Buffer.concat(
    [
      Uint8Array.of(first, second),
      extendedLength(length, encoding),
      key === false ? "" : key,
      key === false ? payload : masked(payload, key)
    ].map(bytesOf)
  )
}

/** A text message in one frame. */
export const text = (payload: Payload): Buffer => frame({ opcode: TEXT, payload })

/** A binary message in one frame. */
export const binary = (payload: Payload): Buffer => frame({ opcode: BINARY, payload })

export const ping = (payload: Payload = ""): Buffer => frame({ opcode: PING, payload })

export const pong = (payload: Payload = ""): Buffer => frame({ opcode: PONG, payload })

/** The payload of a Close frame (RFC 6455 section 5.5.1): nothing, or a code and a reason. */
export const closePayload = (code?: number, reason: Payload = ""): Buffer => {
  if (code === undefined) return Buffer.alloc(0)
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(code)
  return Buffer.concat([bytes, bytesOf(reason)])
}

/** A Close frame, empty without a code. */
export const close = (code?: number, reason: Payload = ""): Buffer =>
  frame({ opcode: CLOSE, payload: closePayload(code, reason) })

/** Whether a close code may be sent: those defined by the RFC or by IANA, and those of libraries and programs (section 7.4). */
export const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)

/** Cuts bytes at these offsets; equal ones, and those at either end, make empty pieces. */
export const cut = (bytes: Uint8Array, offsets: ReadonlyArray<number>): ReadonlyArray<Buffer> => {
  const all = bytesOf(bytes)
  const borders = [0, ...[...offsets].sort((a, b) => a - b), all.length]
  return borders.slice(1).map((end, i) => all.subarray(borders[i], end))
}

/**
 * The frames of one message that is fragmented at these offsets (RFC 6455 section 5.4). With `rsv1` the first of
 * them has it, as a compressed message does (RFC 7692 section 6.1).
 */
export const fragments = (
  opcode: number,
  payload: Payload,
  offsets: ReadonlyArray<number>,
  options: { readonly rsv1?: boolean } = {}
): ReadonlyArray<Buffer> =>
  cut(bytesOf(payload), offsets).map((piece, i, pieces) =>
    frame({
      opcode: i === 0 ? opcode : CONTINUATION,
      payload: piece,
      fin: i === pieces.length - 1,
      rsv1: i === 0 && options.rsv1 === true
    })
  )

/** A frame as a server sent it. */
export interface ServerFrame {
  readonly fin: boolean
  readonly rsv1: boolean
  readonly rsv2: boolean
  readonly rsv3: boolean
  readonly opcode: number
  /** A server must not mask (RFC 6455 section 5.1). */
  readonly isMasked: boolean
  readonly lengthEncoding: LengthEncoding
  readonly payload: Buffer
}

/** Reads frames from bytes as they come in. */
export class FrameParser {
  #chunks: Array<Buffer> = []
  #length = 0
  /** How many bytes there must be before another look is worth it: a large frame comes in many pieces. */
  #needed = 2

  push(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#chunks.push(bytes)
    this.#length += bytes.length
  }

  /** The bytes that are not yet a frame. */
  get rest(): Buffer {
    const [first, ...more] = this.#chunks
    // Not copied when it is one: many frames may come in it.
    const all = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#chunks)
    this.#chunks = all.length === 0 ? [] : [all]
    return all
  }

  /** The next frame, if all of it is here. */
  next(): ServerFrame | undefined {
    if (this.#length < this.#needed) return undefined
    const bytes = this.rest
    const first = bytes.readUInt8(0)
    const second = bytes.readUInt8(1)
    const short = second & 0x7f
    const lengthEncoding = short === 126 ? 16 : short === 127 ? 64 : 7
    const isMasked = (second & 0x80) !== 0
    const lengthEnd = lengthEncoding === 7 ? 2 : 2 + lengthEncoding / 8
    const start = lengthEnd + (isMasked ? 4 : 0)
    if (!this.#has(start)) return undefined
    const length =
      lengthEncoding === 7
        ? short
        : lengthEncoding === 16
          ? bytes.readUInt16BE(2)
          : Number(bytes.readBigUInt64BE(2))
    const end = start + length
    if (!this.#has(end)) return undefined
    const payload = bytes.subarray(start, end)
    this.#chunks = end === bytes.length ? [] : [bytes.subarray(end)]
    this.#length -= end
    this.#needed = 2
    return {
      fin: (first & 0x80) !== 0,
      rsv1: (first & 0x40) !== 0,
      rsv2: (first & 0x20) !== 0,
      rsv3: (first & 0x10) !== 0,
      opcode: first & 0x0f,
      isMasked,
      lengthEncoding,
      payload: isMasked ? masked(payload, bytes.subarray(lengthEnd, start)) : payload
    }
  }

  #has(length: number): boolean {
    this.#needed = length
    return this.#length >= length
  }
}

/** What no server may do to a frame, whatever the connection is for (RFC 6455 sections 5.1, 5.2 and 5.5). */
export const violation = (frame: ServerFrame): string | undefined => {
  if (frame.isMasked) return "a server must not mask a frame (RFC 6455 section 5.1)"
  if (frame.lengthEncoding !== shortest(BigInt(frame.payload.length))) {
    return `a length of ${frame.payload.length} must not take ${frame.lengthEncoding} bits (RFC 6455 section 5.2)`
  }
  if (frame.opcode < CLOSE) return undefined
  if (!frame.fin) return "a control frame must not be fragmented (RFC 6455 section 5.5)"
  if (frame.payload.length > 125) return "a control frame has at most 125 bytes (RFC 6455 section 5.5)"
  return undefined
}

const names: ReadonlyMap<number, string> = new Map([
  [CONTINUATION, "continuation"],
  [TEXT, "text"],
  [BINARY, "binary"],
  [CLOSE, "close"],
  [PING, "ping"],
  [PONG, "pong"]
])

/** The longest payload that is written out. */
const WRITTEN_OUT = 200

const describePayload = (opcode: number, payload: Buffer): string => {
  // Long ones are told apart, but not printed.
  if (payload.length > WRITTEN_OUT) {
    return `${payload.length} bytes ${createHash("sha1").update(payload).digest("hex").slice(0, 12)}`
  }
  if (opcode === CLOSE && payload.length >= 2) {
    return [`${payload.readUInt16BE(0)}`, payload.subarray(2).toString("utf8")]
      .filter((part) => part !== "")
      .join(" ")
  }
  const isText = (opcode === TEXT || opcode === PING || opcode === PONG) && isUtf8(payload)
  return payload.toString(isText ? "utf8" : "hex")
}

/** Writes a frame in one line, such as `text hello`, `close 1000 bye`, `binary 00ff`, or `text(more) hel`. */
export const describe = (
  frame: (Pick<ServerFrame, "opcode" | "payload"> & Partial<ServerFrame>) | undefined
): string => {
  if (frame === undefined) return "nothing"
  const flags = [
    frame.fin === false ? "more" : "",
    frame.rsv1 === true ? "rsv1" : "",
    frame.rsv2 === true ? "rsv2" : "",
    frame.rsv3 === true ? "rsv3" : ""
  ].filter((flag) => flag !== "")
  const name = names.get(frame.opcode) ?? `opcode ${frame.opcode}`
  const flagged = flags.length === 0 ? name : `${name}(${flags.join(" ")})`
  return frame.payload.length === 0 ? flagged : `${flagged} ${describePayload(frame.opcode, frame.payload)}`
}

/** The code and the reason of a Close frame; the code is `undefined` if it is empty. */
export const closeOf = (
  frame: ServerFrame
): { readonly code: number | undefined; readonly reason: string } | undefined =>
  frame.opcode === CLOSE
    ? {
        code: frame.payload.length < 2 ? undefined : frame.payload.readUInt16BE(0),
        reason: frame.payload.subarray(2).toString("utf8")
      }
    : undefined
