/**
 * What holds for whatever is sent compressed (RFC 7692).
 */
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import { describe } from "vitest"
import * as Arbitrary from "../support/arbitrary.js"
import {
  deflateConnection,
  type DeflateSession,
  expectUntilEnd,
  EXTENSION
} from "../support/deflateSession.js"
import * as Frames from "../support/frames.js"
import { property } from "../support/property.js"
import { together } from "../support/session.js"

const offer: FC.Arbitrary<string> = FC.record({
  server_no_context_takeover: FC.boolean(),
  client_no_context_takeover: FC.boolean(),
  server_max_window_bits: FC.option(FC.integer({ min: 9, max: 15 })),
  client_max_window_bits: FC.option(FC.integer({ min: 9, max: 15 }))
}).map((params) =>
  [
    EXTENSION,
    ...Object.entries(params).flatMap(([name, value]) =>
      typeof value === "number" ? [`${name}=${value}`] : value === true ? [name] : []
    )
  ].join("; ")
)

const messages = (max: number, maxLength: number) =>
  FC.array(FC.record({ message: Arbitrary.message(max), isCompressed: FC.boolean() }), {
    minLength: 1,
    maxLength
  })

interface Case {
  readonly offer: string
  readonly messages: ReadonlyArray<{ readonly message: Arbitrary.Outgoing; readonly isCompressed: boolean }>
  readonly ending: "close" | "fin"
}

/** The bytes of a case, without the end of TCP, and what is to come back. */
const conversation = (session: DeflateSession, { ending, messages }: Case) => ({
  bytes: together(
    ...messages.flatMap(({ isCompressed, message }) =>
      isCompressed
        ? session.frames(message.opcode, message.payload, message.cuts)
        : Arbitrary.framesOf(message)
    ),
    ...(ending === "close" ? [Frames.close(1000)] : [])
  ),
  expected: [
    ...messages.map(({ message }) => Frames.describe(message)),
    ...(ending === "close" ? ["close 1000"] : [])
  ]
})

const ending = FC.constantFrom("close" as const, "fin" as const)

describe("7692 6: type, bytes and order survive, up to a Close frame or the end of TCP", () => {
  property(
    "7692 6: of compressed and other messages, whole or in fragments, whatever was negotiated",
    {
      arbitrary: FC.record({ offer, messages: messages(100_000, 10), ending }),
      server: { compression: true },
      runs: 40
    },
    (given, port) =>
      Effect.gen(function* () {
        const session = yield* deflateConnection(port, given.offer)
        const { bytes, expected } = conversation(session, given)
        yield* given.ending === "fin" ? session.peer.writeAndEnd(bytes) : session.peer.write(bytes)
        yield* expectUntilEnd(session, expected)
      })
  )

  property(
    "7692 6: of messages in any TCP segments, down to one byte",
    {
      arbitrary: FC.record({
        offer,
        messages: messages(200, 5),
        ending,
        segments: Arbitrary.segments(40)
      }),
      server: { compression: true },
      runs: 20
    },
    (given, port) =>
      Effect.gen(function* () {
        const session = yield* deflateConnection(port, given.offer)
        const { bytes, expected } = conversation(session, given)
        yield* session.peer.writeChunked(bytes, given.segments)
        if (given.ending === "fin") yield* session.peer.end
        yield* expectUntilEnd(session, expected)
      })
  )
})
