/**
 * What a server must make of what it is sent (RFC 6455), without compression: written down from the RFC, and not from
 * the library that the server is built on.
 */
import * as Frames from "../support/frames.js"

/** Why a server ends the connection by itself. */
export type Verdict =
  | { readonly _tag: "PeerClosed"; readonly code: number | undefined }
  | { readonly _tag: "ProtocolError"; readonly code: number }

/** A connection as it should be. */
export interface Model {
  /** Goes on, as far as there are whole frames. Once there is a verdict nothing is read any more. */
  readonly feed: (bytes: Buffer) => void
  /** The messages that must have come back, one line each. */
  readonly echoes: ReadonlyArray<string>
  readonly pongs: ReadonlyArray<string>
  readonly verdict: () => Verdict | undefined
}

interface Header {
  readonly fin: boolean
  readonly opcode: number
  readonly length: number
  /** Where the payload starts, and where it ends. */
  readonly start: number
  readonly end: number
}

const PROTOCOL_ERROR: Verdict = { _tag: "ProtocolError", code: 1002 }
const BAD_DATA: Verdict = { _tag: "ProtocolError", code: 1007 }
const TOO_BIG: Verdict = { _tag: "ProtocolError", code: 1009 }

// Not `isUtf8` of Node, by which the server decides too.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const isUtf8 = (bytes: Uint8Array): boolean => {
  try {
    decoder.decode(bytes)
    return true
  } catch {
    return false
  }
}

/** The verdict on a Close frame (sections 5.5.1 and 7.4). */
const onClose = (payload: Buffer): Verdict => {
  if (payload.length === 0) return { _tag: "PeerClosed", code: undefined }
  const code = payload.readUInt16BE(0)
  if (!Frames.isSendable(code)) return PROTOCOL_ERROR
  return isUtf8(payload.subarray(2)) ? { _tag: "PeerClosed", code } : BAD_DATA
}

/** Makes one. */
export const make = (maxPayload: number): Model => {
  const echoes: Array<string> = []
  const pongs: Array<string> = []
  let unread: Buffer = Buffer.alloc(0)
  let verdict: Verdict | undefined
  /** The message whose fragments are coming. */
  let message: { readonly opcode: number; readonly pieces: Array<Buffer> } | undefined
  /** Of that message: an unfinished frame counts as soon as its length is known. */
  let size = 0

  /** What is wrong with the first two bytes of a frame (section 5.2). */
  const isWrong = (first: number, second: number): boolean => {
    const opcode = first & 0x0f
    const isFinal = (first & 0x80) !== 0
    const length = second & 0x7f
    if ((first & 0x70) !== 0 || (second & 0x80) === 0) return true
    switch (opcode) {
      case Frames.CONTINUATION:
        return message === undefined
      case Frames.TEXT:
      case Frames.BINARY:
        return message !== undefined
      case Frames.CLOSE:
        return !isFinal || length > 125 || length === 1
      case Frames.PING:
      case Frames.PONG:
        return !isFinal || length > 125
      default:
        return true
    }
  }

  /** The header of the next frame, if it is here and right. */
  const header = (): Header | undefined => {
    if (unread.length < 2) return undefined
    const first = unread.readUInt8(0)
    const second = unread.readUInt8(1)
    if (isWrong(first, second)) {
      verdict = PROTOCOL_ERROR
      return undefined
    }
    const short = second & 0x7f
    const extension = short === 126 ? 2 : short === 127 ? 8 : 0
    if (unread.length < 2 + extension) return undefined
    const length =
      extension === 0 ? short : extension === 2 ? unread.readUInt16BE(2) : Number(unread.readBigUInt64BE(2))
    const opcode = first & 0x0f
    if (opcode < Frames.CLOSE && size + length > maxPayload) {
      verdict = TOO_BIG
      return undefined
    }
    const start = 2 + extension + 4
    return { fin: (first & 0x80) !== 0, opcode, length, start, end: start + length }
  }

  const onMessage = ({ fin, opcode }: Header, payload: Buffer): void => {
    size += payload.length
    message ??= { opcode, pieces: [] }
    message.pieces.push(payload)
    if (!fin) return
    const whole = { opcode: message.opcode, payload: Buffer.concat(message.pieces) }
    message = undefined
    size = 0
    if (whole.opcode === Frames.TEXT && !isUtf8(whole.payload)) verdict = BAD_DATA
    else echoes.push(Frames.describe(whole))
  }

  const next = (): boolean => {
    if (verdict !== undefined) return false
    const found = header()
    if (found === undefined || unread.length < found.end) return false
    const payload = Buffer.from(unread.subarray(found.start, found.end))
    for (let i = 0; i < payload.length; i++)
      payload[i] = (payload[i] ?? 0) ^ (unread[found.start - 4 + (i & 3)] ?? 0)
    unread = unread.subarray(found.end)
    if (found.opcode === Frames.CLOSE) verdict = onClose(payload)
    else if (found.opcode === Frames.PING) pongs.push(Frames.describe({ opcode: Frames.PONG, payload }))
    else if (found.opcode !== Frames.PONG) onMessage(found, payload)
    return true
  }

  return {
    feed: (bytes) => {
      if (verdict !== undefined) return
      unread = Buffer.concat([unread, bytes])
      while (next());
    },
    echoes,
    pongs,
    verdict: () => verdict
  }
}
