/**
 * Which close codes and reasons may stand in a Close frame.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as CloseCode from "../../src/protocol/CloseCode.js"

/** The ranges, as inclusive borders: RFC 6455 section 7.4 and the IANA registry. */
const sendable = [
  [1000, 1003],
  [1007, 1014],
  [3000, 4999]
] as const

const between = (low: number, high: number) => Array.from({ length: high - low + 1 }, (_, i) => low + i)

const problemOf = (code: number, reason: string): string | undefined =>
  Either.match(CloseCode.check(code, reason), { onLeft: ({ message }) => message, onRight: () => undefined })

describe("a close code (RFC 6455 section 7.4)", () => {
  it.each([...between(1000, 1003), ...between(1007, 1014), 3000, 3008, 3999, 4000, 4999])(
    "%d may be sent",
    (code) => {
      expect(CloseCode.isSendable(code)).toBe(true)
    }
  )

  it.each([
    [1004, "reserved"],
    [1005, "stands for no code"],
    [1006, "stands for no Close frame"],
    [1015, "stands for a failed TLS handshake"],
    [999, "below all ranges"],
    [0, "not used"],
    [1016, "unassigned"],
    [2000, "reserved for RFC 6455 itself"],
    [2999, "reserved for RFC 6455 itself"],
    [5000, "above all ranges"],
    [65_535, "the largest that two bytes hold"],
    [66_536, "1000, if only two bytes of it were looked at"],
    [-1000, "negative"],
    [1000.5, "not whole"],
    [Number.NaN, "no number"],
    [Number.POSITIVE_INFINITY, "no number"]
  ])("%d may not be sent: %s", (code) => {
    expect(CloseCode.isSendable(code)).toBe(false)
  })

  it.prop(
    "may be sent if it lies in one of the three ranges, and else not",
    [FC.oneof(FC.integer({ min: 990, max: 5010 }), FC.integer(), FC.double())],
    ([code]) => {
      const isWithin = sendable.some(([low, high]) => code >= low && code <= high)
      expect(CloseCode.isSendable(code)).toBe(isWithin && Number.isInteger(code))
    },
    { fastCheck: { numRuns: 2000 } }
  )

  it("is written in error messages as the ranges that are accepted", () => {
    const ranges = [...CloseCode.SENDABLE.matchAll(/(\d+)-(\d+)/g)].map(([, low, high]) => [
      Number(low),
      Number(high)
    ])
    expect(ranges).toEqual(sendable)
  })

  it("has a name where the server uses it (RFC 6455 section 7.4.1)", () => {
    expect(CloseCode).toMatchObject({
      NORMAL: 1000,
      GOING_AWAY: 1001,
      PROTOCOL_ERROR: 1002,
      NO_STATUS: 1005,
      INVALID_PAYLOAD: 1007,
      MESSAGE_TOO_BIG: 1009,
      INTERNAL_ERROR: 1011
    })
  })
})

describe("the payload of a Close frame", () => {
  it("is accepted as it was given", () => {
    expect(CloseCode.check(4001, "enough")).toEqual(Either.right({ code: 4001, reason: "enough" }))
    expect(CloseCode.check(1000, "")).toEqual(Either.right({ code: 1000, reason: "" }))
  })

  it("is refused with the code and what is accepted, if the code can't be sent (RFC 6455 section 7.4)", () => {
    const problem = problemOf(1005, "")
    expect(problem).toContain("1005")
    expect(problem).toContain(CloseCode.SENDABLE)
    expect(Either.flip(CloseCode.check(1005, ""))).toMatchObject({ right: { _tag: "InvalidClose" } })
  })

  it.each([
    ["letters of one byte", "a".repeat(123)],
    ["letters of three bytes", "€".repeat(41)],
    ["characters of four bytes and one letter", `${"😀".repeat(30)}abc`]
  ])("has room for a reason of 123 bytes of UTF-8: %s (RFC 6455 section 5.5)", (_, reason) => {
    expect(Buffer.byteLength(reason)).toBe(123)
    expect(problemOf(1000, reason)).toBeUndefined()
  })

  it.each([
    ["letters of one byte", "a".repeat(124)],
    ["62 letters of two bytes", "é".repeat(62)],
    ["31 characters of four bytes", "😀".repeat(31)]
  ])("has no room for a reason of 124 bytes of UTF-8: %s (RFC 6455 section 5.5)", (_, reason) => {
    expect(Buffer.byteLength(reason)).toBe(124)
    const problem = problemOf(1000, reason)
    expect(problem).toContain("124 bytes")
    expect(problem).toContain("123 bytes")
  })

  it.prop(
    "is accepted exactly if the code may be sent and the reason fits into a control frame (RFC 6455 section 5.5)",
    [FC.integer({ min: 990, max: 5010 }), FC.string({ unit: "grapheme", maxLength: 150 })],
    ([code, reason]) => {
      const fits = CloseCode.isSendable(code) && 2 + Buffer.byteLength(reason) <= 125
      expect(Either.isRight(CloseCode.check(code, reason))).toBe(fits)
    }
  )
})
