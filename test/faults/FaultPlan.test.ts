/**
 * What a client may ask to go wrong, and what it is told when that can't be read.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as FaultPlan from "../../src/faults/FaultPlan.js"

const read = (query: string) => FaultPlan.fromQuery(new URLSearchParams(query))

const messages = (count: number) => ({ _tag: "Messages", count })
const time = (millis: number) => ({ _tag: "Time", millis })

describe("a query", () => {
  it.each([
    ["fault=close", { fault: "close", code: 1000, reason: "" }],
    ["fault=close&code=4001&reason=try+later", { fault: "close", code: 4001, reason: "try later" }],
    ["fault=close&reason=%E2%82%AC", { fault: "close", code: 1000, reason: "€" }],
    ["fault=reset", { fault: "reset" }],
    ["fault=reset&after=3msg", { fault: "reset", after: messages(3) }],
    ["fault=reset&after=0msg", { fault: "reset", after: messages(0) }],
    ["fault=vanish&after=1.5s", { fault: "vanish", after: time(1500) }],
    ["fault=stall&after=2+minutes", { fault: "stall", after: time(120_000) }],
    ["fault=mute&after=500ms", { fault: "mute", after: time(500) }],
    ["fault=truncate", { fault: "truncate" }],
    ["fault=corrupt", { fault: "corrupt" }],
    ["fault=refuse", { fault: "refuse", status: 503 }],
    ["fault=refuse&status=429&retry-after=7", { fault: "refuse", status: 429, "retry-after": 7 }],
    ["fault=hang", { fault: "hang" }],
    ["fault=delay&time=200ms", { fault: "delay", time: 200, jitter: 0 }],
    ["fault=delay&time=1s&jitter=50ms&seed=7", { fault: "delay", time: 1000, jitter: 50, seed: 7 }],
    ["fault=drop&rate=0.25", { fault: "drop", rate: 0.25 }],
    ["fault=drop&rate=0&seed=9007199254740991", { fault: "drop", rate: 0, seed: Number.MAX_SAFE_INTEGER }],
    ["fault=duplicate&rate=1", { fault: "duplicate", rate: 1 }],
    ["fault=throttle&rate=10KiB", { fault: "throttle", rate: 10_240 }],
    ["fault=throttle&rate=500", { fault: "throttle", rate: 500 }],
    // What belongs to nobody, or to another fault, is the client's own affair.
    ["token=abc&fault=reset&rate=x", { fault: "reset" }]
  ])("%s is a plan", (query, plan) => {
    expect(Either.getOrThrow(read(query))).toEqual(plan)
  })

  it.each(["", "token=abc", "after=3msg&code=x"])("%j asks for nothing", (query) => {
    expect(Either.getOrThrow(read(query))).toBeUndefined()
  })

  it.each([
    ["fault=explode", "fault", '"explode"', "close, reset, vanish, stall, mute"],
    ["fault=", "fault", '""', "close, reset"],
    ["fault=Reset", "fault", '"Reset"', "close, reset"],
    ["fault=close&code=1006", "code", '"1006"', "1000-1003, 1007-1014 or 3000-4999"],
    ["fault=close&code=abc", "code", '"abc"', "3000-4999"],
    [`fault=close&reason=${"€".repeat(42)}`, "reason", "€", "at most 123 bytes of UTF-8"],
    ["fault=reset&after=3", "after", '"3"', "such as 3msg"],
    ["fault=reset&after=-1s", "after", '"-1s"', "such as 500ms"],
    ["fault=reset&after=", "after", '""', "such as 500ms"],
    ["fault=reset&after=1.5msg", "after", '"1.5msg"', "a number of echoed messages"],
    ["fault=refuse&status=200", "status", '"200"', "400 to 599"],
    ["fault=refuse&status=600", "status", '"600"', "400 to 599"],
    ["fault=refuse&retry-after=soon", "retry-after", '"soon"', "seconds"],
    ["fault=delay", "time", "missing", "such as 500ms"],
    ["fault=delay&time=fast", "time", '"fast"', "such as 500ms"],
    ["fault=delay&time=1s&jitter=x", "jitter", '"x"', "such as 500ms"],
    ["fault=drop", "rate", "missing", "0 to 1"],
    ["fault=drop&rate=1.1", "rate", '"1.1"', "0 to 1"],
    ["fault=drop&rate=-0.1", "rate", '"-0.1"', "0 to 1"],
    ["fault=duplicate&rate=NaN", "rate", '"NaN"', "0 to 1"],
    ["fault=duplicate&rate=1&seed=1.5", "seed", '"1.5"', "whole number"],
    ["fault=throttle&rate=0", "rate", '"0"', "10KiB"],
    ["fault=throttle&rate=10kb", "rate", '"10kb"', "10KiB"],
    ["fault=reset&fault=stall", "fault", "more than once", "one fault"],
    ["fault=reset&after=1s&after=2s", "after", "more than once", "one value"]
  ])("%s can't be read, and the error says what and why", (query, parameter, value, accepted) => {
    const error = Either.getOrThrow(Either.flip(read(query)))
    expect(error).toMatchObject({ _tag: "InvalidFault", parameter })
    expect(error.message).toContain(parameter)
    expect(error.message).toContain(value)
    expect(error.message).toContain(accepted)
  })

  it.prop(
    "never throws, whatever it is",
    [FC.string(), FC.string(), FC.constantFrom(...FaultPlan.kinds)],
    ([a, b, kind]) => {
      for (const query of [
        a,
        `fault=${kind}&${a}`,
        `fault=${kind}&after=${a}&rate=${b}&time=${b}&seed=${a}&code=${b}`
      ]) {
        const read = FaultPlan.fromQuery(new URLSearchParams(query))
        if (Either.isLeft(read)) expect(read.left._tag).toBe("InvalidFault")
        else expect(read.right === undefined || FaultPlan.kinds.includes(read.right.fault)).toBe(true)
      }
    }
  )
})

describe("a JSON object", () => {
  it.each([
    [
      { fault: "close", code: 4001, after: "3msg" },
      { fault: "close", code: 4001, reason: "", after: messages(3) }
    ],
    [
      { fault: "close", code: "4001" },
      { fault: "close", code: 4001, reason: "" }
    ],
    [
      { fault: "drop", rate: 0.5, seed: 1 },
      { fault: "drop", rate: 0.5, seed: 1 }
    ],
    [
      { fault: "drop", rate: "0.5", seed: "1" },
      { fault: "drop", rate: 0.5, seed: 1 }
    ],
    [
      { fault: "throttle", rate: 1024 },
      { fault: "throttle", rate: 1024 }
    ]
  ])("%j is a plan", (json, plan) => {
    expect(Either.getOrThrow(FaultPlan.parse(json))).toEqual(plan)
  })

  it.each([
    [{}, "fault"],
    [{ fault: 5 }, "fault"],
    [{ fault: "constructor" }, "fault"],
    [{ fault: "close", code: true }, "code"],
    [{ fault: "close", code: null }, "code"],
    [{ fault: "close", reason: ["a"] }, "reason"],
    [{ fault: "reset", after: { count: 3 } }, "after"],
    [{ fault: "drop", rate: Number.NaN }, "rate"]
  ])("%j can't be read", (json, parameter) => {
    expect(Either.getOrThrow(Either.flip(FaultPlan.parse(json)))).toMatchObject({ parameter })
  })
})

const plain = ["reset", "vanish", "stall", "mute", "truncate", "corrupt"] as const
const lossy = ["drop", "duplicate"] as const

/** Any plan, as a program writes it. */
const anyInput: FC.Arbitrary<FaultPlan.FaultInput> = (() => {
  const millis = FC.nat().map((time) => `${time}ms`)
  const after = FC.oneof(
    FC.nat().map((count) => `${count}msg`),
    millis
  )
  const seed = FC.maxSafeNat()
  const rate = FC.double({ min: 0, max: 1, noNaN: true })
  return FC.oneof(
    FC.record({ fault: FC.constantFrom(...plain), after }, { requiredKeys: ["fault"] }),
    FC.record(
      {
        fault: FC.constant("close" as const),
        code: FC.integer({ min: 3000, max: 4999 }),
        reason: FC.string({ maxLength: 30 }),
        after
      },
      { requiredKeys: ["fault"] }
    ),
    FC.record(
      {
        fault: FC.constant("refuse" as const),
        status: FC.integer({ min: 400, max: 599 }),
        "retry-after": FC.nat({ max: 10 ** 9 })
      },
      { requiredKeys: ["fault"] }
    ),
    FC.record({ fault: FC.constant("hang" as const) }),
    FC.record(
      { fault: FC.constant("delay" as const), time: millis, jitter: millis, seed, after },
      { requiredKeys: ["fault", "time"] }
    ),
    FC.record({ fault: FC.constantFrom(...lossy), rate, seed, after }, { requiredKeys: ["fault", "rate"] }),
    FC.record(
      { fault: FC.constant("throttle" as const), rate: FC.integer({ min: 1, max: 2 ** 30 }), after },
      { requiredKeys: ["fault", "rate"] }
    )
  )
})()

describe("a plan", () => {
  it.prop("is the same when it is written and read again, as a query and as JSON", [anyInput], ([input]) => {
    const plan: FaultPlan.FaultPlan = FaultPlan.make(input)
    expect(Either.getOrThrow(FaultPlan.fromQuery(FaultPlan.toQuery(plan)))).toEqual(plan)
    const json: unknown = JSON.parse(JSON.stringify(FaultPlan.toJson(plan)))
    expect(Either.getOrThrow(FaultPlan.parse(Object(json)))).toEqual(plan)
  })

  it("that a program writes wrong throws what says so", () => {
    expect(() => FaultPlan.make({ fault: "close", code: 1006 })).toThrowError(
      expect.objectContaining({ _tag: "InvalidFault", parameter: "code" })
    )
  })
})
