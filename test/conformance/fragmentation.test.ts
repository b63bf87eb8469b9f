/**
 * Fragmentation (RFC 6455 section 5.4).
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
  take,
  together
} from "../support/session.js"

const { BINARY, CONTINUATION, TEXT } = Frames

const start = (payload: Frames.Payload, opcode: number = TEXT): Buffer =>
  Frames.frame({ opcode, payload, fin: false })
const more = (payload: Frames.Payload): Buffer => Frames.frame({ opcode: CONTINUATION, payload, fin: false })
const last = (payload: Frames.Payload): Buffer => Frames.frame({ opcode: CONTINUATION, payload })

describe("5.4: a fragmented message", () => {
  const payload = Buffer.from("Grüße, 世界 🌍!")

  live("5.4: cut in two at every place, within characters too", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const messages = Array.from({ length: payload.length + 1 }, (_, at) =>
        together(...Frames.fragments(TEXT, payload, [at]))
      )
      yield* expectAnswers(
        peer,
        together(...messages),
        messages.map(() => `text ${payload.toString()}`)
      )
    })
  )

  for (const opcode of [TEXT, BINARY]) {
    live(`5.4: of ${opcode === TEXT ? "text" : "binary"}, each byte in a fragment of its own`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const everywhere = Array.from({ length: payload.length - 1 }, (_, i) => i + 1)
        yield* expectAnswers(peer, together(...Frames.fragments(opcode, payload, everywhere)), [
          Frames.describe({ opcode, payload })
        ])
      })
    )
  }

  const shapes: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>, string]> = [
    ["an empty first fragment", [start(""), last("hello")], "text hello"],
    ["an empty fragment in the middle", [start("hel"), more(""), last("lo")], "text hello"],
    ["an empty last fragment", [start("hello"), last("")], "text hello"],
    [
      "many empty fragments around one that is not",
      [start(""), more(""), more("hello"), more(""), last("")],
      "text hello"
    ],
    ["empty fragments only", [start(""), more(""), last("")], "text"],
    ["empty fragments only, binary", [start("", BINARY), last("")], "binary"],
    [
      "fragments of very different sizes",
      [start("a"), more("b".repeat(70_000)), last("c")],
      Frames.describe({ opcode: TEXT, payload: Buffer.from(`a${"b".repeat(70_000)}c`) })
    ]
  ]
  for (const [name, frames, echo] of shapes) {
    live(`5.4: with ${name}`, () =>
      Effect.flatMap(session(), (peer) => expectAnswers(peer, together(...frames), [echo]))
    )
  }

  live("5.4: of 1000 fragments", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const long = Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 256))
      const cuts = Array.from({ length: 999 }, (_, i) => 3 * (i + 1))
      yield* expectAnswers(peer, together(...Frames.fragments(BINARY, long, cuts)), [
        Frames.describe({ opcode: BINARY, payload: long })
      ])
    })
  )

  live("5.4: of far too many fragments closes with 1009: each costs more than its bytes (10.4)", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const flood = together(start("a"), ...Array.from({ length: 20_000 }, () => more("a")))
      yield* expectFailure(peer, flood, 1009)
    })
  )

  live("5.4: is echoed only when its last fragment is here", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(together(start("hel"), Frames.ping("1")))
      expect(yield* take(peer, 1)).toEqual(["pong 1"])
      yield* peer.write(together(more("lo"), Frames.ping("2")))
      expect(yield* take(peer, 1)).toEqual(["pong 2"])
      yield* peer.write(last("!"))
      expect((yield* peer.nextMessage).text).toBe("hello!")
      yield* expectNothingMore(peer)
    })
  )

  live("5.4: follows another, and an unfragmented one follows it", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* expectAnswers(
        peer,
        together(
          start("a"),
          last("b"),
          start("c", BINARY),
          last("d"),
          Frames.text("e"),
          start("f"),
          last("g")
        ),
        ["text ab", "binary 6364", "text e", "text fg"]
      )
    })
  )

  live("5.4: that is never finished is not echoed when the peer closes", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(together(Frames.text("whole"), start("half"), Frames.close(1000)))
      yield* expectClose(peer, 1000, ["text whole"])
    })
  )
})

describe("5.4: what breaks the order of fragments closes with 1002", () => {
  const broken: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>]> = [
    ["a continuation when nothing has begun", [last("hello")]],
    ["a continuation that is not the last when nothing has begun", [more("hello")]],
    ["an empty continuation when nothing has begun", [last("")]],
    ["text within a fragmented text", [start("hel"), Frames.text("lo")]],
    ["binary within a fragmented text", [start("hel"), Frames.binary("lo")]],
    ["text within a fragmented binary", [start("hel", BINARY), Frames.text("lo")]],
    ["another beginning within a fragmented message", [start("hel"), start("lo")]],
    ["another beginning after an empty one", [start(""), start("")]]
  ]
  for (const [name, frames] of broken) {
    live(`5.4: ${name}`, () =>
      Effect.flatMap(session(), (peer) => expectFailure(peer, together(...frames), 1002))
    )
  }

  const afterwards: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>, string]> = [
    ["a continuation after an unfragmented message", [Frames.text("hello"), last("!")], "text hello"],
    ["a continuation after the last fragment", [start("hel"), last("lo"), last("!")], "text hello"]
  ]
  for (const [name, frames, echo] of afterwards) {
    live(`5.4: ${name}, which is echoed first`, () =>
      Effect.flatMap(session(), (peer) => expectFailure(peer, together(...frames), 1002, [echo]))
    )
  }
})
