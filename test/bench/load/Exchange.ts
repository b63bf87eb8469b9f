/**
 * A message, and its echo: the same bytes again and again, so that what comes back is compared as it is.
 */
import { deflater, inflater } from "../../support/deflate.js"
import * as Frames from "../../support/frames.js"
import * as Load from "./socket.js"

/** What is sent, and what must come back. */
export interface Exchange {
  readonly frame: Buffer
  readonly echo: Buffer
}

export interface ExchangeOptions {
  /** Bytes of payload. */
  readonly size: number
  readonly isText: boolean
  readonly isCompressed: boolean
}

const MASK = Uint8Array.of(0x12, 0x34, 0x56, 0x78)

/** Text that compresses as JSON does, to a quarter or so. */
const payloadOf = (size: number): Buffer => {
  let text = ""
  for (let i = 0; text.length < size; i++)
    text += `{"id":${(i * 7919) % 10_007},"state":"open","bytes":${i * i}},`
  return Buffer.from(text.slice(0, size))
}

const opcodeOf = ({ isText }: ExchangeOptions): number => (isText ? Frames.TEXT : Frames.BINARY)

const compressed = (options: ExchangeOptions, payload: Buffer): Buffer =>
  Frames.frame({
    opcode: opcodeOf(options),
    payload: deflater({ contextTakeover: false })(payload),
    rsv1: true,
    mask: MASK
  })

/** How a server compresses is its own affair: the first echo is inflated, and the others must be like it. */
const learn = async (port: number, frame: Buffer, payload: Buffer): Promise<Buffer> => {
  const socket = await Load.open(port, true)
  const parser = new Frames.FrameParser()
  const chunks: Array<Buffer> = []
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      socket.on("close", () => reject(new Error("TCP ended before the first echo")))
      socket.on("data", (bytes) => {
        chunks.push(bytes)
        parser.push(bytes)
        const echo = parser.next()
        if (echo === undefined) return
        const text = echo.rsv1 ? inflater({ contextTakeover: false })(echo.payload) : echo.payload
        if (!echo.rsv1) reject(new Error("the echo is not compressed"))
        else if (!text.equals(payload)) reject(new Error("the first echo is not what was sent"))
        else resolve(Buffer.concat(chunks))
      })
      socket.write(frame)
    })
  } finally {
    await Load.resetAll([socket])
  }
}

/** Makes one for a server. */
export const make = async (port: number, options: ExchangeOptions): Promise<Exchange> => {
  const payload = payloadOf(options.size)
  const opcode = opcodeOf(options)
  if (options.isCompressed) {
    const frame = compressed(options, payload)
    return { frame, echo: await learn(port, frame, payload) }
  }
  return {
    frame: Frames.frame({ opcode, payload, mask: MASK }),
    echo: Frames.frame({ opcode, payload, mask: false })
  }
}
