/**
 * The console's own tables, held against the server's.
 */
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { wordsFor } from "../../src/console/CloseWords.js"
import { headlineOf, linesOf } from "../../src/console/EndingWords.js"
import { faults, initialValues, parameters, problemWith } from "../../src/console/FaultTable.js"
import * as FaultPlan from "../../src/faults/FaultPlan.js"
import * as CloseCode from "../../src/protocol/CloseCode.js"

const samples = [
  "",
  "0",
  "1",
  "3",
  "0.25",
  "1.5",
  ".5",
  "1.",
  "1e-3",
  "-1",
  "399",
  "400",
  "599",
  "600",
  "1000",
  "1004",
  "1005",
  "1006",
  "1014",
  "1015",
  "2999",
  "3000",
  "4999",
  "5000",
  "5s",
  "500ms",
  "1.5s",
  "2m",
  "1h",
  "2d",
  "5 seconds",
  "30 millis",
  "1 minute",
  "5 s",
  "s",
  "5sec",
  "3msg",
  "msg",
  "1.5msg",
  "10KiB",
  "1MiB",
  "1025MiB",
  "0KiB",
  "10kb",
  "9007199254740991",
  "9007199254740992",
  "x".repeat(123),
  "x".repeat(124),
  "ä".repeat(61),
  "ä".repeat(62),
  " ",
  "5 ",
  "infinity"
]

describe("the form of faults", () => {
  it("has all that there are", () => {
    expect(faults.map(({ kind }) => kind).sort()).toEqual([...FaultPlan.kinds].sort())
  })

  it.each(faults.map((fault) => [fault.kind, fault] as const))(
    "makes a URL for %s that the server reads",
    (_, fault) => {
      const query = new URLSearchParams(parameters(fault, initialValues(fault)))
      const plan = Either.getOrThrow(FaultPlan.fromQuery(query))
      expect(plan?.fault).toBe(fault.kind)
      expect(plan !== undefined && !FaultPlan.isOfHandshake(plan)).toBe(fault.isLive)
    }
  )

  const fields = faults.flatMap((fault) =>
    fault.fields.map((field) => [fault.kind, field.name, fault, field] as const)
  )

  it.each(fields)("takes for %s as %s what the server takes, and nothing else", (_, name, fault, field) => {
    for (const sample of samples) {
      const given = parameters(fault, { ...initialValues(fault), [name]: sample })
      const isTaken = Either.isRight(FaultPlan.fromQuery(new URLSearchParams(given)))
      expect({ sample, isTaken: problemWith(field, sample) === undefined }).toEqual({ sample, isTaken })
    }
  })
})

describe("the words for endings", () => {
  it("name every code that RFC 6455 and IANA assign", () => {
    for (let code = 1000; code <= 1015; code++)
      if (CloseCode.isSendable(code) || [1005, 1006, 1015].includes(code))
        expect(wordsFor(code).name).not.toBe("")
    expect(wordsFor(CloseCode.IDLE_TIMEOUT).name).toBe("Timeout")
  })

  it("say of other codes whose they are", () => {
    expect(wordsFor(4001).meaning).toContain("application")
    expect(wordsFor(3999).meaning).toContain("library")
  })

  it("say of a failed handshake with subprotocols that none may have been chosen", () => {
    const failed = {
      code: 1006,
      reason: "",
      wasClean: false,
      wasOpen: false,
      lasted: 1,
      unanswered: 0,
      fault: undefined,
      hadSubprotocols: true
    }
    expect(headlineOf(failed)).toBe("Handshake failed")
    expect(linesOf(failed, 1).join(" ")).toContain("chosen none of the subprotocols")
    expect(linesOf({ ...failed, hadSubprotocols: false }, 1).join(" ")).not.toContain("subprotocols")
    expect(linesOf({ ...failed, wasOpen: true }, 1).join(" ")).not.toContain("subprotocols")
  })
})
