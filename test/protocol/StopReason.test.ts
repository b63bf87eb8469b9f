/**
 * What the peer sees of each reason, and which close code is counted.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as FC from "effect/FastCheck"
import * as CloseCode from "../../src/protocol/CloseCode.js"
import { codeOf, type Farewell, farewell, isInterruption, StopReason } from "../../src/protocol/StopReason.js"

const close = (code: number | undefined, reason: string): Farewell => ({ _tag: "Close", code, reason })
const end: Farewell = { _tag: "End" }
const reset: Farewell = { _tag: "Reset" }

const secret = new Error("the password is hunter2")

interface Row {
  readonly name: string
  readonly reason: StopReason
  readonly farewell: Farewell
  readonly code: number | null
  readonly isInterruption: boolean
}

const rows: ReadonlyArray<Row> = [
  {
    name: "PeerClosed: the code of the peer's Close frame goes back (RFC 6455 section 5.5.1)",
    reason: StopReason.PeerClosed({ code: 4001, reason: "bye" }),
    farewell: close(4001, "bye"),
    code: 4001,
    isInterruption: false
  },
  {
    name: "PeerClosed: an empty Close frame is answered with an empty one, and counts as 1005 (RFC 6455 section 7.1.5)",
    reason: StopReason.PeerClosed({ code: CloseCode.NO_STATUS, reason: "" }),
    farewell: close(undefined, ""),
    code: 1005,
    isInterruption: false
  },
  {
    name: "PeerVanished: TCP ends, and there is no code",
    reason: StopReason.PeerVanished(),
    farewell: end,
    code: null,
    isInterruption: false
  },
  {
    name: "ProtocolError: its code, with what was wrong (RFC 6455 section 7.1.7)",
    reason: StopReason.ProtocolError({ code: 1009, reason: "message too big" }),
    farewell: close(1009, "message too big"),
    code: 1009,
    isInterruption: false
  },
  {
    name: "HeartbeatTimeout: a reset, and no code, since nobody is there to read one",
    reason: StopReason.HeartbeatTimeout(),
    farewell: reset,
    code: null,
    isInterruption: false
  },
  {
    name: "SlowConsumer: a reset, and no code, since nothing more is taken",
    reason: StopReason.SlowConsumer(),
    farewell: reset,
    code: null,
    isInterruption: false
  },
  {
    name: "IdleTimeout: 3008, and words for people",
    reason: StopReason.IdleTimeout(),
    farewell: close(3008, "idle timeout"),
    code: 3008,
    isInterruption: false
  },
  {
    name: "LifetimeReached: 1012, and words for people",
    reason: StopReason.LifetimeReached(),
    farewell: close(1012, "lifetime reached"),
    code: 1012,
    isInterruption: false
  },
  {
    name: "StopSignal: the code and the reason that were given",
    reason: StopReason.StopSignal({ code: 3000, reason: "moved" }),
    farewell: close(3000, "moved"),
    code: 3000,
    isInterruption: true
  },
  {
    name: "ServerShutdown: the shutdown code, and words for people",
    reason: StopReason.ServerShutdown({ code: 1012 }),
    farewell: close(1012, "server shutting down"),
    code: 1012,
    isInterruption: true
  },
  {
    name: "HandlerFailed: 1011, and nothing of the cause (RFC 6455 section 7.4.1)",
    reason: StopReason.HandlerFailed({ cause: Cause.die(secret) }),
    farewell: close(1011, "internal error"),
    code: 1011,
    isInterruption: false
  },
  {
    name: "Fault with a Close frame",
    reason: StopReason.Fault({ kind: "close", last: close(4001, "on demand") }),
    farewell: close(4001, "on demand"),
    code: 4001,
    isInterruption: false
  },
  {
    name: "Fault without one",
    reason: StopReason.Fault({ kind: "reset", last: { _tag: "Reset" } }),
    farewell: { _tag: "Reset" },
    code: null,
    isInterruption: false
  }
]

describe("what the peer sees of a reason, and which code is counted", () => {
  it.each(rows)("$name", (row) => {
    expect(farewell(row.reason)).toEqual(row.farewell)
    expect(codeOf(row.reason)).toBe(row.code)
    expect(isInterruption(row.reason)).toBe(row.isInterruption)
  })

  it("is known for every case", () => {
    const cases = Object.keys({
      PeerClosed: 0,
      PeerVanished: 0,
      ProtocolError: 0,
      HeartbeatTimeout: 0,
      SlowConsumer: 0,
      IdleTimeout: 0,
      LifetimeReached: 0,
      StopSignal: 0,
      ServerShutdown: 0,
      HandlerFailed: 0,
      Fault: 0
    } satisfies Record<StopReason["_tag"], 0>)
    expect([...new Set(rows.map(({ reason }) => reason._tag))]).toEqual(cases)
  })

  it.prop("has nothing in it of what a handler failed with", [FC.string({ minLength: 1 })], ([words]) => {
    for (const cause of [
      Cause.fail(words),
      Cause.die(new Error(words)),
      Cause.sequential(Cause.empty, Cause.fail(words))
    ])
      expect(farewell(StopReason.HandlerFailed({ cause }))).toEqual(close(1011, "internal error"))
  })

  it.prop(
    "is a Close frame that may be sent, whatever the server ends a connection with",
    [FC.integer({ min: 1000, max: 4999 }).filter(CloseCode.isSendable)],
    ([code]) => {
      for (const reason of [
        StopReason.ServerShutdown({ code }),
        StopReason.HandlerFailed({ cause: Cause.empty }),
        StopReason.IdleTimeout(),
        StopReason.LifetimeReached()
      ]) {
        const last = farewell(reason)
        if (last._tag !== "Close") throw new Error("not a Close frame")
        expect(CloseCode.check(last.code ?? 0, last.reason)).toMatchObject({ _tag: "Right" })
      }
    }
  )
})
