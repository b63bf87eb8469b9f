/**
 * Messages: bytes with a type, and text only when it is asked for.
 */
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Message from "../../src/protocol/Message.js"
import * as Frames from "../support/frames.js"

describe("a message", () => {
  it("of text carries its UTF-8 bytes (RFC 6455 section 5.6)", () => {
    const message = Message.text("naïve €😀")
    expect(message._tag).toBe("Text")
    expect([...message.bytes]).toEqual([...new TextEncoder().encode("naïve €😀")])
    expect(message.text).toBe("naïve €😀")
  })

  it("of bytes carries exactly these, without a copy (RFC 6455 section 5.6)", () => {
    const bytes = Uint8Array.of(0, 255, 128)
    const message = Message.binary(bytes)
    expect(message._tag).toBe("Binary")
    expect(message.bytes).toBe(bytes)
  })

  it("may be empty", () => {
    expect(Message.text("").bytes.length).toBe(0)
    expect(Message.text("").text).toBe("")
    expect(Message.binary(new Uint8Array()).bytes.length).toBe(0)
  })

  it("that is a view into a larger buffer has the text of the view only", () => {
    const all = new TextEncoder().encode("before|here|after")
    expect(new Message.Message("Text", all.subarray(7, 11)).text).toBe("here")
  })

  it("of text keeps a byte order mark", () => {
    expect(Message.text("\uFEFFtext").text).toBe("\uFEFFtext")
  })

  it("of text has U+FFFD for a lone surrogate, which UTF-8 has no bytes for", () => {
    expect(Message.text("a\uD800b").text).toBe("a\uFFFDb")
  })

  it("of bytes can be read as text", () => {
    expect(Message.binary(Uint8Array.of(104, 105)).text).toBe("hi")
  })

  it("is made of a string as text, of bytes as binary, and of a message as it is", () => {
    const message = Message.text("as it is")
    expect(Message.from("text")).toEqual(Message.text("text"))
    expect(Message.from(Uint8Array.of(1, 2))).toEqual(Message.binary(Uint8Array.of(1, 2)))
    expect(Message.from(Buffer.from("buffer"))._tag).toBe("Binary")
    expect(Message.from(message)).toBe(message)
  })

  it.prop(
    "of text gives back every string that Unicode allows",
    [FC.string({ unit: "binary" })],
    ([text]) => {
      expect(Message.text(text).text).toBe(text)
    }
  )

  it.prop("of bytes gives back every byte", [FC.uint8Array()], ([bytes]) => {
    expect(Message.from(bytes).bytes).toEqual(bytes)
  })
})

describe("a prepared message", () => {
  const opcodes = { Text: Frames.TEXT, Binary: Frames.BINARY }

  for (const size of [0, 1, 125, 126, 65_535, 65_536])
    it(`of ${size} bytes keeps the frame that it is sent as (RFC 6455 section 5.2)`, () => {
      const bytes = Buffer.alloc(size, "payload")
      for (const of of [Message.binary(bytes), Message.text(bytes.toString())]) {
        const prepared = Message.prepare(of)
        expect(prepared._tag).toBe(of._tag)
        expect(Buffer.from(prepared.bytes).equals(bytes)).toBe(true)
        expect(prepared.text).toBe(bytes.toString())
        const expected = Frames.frame({ opcode: opcodes[of._tag], payload: bytes, mask: false })
        expect(Buffer.from(prepared.frame).equals(expected)).toBe(true)
      }
    })

  it("is made of whatever can be sent, once", () => {
    const prepared = Message.prepare("text")
    expect(prepared._tag).toBe("Text")
    expect(Message.prepare(Uint8Array.of(1))._tag).toBe("Binary")
    expect(Message.prepare(prepared)).toBe(prepared)
    expect(Message.from(prepared)).toBe(prepared)
  })

  it("has its bytes once, in its frame, and isn't changed with those that it was made of", () => {
    const bytes = Buffer.from("before")
    const prepared = Message.prepare(bytes)
    bytes.fill("x")
    expect(prepared.text).toBe("before")
    expect(prepared.bytes.buffer).toBe(prepared.frame.buffer)
    expect(prepared.bytes.byteOffset + prepared.bytes.length).toBe(
      prepared.frame.byteOffset + prepared.frame.length
    )
  })
})
