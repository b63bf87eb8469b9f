/**
 * What stood before the end is answered before the end: before a Close frame (RFC 6455 section 5.5.1), before the
 * Close frame that a bad frame gets (section 7.1.7), and before the end of TCP.
 *
 * All of it comes in one TCP segment, or as few as there can be: the server has to answer messages that it got in
 * the same read as the end.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { badFrames } from "../support/badFrames.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { testServer } from "../support/server.js"
import { expectClose, expectFailure, session, together } from "../support/session.js"

const { BINARY, TEXT } = Frames

const KIB = 1024

interface Batch {
  readonly name: string
  readonly messages: ReadonlyArray<{ readonly opcode: number; readonly payload: Buffer }>
}

const batch = (name: string, count: number, size: number): Batch => ({
  name,
  messages: Array.from({ length: count }, (_, i) => ({
    opcode: i % 2 === 0 ? TEXT : BINARY,
    payload: Buffer.from(`${i} `.padEnd(size, "x"))
  }))
})

const batches: ReadonlyArray<Batch> = [
  batch("one message", 1, 5),
  batch("ten messages", 10, 5),
  batch("1000 messages", 1000, 20),
  batch("messages of more than the high-water mark", 64, 4 * KIB),
  batch("a message of 1 MiB", 1, KIB * KIB),
  batch("messages of 4 MiB", 16, 256 * KIB)
]

const bytesOf = ({ messages }: Batch): Buffer => together(...messages.map(Frames.frame))
const echoesOf = ({ messages }: Batch): ReadonlyArray<string> => messages.map(Frames.describe)

describe("5.5.1: what stood before a Close frame is echoed before the Close", () => {
  for (const before of batches) {
    live(`5.5.1: ${before.name}`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        yield* peer.write(together(bytesOf(before), Frames.close(4000, "bye")))
        yield* expectClose(peer, 4000, echoesOf(before))
      })
    )
  }

  live("5.5.1: a fragmented message", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(together(...Frames.fragments(TEXT, "in pieces", [2, 3, 7]), Frames.close()))
      yield* expectClose(peer, undefined, ["text in pieces"])
    })
  )

  live("5.5.1: messages, one byte in a TCP segment", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const before = batch("messages", 10, 10)
      yield* peer.writeChunked(together(bytesOf(before), Frames.close(1000)), [1])
      yield* expectClose(peer, 1000, echoesOf(before))
    })
  )

  live("5.5.1: and so it is for many connections at once", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer()
      const before = batch("messages", 20, 100)
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => 4000 + i),
        (code) =>
          Effect.gen(function* () {
            const peer = yield* RawClient.connect({ port })
            yield* peer.write(together(bytesOf(before), Frames.close(code)))
            yield* expectClose(peer, code, echoesOf(before))
          }),
        { concurrency: "unbounded" }
      )
    })
  )
})

describe("7.1.7: what stood before a bad frame is echoed before the Close, and nothing after it", () => {
  const before = batch("messages", 10, 10)
  for (const [name, code, bad] of badFrames) {
    live(`7.1.7: ${name}: ${code}`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const all = together(bytesOf(before), bad, Frames.text("after"))
        yield* expectFailure(peer, all, code, echoesOf(before))
      })
    )
  }

  for (const before of batches) {
    live(`7.1.7: ${before.name} before a frame with a reserved opcode`, () =>
      Effect.flatMap(session(), (peer) =>
        expectFailure(peer, together(bytesOf(before), Frames.frame({ opcode: 3 })), 1002, echoesOf(before))
      )
    )
  }
})

describe("7.2.1: what stood before the end of TCP is echoed before the server's, without a Close frame", () => {
  for (const before of batches) {
    live(`7.2.1: ${before.name}`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        yield* peer.writeAndEnd(bytesOf(before))
        const { end, frames, rest } = yield* peer.allUntilEnd
        expect(frames.map(Frames.describe)).toEqual(echoesOf(before))
        expect(rest).toHaveLength(0)
        expect(end).toBe("fin")
      })
    )
  }

  const unfinished: ReadonlyArray<readonly [string, Buffer]> = [
    ["half a frame", Frames.text("half").subarray(0, 8)],
    ["half a header", Frames.text("half").subarray(0, 1)],
    ["a message that lacks its last fragment", Frames.frame({ opcode: TEXT, payload: "half", fin: false })]
  ]
  for (const [name, bytes] of unfinished) {
    live(`7.2.1: but not ${name}`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        yield* peer.writeAndEnd(together(Frames.text("whole"), bytes))
        const { end, frames } = yield* peer.allUntilEnd
        expect(frames.map(Frames.describe)).toEqual(["text whole"])
        expect(end).toBe("fin")
      })
    )
  }

  live("7.2.1: a ping before it gets its pong", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.writeAndEnd(together(Frames.ping("last"), Frames.text("word")))
      const { end, frames } = yield* peer.allUntilEnd
      expect(frames.map(Frames.describe).sort()).toEqual(["pong last", "text word"])
      expect(end).toBe("fin")
    })
  )
})
