/**
 * What peers say once they speak WebSocket: frames, right, nearly right, and wrong.
 */
import * as Frames from "../support/frames.js"
import { mutate } from "./mutations.js"
import type { Random } from "./Random.js"

/** The largest message of the servers that are tried: small, so that it is often exceeded. */
export const MAX_PAYLOAD = 4096

const SIZES = [
  0,
  1,
  2,
  124,
  125,
  126,
  127,
  128,
  255,
  256,
  MAX_PAYLOAD - 1,
  MAX_PAYLOAD,
  MAX_PAYLOAD + 1
] as const

export const sizeOf = (random: Random): number => {
  if (random.oneIn(12)) return random.pick(SIZES)
  return random.below(random.oneIn(8) ? 600 : 40)
}

const TEXTS = ["hello", "grüße", "日本語", "🦜", "\u0000", "\uFEFFbom", "a\u0301"] as const
/** Not UTF-8: overlong, surrogates, beyond the last code point, cut off, and bytes that are never in it. */
const BAD_TEXTS = ["c0af", "e080af", "eda080", "f4908080", "f09f", "80", "ff", "fe", "c3", "68c328"] as const
const CODES = [0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1014, 1015, 1016] as const
const MORE_CODES = [1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65_535] as const
const RESERVED_OPCODES = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as const
const LIES = [0, 1, 125, 126, 127, 65_535, 65_536, 2 ** 31, 2 ** 32, 2 ** 53] as const
const CONTROLS = [Frames.PING, Frames.PONG, Frames.CLOSE] as const

/** Text of about so many bytes. */
export const words = (random: Random, size: number): Buffer => {
  const text = random.pick(TEXTS).repeat(1 + Math.floor(size / 6))
  return Buffer.from(Array.from(text).slice(0, size).join(""))
}

/** A frame with a mask of the seed's own. */
export const frame = (random: Random, options: Frames.FrameOptions): Buffer =>
  Frames.frame({ mask: random.bytes(4), ...options })

const message = (random: Random): Buffer =>
  random.oneIn(2)
    ? frame(random, { opcode: Frames.BINARY, payload: random.bytes(sizeOf(random)) })
    : frame(random, { opcode: Frames.TEXT, payload: words(random, sizeOf(random)) })

const control = (random: Random): Buffer =>
  frame(random, {
    opcode: random.oneIn(3) ? Frames.PONG : Frames.PING,
    payload: random.bytes(random.below(random.oneIn(6) ? 126 : 9))
  })

/** A message in fragments, down to empty ones, with control frames in between. */
const fragments = (random: Random): Buffer => {
  const isText = random.oneIn(2)
  const payload = isText ? words(random, sizeOf(random)) : random.bytes(sizeOf(random))
  const offsets = Array.from({ length: random.between(1, random.oneIn(10) ? 40 : 4) }, () =>
    random.below(payload.length + 1)
  )
  const pieces = Frames.cut(payload, offsets)
  return Buffer.concat(
    pieces.flatMap((piece, i) => {
      const fragment = frame(random, {
        opcode: i > 0 ? Frames.CONTINUATION : isText ? Frames.TEXT : Frames.BINARY,
        payload: piece,
        fin: i === pieces.length - 1
      })
      return i > 0 && random.oneIn(4) ? [control(random), fragment] : [fragment]
    })
  )
}

const flood = (random: Random): Buffer =>
  Buffer.concat(
    Array.from({ length: random.between(5, 40) }, () =>
      random.oneIn(2) ? control(random) : frame(random, { opcode: Frames.TEXT, payload: "" })
    )
  )

/** A length that takes more bits than it needs: the RFC forbids it, and servers bear it. */
const longLength = (random: Random): Buffer =>
  frame(random, {
    opcode: Frames.BINARY,
    payload: random.bytes(random.below(100)),
    lengthEncoding: random.oneIn(2) ? 16 : 64
  })

type Maker = (random: Random) => Buffer

/** Such as a connection outlives, unless they are changed further. */
const TAME: ReadonlyArray<Maker> = [
  message,
  message,
  control,
  fragments,
  longLength,
  (random) => (random.oneIn(8) ? flood : fragments)(random)
]

const close = (random: Random): Buffer => {
  const code = random.oneIn(2) ? 1000 : random.pick(random.oneIn(2) ? CODES : MORE_CODES)
  const reason = random.oneIn(6)
    ? Buffer.from(random.pick(BAD_TEXTS), "hex")
    : words(random, random.below(20))
  return frame(random, {
    opcode: Frames.CLOSE,
    payload: random.oneIn(6) ? Buffer.alloc(0) : Frames.closePayload(code, reason)
  })
}

/** Such as a connection is ended for. */
const WILD: ReadonlyArray<Maker> = [
  close,
  close,
  close,
  close,
  // A Close frame with half a code.
  (random) => frame(random, { opcode: Frames.CLOSE, payload: random.bytes(1) }),
  (random) =>
    frame(random, {
      opcode: random.below(16),
      payload: random.bytes(random.below(9)),
      rsv1: random.oneIn(2),
      rsv2: random.oneIn(2),
      rsv3: random.oneIn(2),
      fin: !random.oneIn(4)
    }),
  (random) =>
    frame(random, { opcode: random.pick(RESERVED_OPCODES), payload: random.bytes(random.below(9)) }),
  (random) =>
    frame(random, { opcode: random.pick(CONTROLS), payload: random.bytes(random.below(9)), fin: false }),
  (random) =>
    frame(random, { opcode: random.pick(CONTROLS), payload: random.bytes(random.between(126, 300)) }),
  (random) => frame(random, { opcode: random.below(3), payload: random.bytes(random.below(9)), mask: false }),
  // A continuation of nothing, unless something has begun.
  (random) => frame(random, { opcode: Frames.CONTINUATION, payload: random.bytes(sizeOf(random)) }),
  // Something begins, and something else does before it is over.
  (random) =>
    Buffer.concat([frame(random, { opcode: Frames.TEXT, payload: "be", fin: false }), message(random)]),
  (random) => frame(random, { opcode: Frames.TEXT, payload: Buffer.from(random.pick(BAD_TEXTS), "hex") }),
  (random) => frame(random, { opcode: Frames.TEXT, payload: random.bytes(random.between(1, 60)) }),
  (random) =>
    frame(random, { opcode: random.between(1, 2), payload: random.bytes(MAX_PAYLOAD + random.below(3)) }),
  // Lengths that lie, and lengths that nobody can keep.
  (random) =>
    frame(random, {
      opcode: random.between(1, 2),
      payload: random.bytes(random.below(20)),
      declaredLength: random.pick(LIES)
    }),
  (random) =>
    frame(random, {
      opcode: random.pick([...CONTROLS, Frames.BINARY]),
      payload: random.bytes(random.below(20)),
      declaredLength: BigInt.asUintN(
        64,
        (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32))
      ),
      lengthEncoding: 64
    }),
  (random) =>
    frame(random, {
      opcode: random.between(0, 15),
      payload: random.bytes(random.below(20)),
      declaredLength: random.below(126)
    }),
  (random) => random.bytes(random.between(1, 60))
]

/** One input: something that a peer says in one breath. Most of them leave the connection open for another. */
export const input = (random: Random): Buffer => {
  const isWild = random.oneIn(14)
  const bytes = random.pick(isWild ? WILD : TAME)(random)
  return random.oneIn(isWild ? 3 : 16) ? mutate(bytes, random, () => random.pick(TAME)(random)) : bytes
}
