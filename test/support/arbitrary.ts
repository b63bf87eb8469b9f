/**
 * Messages, and ways to send them, to try a server with. They shrink to few small messages in one frame.
 */
import * as FC from "effect/FastCheck"
import { createCipheriv } from "node:crypto"
import { cut, fragments, frame, BINARY, TEXT } from "./frames.js"

/** A message and the places where it is cut into fragments. */
export interface Outgoing {
  readonly opcode: number
  readonly payload: Buffer
  readonly cuts: ReadonlyArray<number>
}

/** Where the encoding of a length changes, and what is just beside. */
const BORDERS = [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537]

/** Sizes up to a maximum, with a liking for those around the borders of the encoding, and for the maximum. */
export const size = (max: number): FC.Arbitrary<number> =>
  FC.oneof(
    { weight: 4, arbitrary: FC.nat({ max: Math.min(max, 300) }) },
    { weight: 3, arbitrary: FC.constantFrom(...BORDERS.filter((border) => border <= max), max - 1, max) },
    { weight: 1, arbitrary: FC.nat({ max }) }
  )

/** Numbers that look random, always the same for a seed. */
const random = (seed: number): (() => number) => {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** Any bytes. */
const bytes = (size: number, seed: number): Buffer => {
  const key = Buffer.alloc(16)
  key.writeUInt32LE(seed)
  // A key stream: a megabyte of it costs a millisecond.
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

const RANGES = [
  [0x00, 0x7f],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, 0x10ffff]
] as const

/** Text of so many bytes, with characters of one to four. */
const characters = (size: number, next: () => number): string => {
  const parts: Array<string> = []
  let length = 0
  while (length < size) {
    const [low, high] = RANGES[next() % RANGES.length] ?? RANGES[0]
    const character = String.fromCodePoint(low + (next() % (high - low + 1)))
    const width = Buffer.byteLength(character)
    const fits = length + width <= size
    parts.push(fits ? character : "a")
    length += fits ? width : 1
  }
  return parts.join("")
}

/** So many characters are generated one by one; in longer text they come again and again, numbered. */
const PARAGRAPH = 1000

const longText = (size: number, seed: number): Buffer => {
  const next = random(seed)
  const text = Buffer.from(characters(Math.min(size, PARAGRAPH), next))
  const paragraphs: Array<Buffer> = [text]
  for (let length = text.length; length < size;) {
    const numbered = Buffer.concat([Buffer.from(`${length} `), text])
    const fits = length + numbered.length <= size
    const paragraph = fits ? numbered : Buffer.from(characters(size - length, next))
    paragraphs.push(paragraph)
    length += paragraph.length
  }
  return Buffer.concat(paragraphs)
}

/** Places to cut a payload at, given as any numbers. */
const cutsOf = (numbers: ReadonlyArray<number>, length: number): ReadonlyArray<number> =>
  numbers.map((number) => number % (length + 1))

/** Messages of up to so many bytes, text or binary, whole or in fragments. */
export const message = (max: number): FC.Arbitrary<Outgoing> =>
  FC.record({
    isText: FC.boolean(),
    size: size(max),
    seed: FC.nat(),
    cuts: FC.oneof(FC.constant([]), FC.array(FC.nat(), { maxLength: 6 }))
  }).map(({ cuts, isText, seed, size }) => ({
    opcode: isText ? TEXT : BINARY,
    payload: isText ? longText(size, seed) : bytes(size, seed),
    cuts: cutsOf(cuts, size)
  }))

/** Text of any code points. */
export const text = (maxLength: number): FC.Arbitrary<Outgoing> =>
  FC.tuple(FC.string({ unit: "binary", maxLength }), FC.array(FC.nat(), { maxLength: 6 })).map(
    ([text, cuts]) => {
      const payload = Buffer.from(text)
      return { opcode: TEXT, payload, cuts: cutsOf(cuts, payload.length) }
    }
  )

/** Bytes that are UTF-8, nearly, or not at all. */
export const nearlyText: FC.Arbitrary<Outgoing> = FC.tuple(
  FC.array(
    FC.oneof(
      { weight: 6, arbitrary: FC.string({ unit: "binary", maxLength: 3 }).map((text) => Buffer.from(text)) },
      // Cut off somewhere, or with a byte that belongs somewhere else.
      {
        weight: 1,
        arbitrary: FC.tuple(
          FC.string({ unit: "binary", minLength: 1, maxLength: 1 }),
          FC.nat({ max: 3 })
        ).map(([text, at]) => cut(Buffer.from(text), [at])[0] ?? Buffer.alloc(0))
      },
      {
        weight: 1,
        arbitrary: FC.constantFrom(0x80, 0xbf, 0xc0, 0xe0, 0xed, 0xf4, 0xff).map((byte) => Buffer.of(byte))
      }
    ),
    { maxLength: 8 }
  ),
  FC.array(FC.nat(), { maxLength: 6 })
).map(([parts, cuts]) => {
  const payload = Buffer.concat(parts)
  return { opcode: TEXT, payload, cuts: cutsOf(cuts, payload.length) }
})

/** How many bytes go into each TCP segment, over and over; one byte is what all of them shrink to. */
export const segments = (max: number): FC.Arbitrary<ReadonlyArray<number>> =>
  FC.array(FC.integer({ min: 1, max }), { minLength: 1, maxLength: 8 })

/** The frames of a message. */
export const framesOf = ({ cuts, opcode, payload }: Outgoing): ReadonlyArray<Buffer> =>
  cuts.length === 0 ? [frame({ opcode, payload })] : fragments(opcode, payload, cuts)
