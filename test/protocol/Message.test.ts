/**
 * Messages: bytes with a type, and text only when it is asked for.
 */
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Message from "../../src/protocol/Message.js"

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
