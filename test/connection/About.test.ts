/**
 * What is kept of a handshake.
 */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import { pack, unpack } from "../../src/connection/About.js"

/** No value holds the end of a line (RFC 9110 section 5.5). */
const text = fc.string().map((value) => value.replaceAll("\n", ""))
const name = fc.oneof(
  fc.constantFrom("host", "cookie", "set-cookie", "constructor", "__proto__", "toString"),
  text
)
const several = fc.array(text, { minLength: 2 })

describe("headers that are packed", () => {
  it("are the same when they are unpacked", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.oneof(text, several))), (entries) => {
        const headers = Object.fromEntries(entries)
        expect(Object.entries(unpack(pack(headers)))).toEqual(Object.entries(headers))
      })
    )
  })

  it("are none if there are none", () => {
    expect(unpack(pack(undefined))).toEqual({})
    expect(unpack(pack({}))).toEqual({})
    expect(unpack(pack({ host: undefined }))).toEqual({})
  })

  it("may be empty", () => {
    expect(unpack(pack({ origin: "" }))).toEqual({ origin: "" })
  })
})
