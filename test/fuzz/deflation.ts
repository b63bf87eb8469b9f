/**
 * What peers send compressed, right and wrong (RFC 7692). What garbage inflates to nobody can tell beforehand, so less
 * is expected of the server.
 */
import { expect } from "vitest"
import * as zlib from "node:zlib"
import * as Deflate from "../support/deflate.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import type { Case } from "./campaign.js"
import * as Chatter from "./chatter.js"
import * as Conversation from "./conversation.js"
import { mutate } from "./mutations.js"
import type { Outcome } from "./Peer.js"
import type { Random } from "./Random.js"

const OFFERS = [
  "permessage-deflate",
  "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
  "permessage-deflate; server_max_window_bits=9; client_max_window_bits"
] as const

/** The most inputs on one connection. */
const LONGEST = 12

const payload = (random: Random): Buffer =>
  random.oneIn(2) ? Chatter.words(random, Chatter.sizeOf(random)) : Buffer.alloc(Chatter.sizeOf(random), "ab")

/** By itself: without references to messages before it. */
export const deflated = (bytes: Buffer): Buffer => Deflate.deflater()(bytes)

/** In a frame. */
export const compressed = (random: Random, bytes: Buffer, opcode: number = Frames.TEXT): Buffer =>
  Chatter.frame(random, { opcode, payload: bytes, rsv1: true })

const donor = (random: Random) => (): Buffer => deflated(payload(random))

type Maker = (random: Random) => Buffer

const MAKERS: ReadonlyArray<Maker> = [
  (random) => compressed(random, deflated(payload(random))),
  (random) => compressed(random, deflated(payload(random))),
  Chatter.input,
  // Compressed garbage: what was well compressed and then changed, and what never was.
  (random) =>
    compressed(random, mutate(deflated(payload(random)), random, donor(random)), random.between(1, 2)),
  (random) => compressed(random, random.bytes(random.below(60)), Frames.BINARY),
  // A stream that is over after this message, with whatever after it.
  (random) =>
    compressed(random, Buffer.concat([zlib.deflateRawSync(payload(random)), random.bytes(random.below(5))])),
  // Far more than it looks like.
  (random) => compressed(random, deflated(Buffer.alloc(random.pick([Chatter.MAX_PAYLOAD, 5000, 200_000])))),
  (random) =>
    Chatter.frame(random, {
      opcode: Frames.CLOSE,
      payload: Frames.closePayload(random.pick([1000, 1001, 1006]))
    }),
  // Nothing at all, and a sync flush that the sender forgot to take away.
  (random) => compressed(random, Buffer.alloc(0)),
  (random) => compressed(random, Buffer.concat([deflated(payload(random)), Buffer.from("0000ffff", "hex")])),
  (random) => {
    const bytes = deflated(payload(random))
    const offsets = Array.from({ length: random.between(1, 4) }, () => random.below(bytes.length + 1))
    const pieces = Frames.cut(bytes, offsets)
    const isMarkedAgain = random.oneIn(6)
    return Buffer.concat(
      pieces.map((piece, i) =>
        Chatter.frame(random, {
          opcode: i === 0 ? Frames.TEXT : Frames.CONTINUATION,
          payload: piece,
          fin: i === pieces.length - 1,
          rsv1: i === 0 || isMarkedAgain
        })
      )
    )
  },
  (random) =>
    Chatter.frame(random, { opcode: random.pick([Frames.PING, Frames.CLOSE]), payload: "", rsv1: true })
]

const input = (random: Random): Buffer => {
  const bytes = random.pick(MAKERS)(random)
  return random.oneIn(8) ? mutate(bytes, random, () => random.pick(MAKERS)(random)) : bytes
}

/**
 * What is left to be sure of when nobody can tell what was said: honest messages at the beginning have come back, then
 * frames as they must be, at most one Close frame, and an ending that is counted for what was said on the wire.
 */
export const judge =
  (honest: ReadonlyArray<Buffer>): Case["judge"] =>
  ({ bytes, end }: Outcome, ending) => {
    if (end === "own reset")
      return Conversation.afterReset(ending, [
        "PeerClosed",
        "ProtocolError 1002",
        "ProtocolError 1007",
        "ProtocolError 1009"
      ])
    if (ending === undefined) throw new Error("no ending")
    const frames = Conversation.framesAfter(bytes, true)
    const messages = frames.filter(({ opcode }) => opcode === Frames.TEXT || opcode === Frames.BINARY)
    const inflate = Deflate.inflater()
    const first = messages
      .slice(0, honest.length)
      .map(({ payload, rsv1 }) => (rsv1 ? inflate(payload) : payload).toString())
    expect(first).toEqual(honest.map(String))
    expect(ending.messagesOut).toBe(messages.length)
    const closes = frames.map(Frames.closeOf)
    const last = closes.pop()
    expect(closes.filter((close) => close !== undefined)).toEqual([])
    const { reason } = ending
    expect({ end, code: last && (last.code ?? 1005) }).toEqual({
      end: "fin",
      code: "code" in reason ? reason.code : undefined
    })
    return [Conversation.nameOf(ending)]
  }

/** Makes a connection of it. */
export const make = (random: Random): Case => {
  const honest = Array.from({ length: random.below(3) }, () => payload(random))
  const inputs = Array.from({ length: random.between(1, LONGEST) }, () => input(random))
  const handshake = Http.request({ headers: { "Sec-WebSocket-Extensions": random.pick(OFFERS) } })
  const before = honest.filter(({ length }) => length <= Chatter.MAX_PAYLOAD)
  const opening = Conversation.script(
    random,
    handshake,
    Buffer.concat(before.map((bytes) => compressed(random, deflated(bytes)))),
    "fin"
  )
  const segments = [...opening.segments, ...inputs]
  return {
    script: { ...opening, segments, inputs: new Set(inputs.map((_, i) => opening.segments.length + i)) },
    inputs: (outcome) => outcome.inputs,
    isAccepted: Conversation.isAccepted,
    judge: judge(before)
  }
}
