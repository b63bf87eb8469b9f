/**
 * UTF-8 in text messages (RFC 6455 sections 5.6 and 8.1; RFC 3629).
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { expectAnswers, expectFailure, expectNothingMore, session, together } from "../support/session.js"

const { BINARY, TEXT } = Frames

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex")

/** All places within, and all pairs of them: every way to cut in two or three. */
const cuts = (length: number): ReadonlyArray<ReadonlyArray<number>> => {
  const places = Array.from({ length: length - 1 }, (_, i) => i + 1)
  return [...places.map((a) => [a]), ...places.flatMap((a) => places.filter((b) => b > a).map((b) => [a, b]))]
}

const valid: ReadonlyArray<readonly [string, string]> = [
  ["of one byte each", "41 7a 7f"],
  ["of two bytes: U+0080, U+00DF, U+07FF", "c2 80 c3 9f df bf"],
  ["of three bytes: U+0800, U+20AC, U+D7FF, U+E000, U+FFFD", "e0 a0 80 e2 82 ac ed 9f bf ee 80 80 ef bf bd"],
  ["of four bytes: U+10000, U+1F30D, U+10FFFF", "f0 90 80 80 f0 9f 8c 8d f4 8f bf bf"],
  ["U+0000", "00"],
  ["U+0000 within text", "61 00 62"],
  ["a byte order mark, which is kept", "ef bb bf 61"],
  ["a byte order mark alone", "ef bb bf"],
  [
    "noncharacters: U+FFFE, U+FFFF, U+FDD0, U+1FFFE, U+10FFFF",
    "ef bf be ef bf bf ef b7 90 f0 9f bf be f4 8f bf bf"
  ],
  ["a combining mark and a flag of two code points", "61 cc 88 f0 9f 87 aa f0 9f 87 ba"],
  ["Greek", "ce ba e1 bd b9 cf 83 ce bc ce b5"]
]

const invalid: ReadonlyArray<readonly [string, string]> = [
  ["a continuation byte alone", "80"],
  ["the last continuation byte alone", "bf"],
  ["one continuation byte too many", "c3 9f 80"],
  ["FE", "fe"],
  ["FF", "ff"],
  ["the high surrogate U+D800", "ed a0 80"],
  ["the high surrogate U+DBFF", "ed af bf"],
  ["the low surrogate U+DC00", "ed b0 80"],
  ["the low surrogate U+DFFF", "ed bf bf"],
  ["a pair of surrogates", "ed a0 bd ed b8 80"],
  ["the overlong slash of two bytes", "c0 af"],
  ["the overlong slash of three bytes", "e0 80 af"],
  ["the overlong slash of four bytes", "f0 80 80 af"],
  ["the overlong U+0000", "c0 80"],
  ["the last overlong of two bytes", "c1 bf"],
  ["the last overlong of three bytes", "e0 9f bf"],
  ["the last overlong of four bytes", "f0 8f bf bf"],
  ["U+110000", "f4 90 80 80"],
  ["a character of four bytes that begins with F5", "f5 80 80 80"],
  ["a character of five bytes", "f8 88 80 80 80"],
  ["a character of six bytes", "fc 84 80 80 80 80"],
  ["one of two bytes, cut off", "c3"],
  ["one of three bytes, cut off after one", "e2"],
  ["one of three bytes, cut off after two", "e2 82"],
  ["one of four bytes, cut off after one", "f0"],
  ["one of four bytes, cut off after two", "f0 9f"],
  ["one of four bytes, cut off after three", "f0 9f 8c"],
  ["one that is cut off by a letter", "e2 82 41"],
  ["one that is cut off by the next", "e2 82 e2 82 ac"],
  ["text in Latin-1", "47 72 fc df 65"]
]

describe("8.1: valid UTF-8 comes back as it is", () => {
  for (const [name, hex] of valid) {
    live(`8.1: ${name}`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        yield* peer.write(Frames.text(bytes(hex)))
        const echo = yield* peer.nextMessage
        expect(echo.opcode).toBe(TEXT)
        // Bytes, for a decoder would hide a lost byte order mark.
        expect(echo.payload.toString("hex")).toBe(bytes(hex).toString("hex"))
        yield* expectNothingMore(peer)
      })
    )
    if (bytes(hex).length > 1) {
      live(`5.6: ${name}, in fragments cut in two or three at every byte`, () =>
        Effect.gen(function* () {
          const peer = yield* session()
          const payload = bytes(hex)
          const messages = cuts(payload.length).map((at) => together(...Frames.fragments(TEXT, payload, at)))
          yield* expectAnswers(
            peer,
            together(...messages),
            messages.map(() => Frames.describe({ opcode: TEXT, payload }))
          )
        })
      )
    }
  }

  live("8.1: characters that lie across TCP segments", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const payload = bytes("f0 90 80 80 e2 82 ac c3 9f 41")
      yield* peer.writeChunked(Frames.text(payload), [1])
      expect((yield* peer.nextMessage).payload).toEqual(payload)
    })
  )
})

describe("8.1: invalid UTF-8 closes with 1007", () => {
  for (const [name, hex] of invalid) {
    live(`8.1: ${name}`, () =>
      Effect.flatMap(session(), (peer) => expectFailure(peer, Frames.text(bytes(hex)), 1007))
    )
    live(`8.1: ${name}, within good text, after a good message that is echoed`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const bad = together(Buffer.from("good, "), bytes(hex), Buffer.from(", good"))
        yield* expectFailure(peer, together(Frames.text("good"), Frames.text(bad)), 1007, ["text good"])
      })
    )
  }
})

describe("8.1: invalid UTF-8 in fragments closes with 1007", () => {
  for (const [name, hex] of invalid) {
    const payload = together(Buffer.from("a"), bytes(hex), Buffer.from("b"))
    live(`8.1: ${name}, each byte in a fragment of its own`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const everywhere = Array.from({ length: payload.length - 1 }, (_, i) => i + 1)
        yield* expectFailure(peer, together(...Frames.fragments(TEXT, payload, everywhere)), 1007)
      })
    )
  }

  live("5.6: a character that is cut off at the end of the last fragment", () =>
    Effect.flatMap(session(), (peer) =>
      expectFailure(peer, together(...Frames.fragments(TEXT, bytes("e2 82 ac e2 82"), [3])), 1007)
    )
  )

  live("5.6: what would go on in the next message does not count", () =>
    Effect.flatMap(session(), (peer) =>
      expectFailure(peer, together(Frames.text(bytes("e2 82")), Frames.text(bytes("ac"))), 1007)
    )
  )

  live("5.6: a ping between the halves of a character is no part of it", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const [first = "", second = ""] = Frames.fragments(TEXT, bytes("e2 82 ac"), [1])
      yield* peer.write(together(...[first, Frames.ping("?"), second].map(Frames.bytesOf)))
      const frames = [yield* peer.nextFrame, yield* peer.nextFrame].map(Frames.describe)
      expect([...frames].sort()).toEqual(["pong ?", "text €"])
    })
  )
})

describe("5.6: binary is not text", () => {
  for (const [name, hex] of invalid) {
    live(`5.6: ${name} comes back`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const payload = bytes(hex)
        yield* expectAnswers(
          peer,
          together(Frames.binary(payload), ...Frames.fragments(BINARY, payload, [1])),
          [1, 2].map(() => Frames.describe({ opcode: BINARY, payload }))
        )
      })
    )
  }
})
