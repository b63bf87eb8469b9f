/**
 * Where `ws` parses: large binary payloads stay in the pieces in which they were read.
 */
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import { createRequire } from "node:module"
import { guard, type Receiver } from "../../src/connection/WsReceiver.js"
import * as Arbitrary from "../support/arbitrary.js"
import * as Frames from "../support/frames.js"

const KIB = 1024

interface Options {
  readonly isServer: boolean
  readonly binaryType: string
  readonly maxFragments?: number
}

// Its types leave it out.
const ws: { readonly Receiver: new (options: Options) => Receiver } = createRequire(import.meta.url)("ws")

/** What a guarded receiver makes of chunks, as they were read. */
const received = async (chunks: ReadonlyArray<Buffer>, maxFragments = 0) => {
  const receiver = new ws.Receiver({ isServer: true, binaryType: "fragments", maxFragments })
  const messages: Array<ReadonlyArray<Buffer>> = []
  const errors: Array<string> = []
  receiver.on("message", (data: Buffer | ReadonlyArray<Buffer>) =>
    messages.push(Buffer.isBuffer(data) ? [data] : data)
  )
  receiver.on("error", ({ message }: Error) => errors.push(message))
  guard(receiver)
  for (const chunk of chunks) receiver.write(chunk)
  // A stream tells of an error when the turn is over.
  await new Promise((resolve) => setImmediate(resolve))
  return { messages, errors }
}

const bytes = (size: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7919) >> 3))

/** Reads of this size. */
const reads = (all: Buffer, size: number): ReadonlyArray<Buffer> =>
  Frames.cut(
    all,
    Array.from({ length: Math.floor(all.length / size) }, (_, i) => (i + 1) * size)
  )
    .filter(({ length }) => length > 0)
    // Each read has memory of its own.
    .map((piece) => Buffer.from(piece))

describe("a large binary payload", () => {
  it("stays in the memory that it was read into", async () => {
    const payload = bytes(200 * KIB)
    const chunks = reads(Frames.binary(payload), 64 * KIB)
    const [pieces = []] = (await received(chunks)).messages
    expect(Buffer.concat(pieces).equals(payload)).toBe(true)
    expect(pieces).toHaveLength(chunks.length)
    for (const [at, piece] of pieces.entries()) expect(piece.buffer).toBe(chunks[at]?.buffer)
  })

  it("that came in small pieces is put together", async () => {
    const payload = bytes(64 * KIB)
    const [pieces = []] = (await received(reads(Frames.binary(payload), KIB))).messages
    expect(pieces).toHaveLength(1)
    expect(pieces[0]?.equals(payload)).toBe(true)
  })

  it("in pieces is one fragment among those of which there may be so many", async () => {
    const fragments = [
      Frames.frame({ opcode: Frames.BINARY, payload: bytes(10), fin: false }),
      Frames.frame({ opcode: Frames.CONTINUATION, payload: bytes(10), fin: false }),
      Frames.frame({ opcode: Frames.CONTINUATION, payload: bytes(10), fin: false }),
      Frames.frame({ opcode: Frames.CONTINUATION, payload: bytes(200 * KIB), fin: false }),
      Frames.frame({ opcode: Frames.CONTINUATION, payload: bytes(10) })
    ]
    const chunks = reads(Buffer.concat(fragments), 64 * KIB)
    expect((await received(chunks, 5)).errors).toEqual([])
    expect((await received(chunks, 4)).errors).toEqual(["Too many message fragments"])
  })

  it("is text in one piece, which is validated", async () => {
    const [pieces = []] = (await received(reads(Frames.text("x".repeat(200 * KIB)), 64 * KIB))).messages
    expect(pieces).toHaveLength(1)
  })
})

describe("whatever is read", () => {
  it("has the same bytes, in fragments and however it was cut", () =>
    FC.assert(
      FC.asyncProperty(
        FC.array(Arbitrary.message(300 * KIB), { minLength: 1, maxLength: 4 }),
        FC.array(FC.integer({ min: 1, max: 100 * KIB }), { minLength: 1, maxLength: 20 }),
        async (outgoing, sizes) => {
          const all = Buffer.concat(outgoing.flatMap((message) => [...Arbitrary.framesOf(message)]))
          const chunks: Array<Buffer> = []
          for (let at = 0; at < all.length; at += chunks.at(-1)?.length ?? 0)
            chunks.push(Buffer.from(all.subarray(at, at + (sizes[chunks.length % sizes.length] ?? 1))))
          const { errors, messages } = await received(chunks)
          expect(errors).toEqual([])
          expect(messages.map((pieces) => Buffer.concat(pieces).toString("hex"))).toEqual(
            outgoing.map(({ payload }) => payload.toString("hex"))
          )
        }
      ),
      { numRuns: 60 }
    ))
})
