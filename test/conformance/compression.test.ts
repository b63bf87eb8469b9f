/**
 * Compressed messages (RFC 7692 sections 6 and 7.2).
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { describe, expect } from "vitest"
import * as Deflate from "../support/deflate.js"
import {
  deflateConnection,
  deflateSession,
  expectNothingMoreInflated,
  expectUntilEnd,
  EXTENSION,
  takeInflated
} from "../support/deflateSession.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { testServer } from "../support/server.js"
import { expectFailure, together } from "../support/session.js"

const { BINARY, CONTINUATION, PING, PONG, TEXT } = Frames

const KIB = 1024
const MAX_PAYLOAD = KIB ** 2

const described = (opcode: number, payload: Frames.Payload): string =>
  Frames.describe({ opcode, payload: Frames.bytesOf(payload) })

/** A message as somebody else has compressed it. */
const ready = (hex: string, opcode: number = TEXT): Buffer =>
  Frames.frame({ opcode, rsv1: true, payload: Buffer.from(hex, "hex") })

/** Bytes that repeat only after so many. */
const repeating = (period: number, size: number): Buffer => {
  const once = randomBytes(period)
  return Buffer.from(Array.from({ length: size }, (_, i) => once[i % period] ?? 0))
}

describe("7692 7.2.3: the examples of the RFC", () => {
  const examples: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>, number]> = [
    ["7.2.3.1: one frame", [ready("f248cdc9c90700")], 1],
    [
      "7.2.3.1: two fragments",
      [
        Frames.frame({ opcode: TEXT, rsv1: true, fin: false, payload: Buffer.from("f248cd", "hex") }),
        Frames.frame({ opcode: CONTINUATION, payload: Buffer.from("c9c90700", "hex") })
      ],
      1
    ],
    ["7.2.3.2: a second message that refers to the first", [ready("f248cdc9c90700"), ready("f200110000")], 2],
    ["7.2.3.3: a block without compression", [ready("000500faff48656c6c6f00")], 1],
    ["7.2.3.4: a block that says that it is the last", [ready("f348cdc9c9070000")], 1],
    [
      "7.2.3.4: and messages after it",
      [ready("f348cdc9c9070000"), ready("f248cdc9c90700"), ready("f348cdc9c9070000")],
      3
    ],
    ["7.2.3.5: two blocks in one message", [ready("f248050000 00ffffcac9c90700".replace(" ", ""))], 1]
  ]
  for (const [name, frames, count] of examples) {
    live(`7692 ${name}`, () =>
      Effect.gen(function* () {
        const session = yield* deflateSession()
        yield* session.peer.write(together(...frames))
        expect(yield* takeInflated(session, count)).toEqual(Array.from({ length: count }, () => "text Hello"))
        yield* expectNothingMoreInflated(session)
      })
    )
  }

  live("7692 7.2.3.6: an empty message", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      yield* session.peer.write(together(ready("00"), ready("00", BINARY), session.frame(TEXT, "after")))
      expect(yield* takeInflated(session, 3)).toEqual(["text", "binary", "text after"])
      yield* expectNothingMoreInflated(session)
    })
  )
})

describe("7692 6: compressed messages", () => {
  for (const opcode of [TEXT, BINARY]) {
    for (const size of [1, 125, 126, 1023, 1024, 65_535, 65_536, 300_000]) {
      live(
        `7692 6.1: ${opcode === TEXT ? "text" : "binary"} of ${size} bytes comes back compressed, and the same`,
        () =>
          Effect.gen(function* () {
            const session = yield* deflateSession()
            const payload = Buffer.from("Hello, compression! ".repeat(1 + size / 20).slice(0, size))
            yield* session.peer.write(session.frame(opcode, payload))
            const frame = yield* session.peer.nextFrame
            expect(frame.rsv1).toBe(true)
            if (size > 1000) expect(frame.payload.length).toBeLessThan(size / 10)
            expect(Frames.describe(session.inflated(frame))).toBe(described(opcode, payload))
            yield* expectNothingMoreInflated(session)
          })
      )
    }
  }

  live("7692 6: may come beside uncompressed ones, and the order stays", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      const messages = Array.from({ length: 60 }, (_, i) => ({
        opcode: i % 2 === 0 ? TEXT : BINARY,
        // Large ones take longer to inflate than the small ones after them.
        payload: Buffer.from(`${i} `.padEnd(i % 5 === 0 ? 20_000 : 20, "x")),
        isCompressed: i % 3 !== 0
      }))
      yield* session.peer.write(
        together(
          ...messages.map(({ isCompressed, opcode, payload }) =>
            isCompressed ? session.frame(opcode, payload) : Frames.frame({ opcode, payload })
          )
        )
      )
      expect(yield* takeInflated(session, 60)).toEqual(messages.map(Frames.describe))
      yield* expectNothingMoreInflated(session)
    })
  )

  live("7692 6: on many connections at once", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer({ compression: true })
      yield* Effect.forEach(
        Array.from({ length: 20 }, (_, i) => i),
        (i) =>
          Effect.gen(function* () {
            const session = yield* deflateConnection(port, EXTENSION)
            const payload = `connection ${i} `.repeat(1000)
            yield* session.peer.write(together(...[1, 2, 3].map(() => session.frame(TEXT, payload))))
            expect(yield* takeInflated(session, 3)).toEqual([1, 2, 3].map(() => described(TEXT, payload)))
            yield* expectNothingMoreInflated(session)
          }),
        { concurrency: "unbounded" }
      )
    })
  )

  live("7692 6: that come one byte in a TCP segment", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      const texts = ["one", "one and two", "one and two and three"]
      yield* session.peer.writeChunked(together(...texts.map((text) => session.frame(TEXT, text))), [1])
      expect(yield* takeInflated(session, 3)).toEqual(texts.map((text) => `text ${text}`))
      yield* expectNothingMoreInflated(session)
    })
  )

  live("8.1: invalid UTF-8 in what is inflated closes with 1007", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      yield* expectFailure(session.peer, session.frame(TEXT, Uint8Array.of(0x61, 0xff)), 1007)
    })
  )
})

describe("7692 7.1.1: context takeover", () => {
  // Random, so that only an earlier message can help; over 1024, below which `ws` doesn't compress without context.
  const payload = randomBytes(2000)

  const lengths = (offer: string) =>
    Effect.gen(function* () {
      const session = yield* deflateSession({}, offer)
      yield* session.peer.write(together(session.frame(BINARY, payload), session.frame(BINARY, payload)))
      const frames = [yield* session.peer.nextFrame, yield* session.peer.nextFrame] as const
      for (const frame of frames) {
        expect(frame.rsv1).toBe(true)
        expect(session.inflated(frame).payload.equals(payload)).toBe(true)
      }
      yield* expectNothingMoreInflated(session)
      return frames.map((frame) => frame.payload.length)
    })

  live("7692 7.1.1.1: the server's second identical message is tiny", () =>
    Effect.gen(function* () {
      const [first = 0, second = 0] = yield* lengths(EXTENSION)
      expect(first).toBeGreaterThan(1900)
      expect(second).toBeLessThan(100)
    })
  )

  live(
    "7692 7.1.1.1: with server_no_context_takeover it is as large as the first, and stands by itself",
    () =>
      Effect.gen(function* () {
        const [first = 0, second = 0] = yield* lengths(`${EXTENSION}; server_no_context_takeover`)
        expect(first).toBeGreaterThan(1900)
        expect(second).toBe(first)
      })
  )

  live(
    "7692 7.1.1.2: with client_no_context_takeover it is the client's messages that stand by themselves",
    () =>
      Effect.gen(function* () {
        const [first = 0, second = 0] = yield* lengths(`${EXTENSION}; client_no_context_takeover`)
        expect(second).toBeLessThan(first / 10)
      })
  )

  live("7692 7.1.1.2: a client that promised to take no context over, and does, closes with 1007", () =>
    Effect.gen(function* () {
      const { peer } = yield* deflateSession({}, `${EXTENSION}; client_no_context_takeover`)
      yield* peer.write(ready("f248cdc9c90700"))
      yield* peer.nextFrame
      yield* expectFailure(peer, ready("f200110000"), 1007)
    })
  )

  live("7692 7.1.1: is not lost over uncompressed messages and control frames", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      const first = session.frame(BINARY, payload)
      const second = session.frame(BINARY, payload)
      expect(second.length).toBeLessThan(100)
      yield* session.peer.write(together(first, Frames.text("plain"), Frames.pong(), second))
      expect(yield* takeInflated(session, 3)).toEqual([
        described(BINARY, payload),
        "text plain",
        described(BINARY, payload)
      ])
      yield* expectNothingMoreInflated(session)
    })
  )
})

describe("7692 7.1.2: the window", () => {
  for (let bits = 8; bits <= 15; bits++) {
    live(`7692 7.1.2.1: with server_max_window_bits=${bits} the server looks no further back`, () =>
      Effect.gen(function* () {
        const session = yield* deflateSession({}, `${EXTENSION}; server_max_window_bits=${bits}`)
        // Repeats within the window, and just beyond it: a larger window would be used.
        for (const period of [2 ** bits - 100, 2 ** bits + 20]) {
          const payload = repeating(period, 3 * period)
          yield* session.peer.write(Frames.binary(payload))
          const frame = yield* session.peer.nextFrame
          expect(frame.rsv1).toBe(true)
          expect(session.inflated(frame).payload.equals(payload)).toBe(true)
        }
        yield* expectNothingMoreInflated(session)
      })
    )
  }

  for (let bits = 9; bits <= 15; bits++) {
    live(
      `7692 7.1.2.2: with client_max_window_bits=${bits} a client that looks as far back is understood`,
      () =>
        Effect.gen(function* () {
          const session = yield* deflateSession({}, `${EXTENSION}; client_max_window_bits=${bits}`)
          const payload = repeating(2 ** bits - 300, 2 ** bits * 3)
          yield* session.peer.write(session.frame(BINARY, payload))
          expect(yield* takeInflated(session, 1)).toEqual([described(BINARY, payload)])
          yield* expectNothingMoreInflated(session)
        })
    )
  }
})

describe("7692 6.1: fragments of a compressed message", () => {
  live("7692 6.1: are cut anywhere in what is compressed", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      const text = "Grüße, Grüße, Grüße! 🌍"
      const length = Deflate.deflater()(Buffer.from(text)).length
      for (let at = 0; at <= length; at++) {
        // Later ones are shorter, since they refer to the first.
        yield* session.peer.write(together(...session.frames(TEXT, text, [Math.min(at, 5)])))
        expect(yield* takeInflated(session, 1)).toEqual([`text ${text}`])
      }
      yield* expectNothingMoreInflated(session)
    })
  )

  live(
    "7692 6.1: each byte in a fragment of its own, with pings between, which are answered uncompressed",
    () =>
      Effect.gen(function* () {
        const session = yield* deflateSession()
        const everywhere = Array.from({ length: 15 }, (_, i) => i + 1)
        const frames = session.frames(TEXT, "all of this is compressed", everywhere)
        yield* session.peer.write(
          together(...frames.flatMap((frame, i) => (i === 0 ? [frame] : [Frames.ping(`${i}`), frame])))
        )
        const answers = yield* Effect.replicateEffect(session.peer.nextFrame, frames.length)
        const pongs = answers.filter((frame) => frame.opcode === PONG)
        expect(pongs.map(Frames.describe)).toEqual(frames.slice(1).map((_, i) => `pong ${i + 1}`))
        const echoes = answers.filter((frame) => frame.opcode !== PONG).map(session.inflated)
        expect(echoes.map(Frames.describe)).toEqual(["text all of this is compressed"])
        yield* expectNothingMoreInflated(session)
      })
  )
})

describe("7692 6: RSV1 where it has no meaning closes with 1002", () => {
  live("7692 6.1: on a continuation", () =>
    Effect.gen(function* () {
      const { peer } = yield* deflateSession()
      const first = Frames.frame({
        opcode: TEXT,
        rsv1: true,
        fin: false,
        payload: Buffer.from("f248cd", "hex")
      })
      const second = Frames.frame({
        opcode: CONTINUATION,
        rsv1: true,
        payload: Buffer.from("c9c90700", "hex")
      })
      yield* expectFailure(peer, together(first, second), 1002)
    })
  )

  live("7692 6.1: on a continuation of an uncompressed message", () =>
    Effect.gen(function* () {
      const { peer } = yield* deflateSession()
      const first = Frames.frame({ opcode: TEXT, fin: false, payload: "a" })
      yield* expectFailure(peer, together(first, Frames.frame({ opcode: CONTINUATION, rsv1: true })), 1002)
    })
  )

  for (const [name, opcode] of [
    ["ping", PING],
    ["pong", PONG],
    ["Close frame", Frames.CLOSE]
  ] as const) {
    live(`7692 6.1: on a ${name}`, () =>
      Effect.flatMap(deflateSession(), ({ peer }) =>
        expectFailure(peer, Frames.frame({ opcode, rsv1: true }), 1002)
      )
    )
  }

  for (const bit of [{ rsv2: true }, { rsv3: true }]) {
    live(`5.2: ${Object.keys(bit).join()} still has none`, () =>
      Effect.flatMap(deflateSession(), ({ peer }) =>
        expectFailure(peer, Frames.frame({ opcode: TEXT, payload: "a", ...bit }), 1002)
      )
    )
  }
})

describe("7692 7.2.2: what can't be inflated closes with 1007", () => {
  const corrupt: ReadonlyArray<readonly [string, string]> = [
    ["a block of the reserved type", "ffffff"],
    ["a stored block whose length is wrong", "000500000048656c6c6f00"],
    ["a reference to before the beginning", "f200110000"],
    ["text", Buffer.from("this is no deflate").toString("hex")]
  ]
  for (const [name, hex] of corrupt) {
    live(`7692 7.2.2: ${name}`, () =>
      Effect.flatMap(deflateSession(), ({ peer }) => expectFailure(peer, ready(hex, BINARY), 1007))
    )
  }

  live("7692 7.2.2: after good messages, which are echoed first", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      const good = Array.from({ length: 10 }, (_, i) => `good ${i}`)
      const frames = good.map((text) => session.frame(TEXT, text))
      yield* session.peer.write(together(...frames, ready("ffffff"), Frames.text("after")))
      yield* expectUntilEnd(session, [
        ...good.map((text) => `text ${text}`),
        "close 1007 invalid compressed data"
      ])
    })
  )
})

describe("10.4: the largest message is that of what is inflated", () => {
  live("10.4: exactly max-payload, much smaller when compressed, is echoed", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      const payload = Buffer.alloc(MAX_PAYLOAD, "abc")
      yield* session.peer.write(session.frame(BINARY, payload))
      expect(yield* takeInflated(session, 1)).toEqual([described(BINARY, payload)])
      yield* expectNothingMoreInflated(session)
    })
  )

  live("10.4: exactly max-payload, a little larger when compressed since it is random, is echoed", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession({ maxPayload: 10_000 })
      const payload = randomBytes(10_000)
      const frame = session.frame(BINARY, payload)
      expect(frame.length).toBeGreaterThan(10_000)
      yield* session.peer.write(frame)
      expect(yield* takeInflated(session, 1)).toEqual([described(BINARY, payload)])
      yield* expectNothingMoreInflated(session)
    })
  )

  for (const [name, size] of [
    ["one byte more", MAX_PAYLOAD + 1],
    ["sixteen times as much, in 16 KiB,", 16 * MAX_PAYLOAD]
  ] as const) {
    live(`10.4: ${name} closes with 1009`, () =>
      Effect.gen(function* () {
        const { frame, peer } = yield* deflateSession()
        yield* expectFailure(peer, frame(BINARY, Buffer.alloc(size)), 1009)
      })
    )
  }

  live("10.4: one byte more, uncompressed, closes with 1009", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession({ maxPayload: 1000 })
      yield* session.peer.write(together(Frames.text("before"), Frames.text("a".repeat(1001))))
      yield* expectUntilEnd(session, ["text before", "close 1009 message too big"])
    })
  )

  live("10.4: what stood before a message that is too big is echoed, and nothing after it", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession({ maxPayload: 1000 })
      yield* session.peer.write(
        together(
          session.frame(TEXT, "before"),
          session.frame(TEXT, "a".repeat(1001)),
          session.frame(TEXT, "after")
        )
      )
      yield* expectUntilEnd(session, ["text before", "close 1009 message too big"])
    })
  )

  live("10.4: one byte more in fragments closes with 1009", () =>
    Effect.gen(function* () {
      const { frames, peer } = yield* deflateSession({ maxPayload: 1000 })
      yield* expectFailure(peer, together(...frames(TEXT, "a".repeat(1001), [2, 4, 6])), 1009)
    })
  )
})

describe("what stood before the end is echoed before it, though it has to be inflated first", () => {
  const messages = Array.from({ length: 50 }, (_, i) => `${i} `.padEnd(i % 7 === 0 ? 20_000 : 50, "x"))
  const echoes = messages.map((text) => described(TEXT, text))

  live("5.5.1: before a Close frame", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      yield* session.peer.write(
        together(...messages.map((text) => session.frame(TEXT, text)), Frames.close(4000, "bye"))
      )
      yield* expectUntilEnd(session, [...echoes, "close 4000 bye"])
    })
  )

  live("5.5.1: one message before a Close frame", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      yield* session.peer.write(together(session.frame(TEXT, "hello"), Frames.close(1000)))
      yield* expectUntilEnd(session, ["text hello", "close 1000"])
    })
  )

  live("7.1.7: before a bad frame", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      yield* session.peer.write(
        together(...messages.map((text) => session.frame(TEXT, text)), Frames.frame({ opcode: 3 }))
      )
      yield* expectUntilEnd(session, [...echoes, "close 1002 invalid opcode 3"])
    })
  )

  live("7.2.1: before the end of TCP", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      yield* session.peer.writeAndEnd(together(...messages.map((text) => session.frame(TEXT, text))))
      yield* expectUntilEnd(session, echoes)
    })
  )

  live("7.2.1: one message before the end of TCP", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      yield* session.peer.writeAndEnd(session.frame(TEXT, "hello"))
      yield* expectUntilEnd(session, ["text hello"])
    })
  )

  live("7.2.1: a ping behind a message, before the end of TCP", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      const message = session.frame(TEXT, "x".repeat(100_000))
      yield* session.peer.writeAndEnd(together(message, Frames.ping("last")))
      const { end, frames } = yield* session.peer.allUntilEnd
      expect(frames.map((frame) => Frames.describe(session.inflated(frame))).sort()).toEqual([
        "pong last",
        described(TEXT, "x".repeat(100_000))
      ])
      expect(end).toBe("fin")
    })
  )

  live("5.5.1: 4 MiB before a Close frame", () =>
    Effect.gen(function* () {
      const session = yield* deflateSession()
      const large = Array.from({ length: 16 }, (_, i) => Buffer.alloc(256 * KIB, `${i} `))
      yield* session.peer.write(
        together(...large.map((payload) => session.frame(BINARY, payload)), Frames.close(1000))
      )
      yield* expectUntilEnd(session, [...large.map((payload) => described(BINARY, payload)), "close 1000"])
    })
  )
})
