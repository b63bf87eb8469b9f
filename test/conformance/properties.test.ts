/**
 * What holds for whatever is sent: type, bytes and order survive (RFC 6455 sections 5.4 to 5.6), and every ending is
 * the one that the RFC asks for.
 */
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import { describe, expect } from "vitest"
import * as Arbitrary from "../support/arbitrary.js"
import * as Frames from "../support/frames.js"
import { property } from "../support/property.js"
import * as RawClient from "../support/RawClient.js"
import { together } from "../support/session.js"

const KIB = 1024
const MAX_PAYLOAD = KIB ** 2

/** What has not come by then, on a machine that does nothing else, won't. */
const PATIENCE = 5000

const connect = (port: number) => RawClient.connect({ port, patience: PATIENCE })

const isPong = (line: string): boolean => line.startsWith("pong")

/** Everything up to the end of TCP: what was echoed, the pongs, and the last word. */
const transcript = (peer: RawClient.RawClient) =>
  Effect.map(peer.allUntilEnd, ({ end, frames, rest }) => {
    const last = frames.at(-1)
    const close = last === undefined ? undefined : Frames.closeOf(last)
    const lines = (close === undefined ? frames : frames.slice(0, -1)).map(Frames.describe)
    return {
      // A pong may overtake an echo (section 5.5.3).
      echoes: lines.filter((line) => !isPong(line)),
      pongs: lines.filter(isPong),
      close: close && { code: close.code },
      rest: rest.length,
      end
    }
  })

describe("5.6: type, bytes and order survive", () => {
  property(
    "5.6: of messages of every size up to max-payload, whole or in fragments, many in flight",
    {
      arbitrary: FC.array(Arbitrary.message(MAX_PAYLOAD), { minLength: 1, maxLength: 8 }),
      runs: 25
    },
    (messages, port) =>
      Effect.gen(function* () {
        const peer = yield* connect(port)
        yield* peer.write(together(...messages.flatMap(Arbitrary.framesOf)))
        for (const { opcode, payload } of messages) {
          const echo = yield* peer.nextMessage
          expect(echo.opcode).toBe(opcode)
          expect(echo.payload.equals(payload)).toBe(true)
        }
        yield* peer.write(Frames.close(1000))
        expect(yield* transcript(peer)).toEqual({
          echoes: [],
          pongs: [],
          close: { code: 1000 },
          rest: 0,
          end: "fin"
        })
      })
  )

  property(
    "5.4: of small messages in any TCP segments, down to one byte",
    {
      arbitrary: FC.record({
        messages: FC.array(Arbitrary.message(300), { minLength: 1, maxLength: 8 }),
        segments: Arbitrary.segments(40)
      }),
      examples: [
        {
          messages: [0, 1, 125, 126, 127, 300].map((size) => ({
            opcode: Frames.BINARY,
            payload: Buffer.alloc(size, size),
            cuts: []
          })),
          segments: [1]
        }
      ],
      runs: 30
    },
    ({ messages, segments }, port) =>
      Effect.gen(function* () {
        const peer = yield* connect(port)
        const frames = messages.flatMap(Arbitrary.framesOf)
        yield* peer.writeChunked(together(...frames, Frames.close(1000)), segments)
        expect((yield* transcript(peer)).echoes).toEqual(messages.map(Frames.describe))
      })
  )

  property(
    "5.4: of large messages in any TCP segments",
    {
      arbitrary: FC.record({
        messages: FC.array(Arbitrary.message(200_000), { minLength: 1, maxLength: 4 }),
        segments: Arbitrary.segments(70_000).map((sizes) => sizes.concat(5000))
      }),
      runs: 20
    },
    ({ messages, segments }, port) =>
      Effect.gen(function* () {
        const peer = yield* connect(port)
        const frames = messages.flatMap(Arbitrary.framesOf)
        yield* peer.writeChunked(together(...frames, Frames.close(1000)), segments)
        expect((yield* transcript(peer)).echoes).toEqual(messages.map(Frames.describe))
      })
  )

  property(
    "8.1: of text of any code points, cut anywhere",
    { arbitrary: FC.array(Arbitrary.text(60), { minLength: 1, maxLength: 10 }), runs: 40 },
    (messages, port) =>
      Effect.gen(function* () {
        const peer = yield* connect(port)
        yield* peer.write(together(...messages.flatMap(Arbitrary.framesOf)))
        for (const { payload } of messages) {
          const echo = yield* peer.nextMessage
          expect(echo.opcode).toBe(Frames.TEXT)
          expect(echo.payload.toString("hex")).toBe(payload.toString("hex"))
        }
      })
  )

  property(
    "5.6: of messages on several connections at once",
    {
      arbitrary: FC.array(FC.array(Arbitrary.message(2000), { minLength: 1, maxLength: 5 }), {
        minLength: 2,
        maxLength: 8
      }),
      runs: 20
    },
    (conversations, port) =>
      Effect.forEach(
        conversations,
        (messages) =>
          Effect.gen(function* () {
            const peer = yield* connect(port)
            yield* peer.writeChunked(
              together(...messages.flatMap(Arbitrary.framesOf), Frames.close(1000)),
              [700]
            )
            expect((yield* transcript(peer)).echoes).toEqual(messages.map(Frames.describe))
          }),
        { concurrency: "unbounded" }
      )
  )
})

describe("8.1: UTF-8", () => {
  // Not `isUtf8` of Node, by which the server decides too.
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const isValid = (bytes: Uint8Array): boolean => {
    try {
      decoder.decode(bytes)
      return true
    } catch {
      return false
    }
  }

  property(
    "8.1: text comes back if it is UTF-8, and closes with 1007 if it is not, cut anywhere",
    { arbitrary: Arbitrary.nearlyText, runs: 80 },
    (message, port) =>
      Effect.gen(function* () {
        const peer = yield* connect(port)
        yield* peer.write(together(...Arbitrary.framesOf(message), Frames.close(1000)))
        const { close, echoes } = yield* transcript(peer)
        expect({ close, echoes }).toEqual(
          isValid(message.payload)
            ? { close: { code: 1000 }, echoes: [Frames.describe(message)] }
            : { close: { code: 1007 }, echoes: [] }
        )
      })
  )
})

/** Something that a well-behaved peer sends. */
type Step =
  | { readonly _tag: "Message"; readonly message: Arbitrary.Outgoing; readonly pings: ReadonlyArray<string> }
  | { readonly _tag: "Ping"; readonly payload: string }
  | { readonly _tag: "Pong"; readonly payload: string }

/** How it ends. */
interface Ending {
  readonly name: string
  /** `undefined`: the end of TCP. */
  readonly bytes: Buffer | undefined
  readonly close: { readonly code: number | undefined } | undefined
}

const endings: ReadonlyArray<Ending> = [
  { name: "Close 1000", bytes: Frames.close(1000), close: { code: 1000 } },
  { name: "Close 4999", bytes: Frames.close(4999, "over"), close: { code: 4999 } },
  { name: "an empty Close", bytes: Frames.close(), close: { code: undefined } },
  { name: "the end of TCP", bytes: undefined, close: undefined },
  { name: "a reserved opcode", bytes: Frames.frame({ opcode: 0xb }), close: { code: 1002 } },
  { name: "a reserved bit", bytes: Frames.frame({ opcode: 1, rsv3: true }), close: { code: 1002 } },
  { name: "no mask", bytes: Frames.frame({ opcode: 2, payload: "a", mask: false }), close: { code: 1002 } },
  { name: "a lone continuation", bytes: Frames.frame({ opcode: 0 }), close: { code: 1002 } },
  { name: "a bad code", bytes: Frames.close(1006), close: { code: 1002 } },
  { name: "bad UTF-8", bytes: Frames.text(Uint8Array.of(0xc0, 0xaf)), close: { code: 1007 } },
  { name: "too big", bytes: Frames.frame({ opcode: 2, declaredLength: 2 ** 33 }), close: { code: 1009 } }
]

const control = FC.string({ unit: "grapheme-ascii", maxLength: 20 })

const step: FC.Arbitrary<Step> = FC.oneof(
  {
    weight: 4,
    arbitrary: FC.record({
      _tag: FC.constant("Message" as const),
      message: Arbitrary.message(2000),
      pings: FC.array(control, { maxLength: 3 })
    })
  },
  { weight: 2, arbitrary: FC.record({ _tag: FC.constant("Ping" as const), payload: control }) },
  { weight: 1, arbitrary: FC.record({ _tag: FC.constant("Pong" as const), payload: control }) }
)

const bytesOf = (step: Step): Buffer => {
  switch (step._tag) {
    case "Message": {
      const [first, ...others] = Arbitrary.framesOf(step.message)
      // Between the fragments, as far as there are any.
      return together(first ?? Buffer.alloc(0), ...step.pings.map((ping) => Frames.ping(ping)), ...others)
    }
    case "Ping":
      return Frames.ping(step.payload)
    case "Pong":
      return Frames.pong(step.payload)
  }
}

const pongsOf = (step: Step): ReadonlyArray<string> =>
  (step._tag === "Message" ? step.pings : step._tag === "Ping" ? [step.payload] : []).map((payload) =>
    Frames.describe({ opcode: Frames.PONG, payload: Buffer.from(payload) })
  )

const echoesOf = (step: Step): ReadonlyArray<string> =>
  step._tag === "Message" ? [Frames.describe(step.message)] : []

describe("7: every conversation ends as it must, with everything answered that stood before the end", () => {
  property(
    "7: messages, pings and pongs, then an end and whatever comes after it, in any TCP segments",
    {
      arbitrary: FC.record({
        steps: FC.array(step, { maxLength: 12 }),
        ending: FC.constantFrom(...endings),
        late: FC.array(step, { maxLength: 2 }),
        segments: FC.oneof(
          { weight: 2, arbitrary: FC.constant(undefined) },
          { weight: 1, arbitrary: Arbitrary.segments(500).map((sizes) => sizes.concat(500)) }
        )
      }),
      runs: 80
    },
    ({ ending, late, segments, steps }, port) =>
      Effect.gen(function* () {
        const peer = yield* connect(port)
        const before = together(...steps.map(bytesOf))
        const all = ending.bytes === undefined ? before : together(before, ending.bytes, ...late.map(bytesOf))
        if (segments !== undefined) yield* peer.writeChunked(all, segments)
        if (ending.bytes === undefined) yield* segments === undefined ? peer.writeAndEnd(all) : peer.end
        else if (segments === undefined) yield* peer.write(all)
        expect(yield* transcript(peer)).toEqual({
          echoes: steps.flatMap(echoesOf),
          pongs: steps.flatMap(pongsOf),
          close: ending.close,
          rest: 0,
          end: "fin"
        })
      })
  )

  property(
    "10.7: any bytes at all are answered with frames, and then the end of TCP; and the server lives",
    {
      arbitrary: FC.record({
        bytes: FC.uint8Array({ maxLength: 200 }),
        // A header that is nearly right leads further than any bytes do.
        header: FC.option(
          FC.record({
            opcode: FC.nat({ max: 15 }),
            fin: FC.boolean(),
            rsv1: FC.boolean(),
            declaredLength: FC.nat({ max: 300 })
          })
        )
      }),
      runs: 80
    },
    ({ bytes, header }, port) =>
      Effect.gen(function* () {
        const peer = yield* connect(port)
        const first =
          header === null ? Buffer.alloc(0) : Frames.frame({ ...header, payload: bytes.subarray(0, 100) })
        yield* peer.writeAndEnd(together(Frames.text("before"), first, bytes))
        const { close, echoes, end, rest } = yield* transcript(peer)
        expect(echoes[0]).toBe("text before")
        expect({ end, rest }).toEqual({ end: "fin", rest: 0 })
        if (close?.code !== undefined) {
          expect(Frames.isSendable(close.code), `${close.code}`).toBe(true)
        }
        const other = yield* connect(port)
        yield* other.write(Frames.text("still here"))
        expect((yield* other.nextMessage).text).toBe("still here")
      })
  )
})
