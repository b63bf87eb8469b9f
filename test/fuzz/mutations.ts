/**
 * What can happen to any bytes on their way, whatever they mean.
 */
import { cut } from "../support/frames.js"
import type { Random } from "./Random.js"

/** Nothing grows beyond this. */
const LONGEST = 64 * 1024

type Mutation = (bytes: Buffer, random: Random, donor: () => Buffer) => Buffer

/** Bytes that mean something in HTTP, in a frame or in UTF-8. */
const TELLING = [
  0x00, 0x09, 0x0a, 0x0d, 0x20, 0x3a, 0x7e, 0x7f, 0x80, 0x81, 0x88, 0xc0, 0xed, 0xfe, 0xff
] as const

const span = (bytes: Buffer, random: Random): readonly [number, number] => {
  const start = random.below(bytes.length + 1)
  return [start, Math.min(bytes.length, start + random.below(random.oneIn(4) ? bytes.length + 1 : 8))]
}

const flipBits: Mutation = (bytes, random) => {
  const result = Buffer.from(bytes)
  for (let count = random.between(1, 4); count > 0 && result.length > 0; count--) {
    const at = random.below(result.length)
    result[at] = (result[at] ?? 0) ^ (1 << random.below(8))
  }
  return result
}

const overwrite: Mutation = (bytes, random) => {
  const result = Buffer.from(bytes)
  if (result.length > 0) result[random.below(result.length)] = random.pick(TELLING)
  return result
}

const truncate: Mutation = (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1))

const duplicate: Mutation = (bytes, random) => {
  const [start, end] = span(bytes, random)
  const piece = bytes.subarray(start, end)
  const times = random.oneIn(8) ? random.between(2, 50) : 1
  return Buffer.concat([
    bytes.subarray(0, end),
    ...Array.from({ length: times }, () => piece),
    bytes.subarray(end)
  ])
}

const remove: Mutation = (bytes, random) => {
  const [start, end] = span(bytes, random)
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
}

const insert: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1)
  const piece = random.oneIn(2) ? random.bytes(random.between(1, 6)) : Buffer.of(random.pick(TELLING))
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
}

/** The beginning of one, the end of another. */
const splice: Mutation = (bytes, random, donor) => {
  const other = donor()
  return Buffer.concat([
    bytes.subarray(0, random.below(bytes.length + 1)),
    other.subarray(random.below(other.length + 1))
  ])
}

const swap: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1)
  return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)])
}

const MUTATIONS = [flipBits, flipBits, overwrite, truncate, duplicate, remove, insert, splice, swap] as const

/**
 * Changes bytes in one way, seldom in several.
 *
 * @param donor makes other bytes of the same kind, to take pieces of.
 */
export const mutate = (bytes: Buffer, random: Random, donor: () => Buffer): Buffer => {
  let result = bytes
  do result = random.pick(MUTATIONS)(result, random, donor)
  while (random.oneIn(4))
  return result.subarray(0, LONGEST)
}

/** The TCP segments that bytes are sent in: mostly one. */
export const segmented = (bytes: Buffer, random: Random): ReadonlyArray<Buffer> => {
  if (!random.oneIn(4)) return [bytes]
  const at = random.below(bytes.length + 1)
  const offsets = random.oneIn(8)
    ? // Byte by byte, for a while.
      Array.from({ length: 24 }, (_, i) => Math.min(bytes.length, at + i))
    : Array.from({ length: random.between(1, 3) }, () => random.below(bytes.length + 1))
  return cut(bytes, offsets).filter(({ length }) => length > 0)
}
