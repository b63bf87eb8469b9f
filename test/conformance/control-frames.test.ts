/**
 * Control frames (RFC 6455 section 5.5); Close has a page of its own.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import {
  expectAnswers,
  expectClose,
  expectFailure,
  expectNothingMore,
  session,
  together
} from "../support/session.js"

const { CLOSE, CONTINUATION, PING, PONG, TEXT } = Frames

const kinds = [
  ["ping", PING],
  ["pong", PONG],
  ["Close frame", CLOSE]
] as const

const start = (payload: string): Buffer => Frames.frame({ opcode: TEXT, payload, fin: false })
const more = (payload: string): Buffer => Frames.frame({ opcode: CONTINUATION, payload, fin: false })
const last = (payload: string): Buffer => Frames.frame({ opcode: CONTINUATION, payload })

describe("5.5: what a control frame must not be closes with 1002", () => {
  for (const [name, opcode] of kinds) {
    live(`5.5: a ${name} that is a fragment`, () =>
      Effect.flatMap(session(), (peer) => expectFailure(peer, Frames.frame({ opcode, fin: false }), 1002))
    )
    live(`5.5: a ${name} that is a fragment, within a fragmented message`, () =>
      Effect.flatMap(session(), (peer) =>
        expectFailure(peer, together(start("hel"), Frames.frame({ opcode, fin: false })), 1002)
      )
    )
    for (const size of [126, 127, 65535, 65536]) {
      live(`5.5: a ${name} of ${size} bytes`, () =>
        Effect.flatMap(session(), (peer) =>
          expectFailure(peer, Frames.frame({ opcode, payload: Buffer.alloc(size, "a") }), 1002)
        )
      )
    }
    // The 7 bits say 126 or 127 then, which is more than 125.
    for (const lengthEncoding of [16, 64] as const) {
      live(`5.5: a ${name} whose length takes ${lengthEncoding} bits`, () =>
        Effect.gen(function* () {
          const peer = yield* session()
          const payload = Frames.closePayload(1000)
          yield* expectFailure(peer, Frames.frame({ opcode, payload, lengthEncoding }), 1002)
        })
      )
    }
  }
})

describe("5.5.2: a ping", () => {
  const payloads: ReadonlyArray<readonly [string, Buffer]> = [
    ["without a payload", Buffer.alloc(0)],
    ["with one byte", Buffer.from("?")],
    ["with text", Buffer.from("Grüße")],
    ["with bytes that are no text", Buffer.from("00ff80c0feff", "hex")],
    ["with 124 bytes", Buffer.alloc(124, "a")],
    ["with 125 bytes", Buffer.alloc(125, "a")]
  ]
  for (const [name, payload] of payloads) {
    live(`5.5.3: ${name} is answered with a pong that has the same`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        yield* peer.write(Frames.ping(payload))
        const frame = yield* peer.nextFrame
        expect(frame).toMatchObject({ opcode: PONG, fin: true, payload })
        yield* expectNothingMore(peer)
      })
    )
  }

  for (const count of [100, 1000]) {
    live(`5.5.3: is one of ${count} in one TCP segment, each answered, in order`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const numbers = Array.from({ length: count }, (_, i) => i)
        yield* expectAnswers(
          peer,
          together(...numbers.map((i) => Frames.ping(`${i}`))),
          numbers.map((i) => `pong ${i}`)
        )
      })
    )
  }

  live("5.5.2: that comes one byte in a TCP segment is answered", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.writeChunked(Frames.ping("slow"), [1])
      expect(Frames.describe(yield* peer.nextFrame)).toBe("pong slow")
      yield* expectNothingMore(peer)
    })
  )

  live("5.5.2: in the TCP segment of a Close frame, before it, is answered before the Close", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(together(Frames.ping("1"), Frames.ping("2"), Frames.close(1000)))
      yield* expectClose(peer, 1000, ["pong 1", "pong 2"])
    })
  )

  live("5.5.2: in the TCP segment of a bad frame, before it, is answered before the Close", () =>
    Effect.flatMap(session(), (peer) =>
      expectFailure(peer, together(Frames.ping("1"), Frames.frame({ opcode: 3 })), 1002, ["pong 1"])
    )
  )

  live("5.5.2: after a Close frame is not answered", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(together(Frames.close(1000), Frames.ping("late")))
      yield* expectClose(peer, 1000)
    })
  )
})

describe("5.5.3: a pong", () => {
  live("5.5.3: that nobody asked for is ignored", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* expectAnswers(
        peer,
        together(Frames.pong(), Frames.pong("unsolicited"), Frames.text("a"), Frames.pong(Buffer.alloc(125))),
        ["text a"]
      )
    })
  )
})

describe("5.4: control frames between fragments", () => {
  live("5.5.2: pings are answered before the message has come to its end", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      for (const [frame, n] of [start("a"), more("b"), more("")].map((frame, n) => [frame, n] as const)) {
        yield* peer.write(together(frame, Frames.ping(`${n}`)))
        expect(Frames.describe(yield* peer.nextFrame)).toBe(`pong ${n}`)
      }
      yield* peer.write(last("c"))
      expect((yield* peer.nextMessage).text).toBe("abc")
      yield* expectNothingMore(peer)
    })
  )

  live("5.4: in one TCP segment with them, disturb nothing", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(
        together(start("a"), Frames.ping("1"), Frames.pong("x"), more("b"), Frames.ping("2"), last("c"))
      )
      const frames = [yield* peer.nextFrame, yield* peer.nextFrame, yield* peer.nextFrame].map(
        Frames.describe
      )
      // A pong may be sent as soon as possible (5.5.3), so only its order among pongs is told.
      expect(frames.filter((frame) => frame.startsWith("pong"))).toEqual(["pong 1", "pong 2"])
      expect(frames).toContain("text abc")
      yield* expectNothingMore(peer)
    })
  )

  live("5.5.1: a Close frame ends the connection, and the message that had begun is dropped", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(together(start("a"), Frames.close(1001), last("b")))
      yield* expectClose(peer, 1001)
    })
  )
})
