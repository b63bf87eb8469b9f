/**
 * Messages in pieces.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Message from "../../src/protocol/Message.js"
import * as Pieces from "../../src/protocol/Pieces.js"

const KIB = 1024

const large = (): ReadonlyArray<Uint8Array> => [
  Buffer.alloc(20 * KIB, "a"),
  Buffer.alloc(10 * KIB, "b"),
  Buffer.alloc(1, "c")
]

const whole = `${"a".repeat(20 * KIB)}${"b".repeat(10 * KIB)}c`

describe("a message of large pieces", () => {
  it("is left in them", () => {
    const pieces = large()
    expect(Pieces.of(Pieces.message("Binary", pieces))).toBe(pieces)
  })

  it("is a message like others", () => {
    const message = Pieces.message("Binary", large())
    expect(message).toBeInstanceOf(Message.Message)
    expect(message._tag).toBe("Binary")
    expect(message.size).toBe(whole.length)
    expect(Buffer.from(message.bytes).toString()).toBe(whole)
    expect(message.text).toBe(whole)
    expect(Object.keys(message)).toEqual(Object.keys(Message.binary(new Uint8Array())))
    expect(Object.values(message)[1]).toHaveLength(whole.length)
  })

  it("is put together once", () => {
    const message = Pieces.message("Binary", large())
    const { bytes } = message
    expect(message.bytes).toBe(bytes)
    expect(Pieces.of(message)).toEqual([bytes])
    expect(message.size).toBe(whole.length)
  })
})

describe("a message of other pieces", () => {
  it("is one of the only piece that there is, without a copy", () => {
    const piece = Uint8Array.of(1, 2, 3)
    expect(Pieces.message("Binary", [piece]).bytes).toBe(piece)
  })

  it("is put together if they are small", () => {
    const message = Pieces.message(
      "Binary",
      Array.from({ length: 100 }, () => Buffer.alloc(KIB, "x"))
    )
    expect(Pieces.of(message)).toHaveLength(1)
    expect(message.text).toBe("x".repeat(100 * KIB))
  })

  it("is empty without any", () => {
    expect(Pieces.message("Binary", []).bytes).toHaveLength(0)
    expect(Pieces.message("Text", []).size).toBe(0)
  })
})
