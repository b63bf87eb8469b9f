/**
 * How faults are asked for: in the query of a URL, in JSON, or by a program.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as FaultPlan from "../../src/faults/FaultPlan.js"

const read = (query: string) => FaultPlan.fromQuery(new URLSearchParams(query))

const messages = (count: number) => ({ _tag: "Messages", count }) as const
const time = (millis: number) => ({ _tag: "Time", millis }) as const

/** Each fault, with and without what can be left out, as it is read. */
const readable: ReadonlyArray<readonly [query: string, plan: FaultPlan.FaultPlan]> = [
  ["fault=close", { fault: "close", code: 1000, reason: "" }],
  ["fault=close&code=4001&reason=so+long%21", { fault: "close", code: 4001, reason: "so long!" }],
  ["fault=close&code=3008&after=3msg", { fault: "close", code: 3008, reason: "", after: messages(3) }],
  [`fault=close&reason=${"x".repeat(123)}`, { fault: "close", code: 1000, reason: "x".repeat(123) }],
  ["fault=reset", { fault: "reset" }],
  ["fault=reset&after=5s", { fault: "reset", after: time(5000) }],
  ["fault=vanish", { fault: "vanish" }],
  ["fault=vanish&after=250ms", { fault: "vanish", after: time(250) }],
  ["fault=stall&after=1msg", { fault: "stall", after: messages(1) }],
  ["fault=mute&after=2+seconds", { fault: "mute", after: time(2000) }],
  ["fault=truncate&after=0msg", { fault: "truncate", after: messages(0) }],
  ["fault=corrupt&after=0s", { fault: "corrupt", after: time(0) }],
  ["fault=refuse", { fault: "refuse", status: 503 }],
  ["fault=refuse&status=400", { fault: "refuse", status: 400 }],
  ["fault=refuse&status=599&retry-after=7", { fault: "refuse", status: 599, "retry-after": 7 }],
  ["fault=hang", { fault: "hang" }],
  ["fault=delay&time=1.5s", { fault: "delay", time: 1500, jitter: 0 }],
  [
    "fault=delay&time=1m&jitter=100ms&seed=7&after=1h",
    { fault: "delay", time: 60_000, jitter: 100, seed: 7, after: time(3_600_000) }
  ],
  ["fault=drop&rate=0", { fault: "drop", rate: 0 }],
  ["fault=drop&rate=.5&seed=0", { fault: "drop", rate: 0.5, seed: 0 }],
  [
    `fault=duplicate&rate=1.0&seed=${Number.MAX_SAFE_INTEGER}`,
    { fault: "duplicate", rate: 1, seed: Number.MAX_SAFE_INTEGER }
  ],
  ["fault=throttle&rate=1", { fault: "throttle", rate: 1 }],
  ["fault=throttle&rate=10KiB&after=10msg", { fault: "throttle", rate: 10_240, after: messages(10) }]
]

const DURATION = 'a duration such as 500ms, 30s, 2m, or "30 seconds"'
const CODES = "a close code that may be sent: 1000-1003, 1007-1014 or 3000-4999"
const KINDS =
  "close, reset, vanish, stall, mute, truncate, corrupt, refuse, hang, delay, drop, duplicate, throttle"
const MOMENT = `${DURATION}, or a number of echoed messages such as 3msg`
const SHARE = "a share from 0 to 1, such as 0.25"
const RATE = "bytes a second, up to 1024MiB: 500, 10KiB, 1MiB"
const STATUS = "an HTTP status from 400 to 599"
const SECONDS = "a whole number of seconds, such as 5"
const SEED = `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`
const REASON = "at most 123 bytes of UTF-8"

/** What can't be read: the fault with what it needs, then the parameter that is wrong, its values, and what is accepted. */
const unreadable: ReadonlyArray<
  readonly [rest: string, parameter: string, values: ReadonlyArray<string>, accepts: string]
> = [
  ["", "fault", ["", "Reset", "reset ", "explode", "constructor", "__proto__"], KINDS],
  [
    "fault=reset",
    "after",
    ["", "3", "-1s", "3 msg", "3msgs", "1.5msg", "3MSG", "soon", "off", "1e3ms"],
    MOMENT
  ],
  [
    "fault=close",
    "code",
    ["", "999", "1004", "1005", "1006", "1015", "2999", "5000", "4000.5", "0x3e8"],
    CODES
  ],
  ["fault=close", "reason", ["x".repeat(124), "é".repeat(62)], REASON],
  ["fault=refuse", "status", ["", "200", "399", "600", "4e2", "teapot"], STATUS],
  ["fault=refuse", "retry-after", ["", "-1", "1.5", "5s", "Wed, 21 Oct 2015 07:28:00 GMT"], SECONDS],
  [
    "fault=delay",
    "time",
    ["", "100", "-1s", "1 week ago", "Infinity", "1e9s", `${"9".repeat(400)}s`],
    DURATION
  ],
  ["fault=delay&time=1s", "jitter", ["", "10", "-5ms"], DURATION],
  ["fault=delay&time=1s", "seed", ["", "-1", "0.5", "9007199254740992", "abc"], SEED],
  ["fault=drop", "rate", ["", "-0.1", "1.1", "2", "10%", "NaN", "half", "."], SHARE],
  ["fault=drop&rate=1", "seed", ["x"], SEED],
  ["fault=duplicate", "rate", ["1.0001", "10KiB"], SHARE],
  ["fault=duplicate&rate=1", "seed", ["x"], SEED],
  ["fault=throttle", "rate", ["", "0", "-1", "0.5", "1GiB", "1025MiB", "10kib"], RATE],
  ...["close", "vanish", "stall", "mute", "truncate", "corrupt", "drop&rate=1", "throttle&rate=1"].map(
    (fault) => [`fault=${fault}`, "after", ["soon"], MOMENT] as const
  )
]

describe("a fault in a query", () => {
  it.each(readable)("%s is read", (query, plan) => {
    expect(read(query)).toEqual(Either.right(plan))
  })

  it.each(["", "other=1", "after=3msg", "code=1&rate=x", "Fault=reset"])(
    "is none where nobody asks for one: %j",
    (query) => {
      expect(read(query)).toEqual(Either.right(undefined))
    }
  )

  it("has all kinds in the table above", () => {
    expect([...new Set(readable.map(([, { fault }]) => fault))].sort()).toEqual([...FaultPlan.kinds].sort())
    expect(FaultPlan.kinds.join(", ")).toBe(KINDS)
  })

  it.each(
    unreadable.flatMap(([rest, parameter, values, accepts]) =>
      values.map((value) => [rest, parameter, value, accepts] as const)
    )
  )("%s with %s=%s can't be read, and the error says what is accepted", (rest, parameter, value, accepts) => {
    const query = new URLSearchParams(rest)
    query.set(parameter, value)
    expect(FaultPlan.fromQuery(query)).toEqual(
      Either.left(
        new FaultPlan.InvalidFault({
          parameter,
          message: `${parameter} ${JSON.stringify(value)} can't be read: accepted is ${accepts}`
        })
      )
    )
  })

  it.each([
    ["delay", "time", DURATION],
    ["drop", "rate", SHARE],
    ["duplicate", "rate", SHARE],
    ["throttle", "rate", RATE]
  ])("%s can't be read without %s", (fault, parameter, accepts) => {
    const message = `${parameter} is missing: fault=${fault} needs it, accepted is ${accepts}`
    expect(read(`fault=${fault}&after=3msg`)).toEqual(
      Either.left(new FaultPlan.InvalidFault({ parameter, message }))
    )
  })

  it.each([
    ["fault", "fault=reset&fault=stall"],
    ["fault", "fault=reset&fault=reset"],
    ["code", "fault=close&code=4000&code=4001"],
    ["after", "fault=close&after=1s&code=4000&after=1s"],
    ["seed", "fault=drop&rate=1&seed=1&seed=2"],
    ["retry-after", "fault=refuse&retry-after=1&retry-after=1"]
  ])("has each parameter once: %s isn't in %s", (parameter, query) => {
    const message = `${parameter} is given more than once: a connection has one fault, and each parameter one value`
    expect(read(query)).toEqual(Either.left(new FaultPlan.InvalidFault({ parameter, message })))
  })

  it.each([
    ["fault=reset&code=1&rate=x&token=abc&token=def", { fault: "reset" }],
    ["fault=refuse&after=soon", { fault: "refuse", status: 503 }]
  ])("doesn't mind parameters that it hasn't got: %s", (query, plan) => {
    expect(read(query)).toEqual(Either.right(plan))
  })
})

describe("a fault in JSON", () => {
  it.each([
    [{ fault: "close", code: 4001, after: "3msg" }, "fault=close&code=4001&after=3msg"],
    [{ fault: "close", code: "4001", reason: 42 }, "fault=close&code=4001&reason=42"],
    [{ fault: "drop", rate: 0.25, seed: 7 }, "fault=drop&rate=0.25&seed=7"],
    [{ fault: "drop", rate: "0.25", seed: "7" }, "fault=drop&rate=0.25&seed=7"],
    [{ fault: "drop", rate: 1e-7 }, "fault=drop&rate=0.0000001"],
    [{ fault: "delay", time: 250, jitter: 0.5, after: 1000 }, "fault=delay&time=250ms&jitter=0.5ms&after=1s"],
    [{ fault: "throttle", rate: 512 }, "fault=throttle&rate=512"],
    [{ fault: "throttle", rate: "10KiB" }, "fault=throttle&rate=10KiB"],
    [{ fault: "refuse", status: 429, "retry-after": 5 }, "fault=refuse&status=429&retry-after=5"]
  ])("has numbers and strings: %j", (json, query) => {
    expect(FaultPlan.parse(json)).toEqual(read(query))
  })

  it.each([
    [{}, "fault", `fault is missing: accepted is ${KINDS}`],
    [{ fault: 5 }, "fault", `fault 5 can't be read: accepted is ${KINDS}`],
    [{ fault: null }, "fault", `fault null can't be read: accepted is ${KINDS}`],
    [{ fault: ["reset"] }, "fault", `fault ["reset"] can't be read: accepted is ${KINDS}`],
    [{ fault: "close", code: 1005 }, "code", `code 1005 can't be read: accepted is ${CODES}`],
    [{ fault: "close", code: null }, "code", `code null can't be read: accepted is ${CODES}`],
    [{ fault: "close", reason: true }, "reason", `reason true can't be read: accepted is ${REASON}`],
    [
      { fault: "reset", after: { seconds: 1 } },
      "after",
      `after {"seconds":1} can't be read: accepted is ${MOMENT}`
    ],
    [{ fault: "drop", rate: -1 }, "rate", `rate -1 can't be read: accepted is ${SHARE}`],
    [{ fault: "throttle", rate: 0.5 }, "rate", `rate 0.5 can't be read: accepted is ${RATE}`]
  ])("says which value can't be read: %j", (json, parameter, message) => {
    expect(FaultPlan.parse(json)).toEqual(Either.left(new FaultPlan.InvalidFault({ parameter, message })))
  })

  it.each([[10n], [Symbol("x")], [() => 1], [Number.NaN]])(
    "that a program gives may have what no JSON has: it can't be read",
    (value) => {
      for (const given of [{ fault: value }, { fault: "close", code: value }]) {
        expect(Either.isLeft(FaultPlan.parse(given))).toBe(true)
      }
    }
  )
})

describe("a plan that a program writes", () => {
  it("is as in JSON", () => {
    const plan = FaultPlan.make({ fault: "close", code: 4001, after: "3msg" })
    expect(plan).toEqual({ fault: "close", code: 4001, reason: "", after: messages(3) })
    expect(plan.code).toBe(4001)
  })

  it("throws InvalidFault if a value can't be read", () => {
    expect(() => FaultPlan.make({ fault: "close", code: 1005 })).toThrowError(FaultPlan.InvalidFault)
    expect(() => FaultPlan.make({ fault: "drop", rate: 2 })).toThrowError(/^rate 2 can't be read/)
  })

  it("is of the handshake if it refuses or hangs, else of a connection", () => {
    for (const [, plan] of readable) {
      expect(FaultPlan.isOfHandshake(plan)).toBe(plan.fault === "refuse" || plan.fault === "hang")
    }
  })
})

/** How values are written by those who mean well, and others. */
const value = FC.oneof(
  FC.constantFrom(...FaultPlan.kinds, "", "0", "1", "3msg", "5s", "4001", "0.5", "10KiB"),
  FC.nat().map(String),
  FC.double().map(String),
  FC.tuple(FC.nat(), FC.constantFrom("ms", "s", "m", "h", "d", "msg", " millis", " days", "KiB")).map(
    ([number, unit]) => `${number}${unit}`
  ),
  FC.bigInt({ min: 0n, max: 10n ** 330n }).map((number) => `${number}d`),
  FC.string({ unit: "binary" })
)

const parameters = [
  "fault",
  "after",
  "code",
  "reason",
  "status",
  "retry-after",
  "time",
  "jitter",
  "rate",
  "seed"
]

/** Queries, most of which ask for a fault. */
const query = FC.tuple(
  FC.oneof(
    FC.constant([]),
    FC.constantFrom(...FaultPlan.kinds).map((kind): Array<[string, string]> => [["fault", kind]])
  ),
  FC.array(FC.tuple(FC.oneof(FC.constantFrom(...parameters), FC.string()), value), { maxLength: 8 })
).map(([fault, others]) => new URLSearchParams([...fault, ...others]))

describe("whatever is asked for", () => {
  it.prop("is no plan, a plan, or can't be read, and nothing is thrown", [query], ([query]) => {
    const plan = FaultPlan.fromQuery(query)
    if (Either.isLeft(plan)) {
      expect(plan.left).toBeInstanceOf(FaultPlan.InvalidFault)
      expect(plan.left.message.startsWith(`${plan.left.parameter} `)).toBe(true)
      expect(parameters).toContain(plan.left.parameter)
    } else expect(plan.right === undefined).toBe(!query.has("fault"))
  })

  it.prop(
    "in JSON is a plan, or can't be read, and nothing is thrown",
    [FC.dictionary(FC.string(), FC.anything())],
    ([json]) => {
      expect(Either.isEither(FaultPlan.parse(json))).toBe(true)
      expect(Either.isEither(FaultPlan.parse({ ...json, fault: "close", code: json["code"] ?? {} }))).toBe(
        true
      )
    }
  )
})

const duration = FC.oneof(
  FC.tuple(FC.nat(), FC.constantFrom("ms", "s", "m", "h", "d", " nanos", " micros", " weeks")).map(
    ([number, unit]) => `${number}${unit}`
  ),
  FC.tuple(FC.nat(), FC.nat(), FC.constantFrom("ms", "s", "d")).map(
    ([whole, part, unit]) => `${whole}.${part}${unit}`
  ),
  FC.bigInt({ min: 0n, max: 10n ** 330n }).map((number) => `${number}s`)
)

/** Plans as somebody writes them, with much or little in them. */
const written = FC.record(
  {
    fault: FC.constantFrom(...FaultPlan.kinds),
    after: FC.oneof(
      duration,
      FC.nat().map((count) => `${count}msg`)
    ),
    code: FC.oneof(FC.integer({ min: 3000, max: 4999 }), FC.constantFrom("1000", "1014")),
    reason: FC.string({ unit: "grapheme", maxLength: 30 }),
    status: FC.integer({ min: 400, max: 599 }),
    "retry-after": FC.nat(),
    time: duration,
    jitter: duration,
    seed: FC.maxSafeNat(),
    share: FC.oneof(FC.double({ min: 0, max: 1, noNaN: true }), FC.constantFrom(0, 1, 5e-324, 0.1)),
    throughput: FC.oneof(FC.integer({ min: 1, max: 1024 ** 3 }), FC.constantFrom("1MiB", "10KiB"))
  },
  { requiredKeys: ["fault", "time", "share", "throughput"] }
).map(({ share, throughput, ...rest }) =>
  Object.assign(rest, { rate: rest.fault === "throttle" ? throughput : share })
)

describe("a plan that is written again", () => {
  it.prop(
    "is the same plan, in a query and in JSON",
    [written],
    ([json]) => {
      const plan = FaultPlan.parse(json)
      // What can't be read is no plan: a duration may be longer than anything can wait.
      if (Either.isLeft(plan)) return
      expect(FaultPlan.fromQuery(FaultPlan.toQuery(plan.right))).toEqual(plan)
      expect(read(FaultPlan.toQuery(plan.right).toString())).toEqual(plan)
      const again: Record<string, unknown> = JSON.parse(JSON.stringify(FaultPlan.toJson(plan.right)))
      expect(FaultPlan.parse(again)).toEqual(plan)
    },
    { fastCheck: { numRuns: 1000 } }
  )

  it.each(readable)("is the same plan: %s", (_, plan) => {
    expect(FaultPlan.fromQuery(FaultPlan.toQuery(plan))).toEqual(Either.right(plan))
    expect(FaultPlan.parse({ ...FaultPlan.toJson(plan) })).toEqual(Either.right(plan))
  })
})
