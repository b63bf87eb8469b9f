/**
 * What close codes mean.
 */
import * as FC from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { isSendable } from "../../src/protocol/CloseCode.js"
import { meaningOf, registered } from "../../src/protocol/CloseMeaning.js"

/** IANA's "WebSocket Close Code Number Registry", but for ranges. */
const registry: ReadonlyArray<readonly [code: number, name: string]> = [
  [1000, "Normal Closure"],
  [1001, "Going Away"],
  [1002, "Protocol error"],
  [1003, "Unsupported Data"],
  [1004, "Reserved"],
  [1005, "No Status Rcvd"],
  [1006, "Abnormal Closure"],
  [1007, "Invalid frame payload data"],
  [1008, "Policy Violation"],
  [1009, "Message Too Big"],
  [1010, "Mandatory Ext."],
  [1011, "Internal Error"],
  [1012, "Service Restart"],
  [1013, "Try Again Later"],
  [1014, "Bad Gateway"],
  [1015, "TLS handshake"],
  [3000, "Unauthorized"],
  [3003, "Forbidden"],
  [3008, "Timeout"]
]

const notOnWire = /may not stand in a Close frame/

describe("the meanings of close codes", () => {
  it("are those of the registry, by its names, and no others", () => {
    expect(Object.entries(registered).map(([code, { name }]) => [Number(code), name])).toEqual(registry)
  })

  it.each([
    [0, "Unassigned"],
    [999, "Unassigned"],
    [1016, "Unassigned"],
    [2999, "Unassigned"],
    [3001, "Unassigned"],
    [3999, "Unassigned"],
    [4000, "Private Use"],
    [4999, "Private Use"],
    [5000, "Unassigned"],
    [65535, "Unassigned"]
  ])("are for %i, which isn't registered, those of its range: %s", (code, name) => {
    expect(meaningOf(code).name).toBe(name)
  })

  it("say of each code that may not be sent that it may not, and of no other", () => {
    const codes = FC.oneof(
      FC.integer({ min: 0, max: 65535 }),
      FC.constantFrom(...registry.map(([code]) => code))
    )
    FC.assert(
      FC.property(codes, (code) => {
        const { advice, meaning, name } = meaningOf(code)
        for (const text of [advice, meaning, name]) expect(text).not.toBe("")
        // An empty Close frame is lawful: 1005 is what it is called.
        expect(notOnWire.test(advice)).toBe(!isSendable(code) && code !== 1005)
      }),
      { numRuns: 1000 }
    )
  })

  it("have clients come back late after a restart, and not by themselves when the server has too much to do", () => {
    expect(meaningOf(1012).advice).toContain("5 to 30 seconds")
    expect(meaningOf(1013).advice).toContain("another address")
  })
})
