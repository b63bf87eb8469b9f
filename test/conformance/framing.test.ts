/**
 * Frames (RFC 6455 sections 5.1 to 5.3, 5.6, 5.8 and 10.4).
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

const { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT } = Frames

const KIB = 1024
const MAX_PAYLOAD = KIB ** 2

const hex = (opcode: number): string => `0x${opcode.toString(16).toUpperCase()}`

/** Bytes that are also text, and differ from place to place. */
const sample = (size: number): Buffer => Buffer.from(Array.from({ length: size }, (_, i) => 97 + (i % 23)))

describe("5.1: masking", () => {
  const unmasked: ReadonlyArray<readonly [string, Frames.FrameOptions]> = [
    ["text frame", { opcode: TEXT, payload: "hello" }],
    ["binary frame", { opcode: BINARY, payload: "hello" }],
    ["empty frame", { opcode: TEXT }],
    ["first fragment", { opcode: TEXT, payload: "hel", fin: false }],
    ["ping", { opcode: PING, payload: "?" }],
    ["pong", { opcode: PONG }],
    ["Close frame", { opcode: CLOSE, payload: Frames.closePayload(1000) }],
    ["frame of 300 bytes", { opcode: BINARY, payload: sample(300) }]
  ]
  for (const [name, options] of unmasked) {
    live(`5.1: an unmasked ${name} closes with 1002`, () =>
      Effect.flatMap(session(), (peer) =>
        expectFailure(peer, Frames.frame({ ...options, mask: false }), 1002)
      )
    )
  }

  live("5.1: an unmasked continuation of a masked fragment closes with 1002", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const first = Frames.frame({ opcode: TEXT, payload: "a", fin: false })
      const second = Frames.frame({ opcode: CONTINUATION, payload: "b", mask: false })
      yield* expectFailure(peer, together(first, second), 1002)
    })
  )

  for (const key of ["00000000", "ffffffff", "00ff00ff", "01020304"]) {
    live(`5.3: the mask key ${key} is taken off`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const mask = Buffer.from(key, "hex")
        const frames = [0, 1, 2, 3, 4, 5, 31, 32, 33].map((size) =>
          Frames.frame({ opcode: TEXT, payload: sample(size), mask })
        )
        const echoes = [0, 1, 2, 3, 4, 5, 31, 32, 33].map((size) =>
          Frames.describe({ opcode: TEXT, payload: sample(size) })
        )
        yield* expectAnswers(peer, together(...frames), echoes)
      })
    )
  }
})

describe("5.2: the length", () => {
  for (const opcode of [TEXT, BINARY]) {
    for (const size of [0, 1, 2, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537]) {
      live(
        `5.2: ${opcode === TEXT ? "text" : "binary"} of ${size} bytes is echoed, in one frame with the shortest length`,
        () =>
          Effect.gen(function* () {
            const peer = yield* session()
            yield* peer.write(Frames.frame({ opcode, payload: sample(size) }))
            const echo = yield* peer.nextFrame
            expect(echo).toMatchObject({
              opcode,
              fin: true,
              rsv1: false,
              rsv2: false,
              rsv3: false,
              isMasked: false,
              lengthEncoding: size < 126 ? 7 : size < 65536 ? 16 : 64
            })
            expect(echo.payload.equals(sample(size))).toBe(true)
            yield* expectNothingMore(peer)
          })
      )
    }
  }

  // A sender must not, but a receiver need not look, and `ws` doesn't.
  for (const [size, lengthEncoding] of [
    [0, 16],
    [5, 16],
    [125, 16],
    [0, 64],
    [5, 64],
    [126, 64],
    [65535, 64]
  ] as const) {
    live(`5.2: a length of ${size} that takes ${lengthEncoding} bits, more than it needs, is accepted`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const frame = Frames.frame({ opcode: BINARY, payload: sample(size), lengthEncoding })
        yield* expectAnswers(peer, frame, [Frames.describe({ opcode: BINARY, payload: sample(size) })])
      })
    )
  }

  for (const [name, declaredLength] of [
    ["2^53", 2n ** 53n],
    ["2^62", 2n ** 62n],
    // The RFC has the highest bit zero, and no code of its own for one that is not.
    ["2^63, whose highest bit is set,", 2n ** 63n],
    ["2^64 - 1", 2n ** 64n - 1n]
  ] as const) {
    live(`5.2: a length of ${name} closes with 1009`, () =>
      Effect.flatMap(session(), (peer) =>
        expectFailure(peer, Frames.frame({ opcode: BINARY, lengthEncoding: 64, declaredLength }), 1009)
      )
    )
  }
})

describe("5.2: reserved bits", () => {
  const kinds: ReadonlyArray<readonly [string, Frames.FrameOptions]> = [
    ["text frame", { opcode: TEXT, payload: "hello" }],
    ["binary frame", { opcode: BINARY, payload: "hello" }],
    ["first fragment", { opcode: TEXT, payload: "hello", fin: false }],
    ["ping", { opcode: PING, payload: "?" }],
    ["pong", { opcode: PONG, payload: "!" }],
    ["Close frame", { opcode: CLOSE, payload: Frames.closePayload(1000) }]
  ]
  const bits: ReadonlyArray<readonly [string, Omit<Frames.FrameOptions, "opcode">]> = [
    ["RSV1", { rsv1: true }],
    ["RSV2", { rsv2: true }],
    ["RSV3", { rsv3: true }],
    ["all of them", { rsv1: true, rsv2: true, rsv3: true }]
  ]
  for (const [kind, options] of kinds) {
    for (const [bit, set] of bits) {
      live(`5.2: a ${kind} with ${bit} set closes with 1002`, () =>
        Effect.flatMap(session(), (peer) => expectFailure(peer, Frames.frame({ ...options, ...set }), 1002))
      )
    }
  }

  for (const [bit, set] of bits) {
    live(`5.2: a continuation with ${bit} set closes with 1002`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const first = Frames.frame({ opcode: TEXT, payload: "a", fin: false })
        const second = Frames.frame({ opcode: CONTINUATION, payload: "b", ...set })
        yield* expectFailure(peer, together(first, second), 1002)
      })
    )
  }
})

describe("5.2: reserved opcodes", () => {
  for (const opcode of [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf]) {
    live(`5.2: opcode ${hex(opcode)} closes with 1002`, () =>
      Effect.flatMap(session(), (peer) => expectFailure(peer, Frames.frame({ opcode }), 1002))
    )
    live(`5.2: opcode ${hex(opcode)} with a payload, in a fragment, closes with 1002`, () =>
      Effect.flatMap(session(), (peer) =>
        expectFailure(peer, Frames.frame({ opcode, payload: "hello", fin: false }), 1002)
      )
    )
  }

  live("5.2: a reserved opcode within a fragmented message closes with 1002", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const first = Frames.frame({ opcode: TEXT, payload: "a", fin: false })
      yield* expectFailure(peer, together(first, Frames.frame({ opcode: 0x3 })), 1002)
    })
  )
})

describe("5.6: data frames", () => {
  live("5.6: messages come back in order, each with its type", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const all = Array.from({ length: 300 }, (_, i) => ({
        opcode: i % 3 === 0 ? BINARY : TEXT,
        payload: Buffer.from(`message ${i}`)
      }))
      yield* expectAnswers(peer, together(...all.map(Frames.frame)), all.map(Frames.describe))
    })
  )

  live("5.6: binary is any bytes, of every value", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const payload = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      yield* peer.write(Frames.binary(payload))
      expect((yield* peer.nextMessage).payload).toEqual(payload)
    })
  )

  live("5.2: frames that come one byte in a TCP segment", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const payloads = [0, 1, 125, 126, 300].map(sample)
      yield* peer.writeChunked(together(...payloads.map(Frames.text), Frames.close(1000)), [1])
      yield* expectClose(
        peer,
        1000,
        payloads.map((payload) => Frames.describe({ opcode: TEXT, payload }))
      )
    })
  )

  live("5.2: a header that is cut at every place", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      for (const lengthEncoding of [7, 16, 64] as const) {
        const frame = Frames.frame({ opcode: TEXT, payload: "hello", lengthEncoding })
        for (let at = 1; at < frame.length; at++) {
          yield* peer.writeChunked(frame, [at, frame.length])
          expect((yield* peer.nextMessage).text).toBe("hello")
        }
      }
      yield* expectNothingMore(peer)
    })
  )
})

describe("10.4: the largest message", () => {
  const full = sample(MAX_PAYLOAD)
  const echoed = Frames.describe({ opcode: BINARY, payload: full })

  live("10.4: exactly max-payload in one frame is echoed", () =>
    Effect.flatMap(session(), (peer) => expectAnswers(peer, Frames.binary(full), [echoed]))
  )

  live("10.4: exactly max-payload in fragments is echoed", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const frames = Frames.fragments(BINARY, full, [1, 65536, 500_000, MAX_PAYLOAD - 1])
      yield* expectAnswers(peer, together(...frames), [echoed])
    })
  )

  live("10.4: one byte more closes with 1009 as soon as the length is declared", () =>
    Effect.flatMap(session(), (peer) =>
      expectFailure(peer, Frames.frame({ opcode: BINARY, declaredLength: MAX_PAYLOAD + 1 }), 1009)
    )
  )

  live("10.4: one byte more closes with 1009 though all of it is sent", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* expectFailure(peer, Frames.text(sample(MAX_PAYLOAD + 1)), 1009)
    })
  )

  live("10.4: one byte more in fragments closes with 1009 as soon as their sum is declared", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const first = Frames.frame({ opcode: TEXT, payload: sample(MAX_PAYLOAD), fin: false })
      const second = Frames.frame({ opcode: CONTINUATION, fin: false, declaredLength: 1 })
      yield* expectFailure(peer, together(first, second), 1009)
    })
  )

  for (const maxPayload of [1, 10, 125, 126, 1000, 70_000]) {
    live(
      `10.4: with a max-payload of ${maxPayload}, that is echoed, and one byte more closes with 1009`,
      () =>
        Effect.gen(function* () {
          const peer = yield* session({ maxPayload })
          const echo = Frames.describe({ opcode: TEXT, payload: sample(maxPayload) })
          const frames = together(Frames.text(sample(maxPayload)), Frames.text(sample(maxPayload + 1)))
          yield* expectFailure(peer, frames, 1009, [echo])
        })
    )
  }

  live("10.4: is about one message: many that fit add up to more", () =>
    Effect.gen(function* () {
      const peer = yield* session({ maxPayload: 1000 })
      const echo = Frames.describe({ opcode: TEXT, payload: sample(1000) })
      const frames = Array.from({ length: 20 }, () => Frames.text(sample(1000)))
      yield* expectAnswers(
        peer,
        together(...frames),
        frames.map(() => echo)
      )
    })
  )

  live("10.4: is not about control frames", () =>
    Effect.gen(function* () {
      const peer = yield* session({ maxPayload: 1 })
      yield* expectAnswers(
        peer,
        together(Frames.frame({ opcode: TEXT, payload: "a", fin: false }), Frames.ping("hello")),
        ["pong hello"]
      )
    })
  )
})
