/**
 * What may happen in a run.
 */
import * as FC from "effect/FastCheck"
import * as Arbitrary from "../support/arbitrary.js"
import { badFrames } from "../support/badFrames.js"
import * as Frames from "../support/frames.js"
import type { Action, Close, Manner, Open, Signs } from "./Action.js"
import * as FaultPlans from "./FaultPlans.js"
import * as Limits from "./Limits.js"

/** The largest message: more than may pile up before reading pauses. */
const MAX_SIZE = 65_537

/** The most peers that a run begins with, and has. */
const FIRST_PEERS = 6
export const MAX_PEERS = 10

const peer = FC.nat({ max: MAX_PEERS - 1 })

/** Those at the ends of what may be sent, and others. */
const validCode = FC.oneof(
  FC.constantFrom(1000, 1001, 1003, 1007, 1014, 3000, 4999),
  FC.integer({ min: 4000, max: 4999 })
)

const reason = FC.oneof(FC.constant(""), FC.string({ unit: "grapheme", maxLength: 12 }))

const tagged = <T extends string, R>(_tag: T, fields: { [K in keyof R]: FC.Arbitrary<R[K]> }) =>
  FC.record({ _tag: FC.constant(_tag), ...fields })

const open: FC.Arbitrary<Open> = tagged("open", {
  manner: FC.constantFrom<Manner>("polite", "polite", "polite", "polite", "silent"),
  signs: FC.constantFrom<Signs>("pongs", "pongs", "pings", "none", "none"),
  network: FC.integer({ min: 1, max: 2 }),
  fault: FaultPlans.asked,
  isAwaited: FC.boolean()
})

/** Now and then with a code that can't be sent: then nothing is stopped. */
const stopClose: FC.Arbitrary<Close> = FC.record({
  code: FC.oneof(
    { weight: 8, arbitrary: validCode },
    { weight: 1, arbitrary: FC.constantFrom(1005, 2999, undefined) }
  ),
  reason
})

const bad = FC.oneof(
  FC.constantFrom(...badFrames),
  FC.constantFrom(0, 999, 1004, 1006, 1015, 2999, 5000, 65_535).map(
    (code) => [`a Close frame with the code ${code}`, 1002, Frames.close(code)] as const
  )
)

/** How often each happens, against the others. */
const single: FC.Arbitrary<Action> = FC.oneof(
  {
    weight: 30,
    arbitrary: tagged("send", {
      peer,
      message: Arbitrary.message(MAX_SIZE),
      pings: FC.oneof(FC.constant([]), FC.array(FC.string({ maxLength: 10 }), { maxLength: 3 }))
    })
  },
  { weight: 24, arbitrary: tagged("time", { millis: FC.constantFrom(0, 0, 0, 1, 5, 20) }) },
  // Longer than some limits are, which then must not have been reached, or must.
  { weight: 1, arbitrary: tagged("time", { millis: FC.integer({ min: 50, max: 200 }) }) },
  {
    weight: 4,
    arbitrary: tagged("flood", {
      peer,
      count: FC.oneof(FC.integer({ min: 1, max: 16 }), FC.integer({ min: 96, max: 128 })),
      isReading: FC.boolean()
    })
  },
  { weight: 6, arbitrary: tagged("ping", { peer, text: FC.string({ maxLength: 10 }) }) },
  { weight: 1, arbitrary: tagged("dieAway", { peer }) },
  { weight: 4, arbitrary: tagged("pause", { peer }) },
  { weight: 8, arbitrary: tagged("resume", { peer }) },
  {
    weight: 4,
    arbitrary: tagged("close", {
      peer,
      close: FC.oneof(
        { weight: 3, arbitrary: FC.record({ code: validCode, reason }) },
        { weight: 1, arbitrary: FC.constant({ code: undefined, reason: "" }) }
      )
    })
  },
  {
    weight: 3,
    arbitrary: FC.tuple(peer, bad).map(([peer, [what, code, frame]]): Action => ({
      _tag: "bad",
      peer,
      what,
      code,
      frame
    }))
  },
  {
    weight: 2,
    arbitrary: tagged("halfClose", {
      peer,
      unfinished: FC.constantFrom(
        Buffer.alloc(0),
        Frames.text("half").subarray(0, 8),
        Frames.frame({ opcode: Frames.TEXT, payload: "half", fin: false })
      )
    })
  },
  { weight: 2, arbitrary: tagged("reset", { peer }) },
  { weight: 3, arbitrary: tagged("stop", { peer, close: stopClose }) },
  { weight: 1, arbitrary: tagged("stopAll", { close: stopClose }) },
  { weight: 1, arbitrary: FC.constant<Action>({ _tag: "shutdown" }) },
  { weight: 4, arbitrary: open },
  { weight: 4, arbitrary: tagged("spoil", { peer, plan: FaultPlans.ofConnection }) }
)

const awaited: FC.Arbitrary<Action> = tagged("await", { peer })

/** What belongs together, and would hardly come together by chance. */
const phrase: FC.Arbitrary<ReadonlyArray<Action>> = FC.oneof(
  { weight: 60, arbitrary: FC.tuple(single) },
  { weight: 2, arbitrary: FC.tuple(awaited) },
  // More than the handler has done with for a while, all read at once.
  {
    weight: 2,
    arbitrary: FC.tuple(
      peer,
      FC.array(Arbitrary.message(300), { minLength: 8, maxLength: 24 }),
      FC.constantFrom<ReadonlyArray<"end" | "wait">>([], ["end"], ["wait"])
    ).map(([peer, messages, then]): ReadonlyArray<Action> => {
      const end: Action = { _tag: "halfClose", peer, unfinished: Buffer.alloc(0) }
      const wait: Action = { _tag: "time", millis: 150 }
      return messages
        .map((message): Action => ({ _tag: "send", peer, message, pings: [] }))
        .concat(then.map((what) => (what === "end" ? end : wait)))
    })
  },
  // Somebody comes for the place of another, which is free from then on, and not before.
  {
    weight: 2,
    arbitrary: FC.tuple(peer, open, open).map(([peer, early, late]): ReadonlyArray<Action> => [
      { ...early, fault: undefined, isAwaited: true },
      { _tag: "close", peer, close: { code: 1000, reason: "" } },
      { _tag: "await", peer },
      { ...late, fault: undefined, isAwaited: true }
    ])
  },
  // Somebody dies who had answered before.
  {
    weight: 1,
    arbitrary: peer.map((peer): ReadonlyArray<Action> => [
      { _tag: "time", millis: 110 },
      { _tag: "dieAway", peer },
      { _tag: "await", peer }
    ])
  },
  // Somebody is stuck.
  {
    weight: 3,
    arbitrary: FC.tuple(peer, FC.integer({ min: 96, max: 128 })).map(
      ([peer, count]): ReadonlyArray<Action> => [
        { _tag: "flood", peer, count, isReading: false },
        // As long as the kernel takes some of it.
        { _tag: "time", millis: 50 },
        { _tag: "await", peer }
      ]
    )
  }
)

/** What becomes of faults, and of what comes together with them. */
const spoiled: FC.Arbitrary<ReadonlyArray<Action>> = FC.tuple(
  peer,
  FaultPlans.ofConnection,
  FC.array(Arbitrary.message(300), { minLength: 1, maxLength: 12 }),
  FC.array(
    FC.oneof(
      peer.map((): Action => ({ _tag: "time", millis: 0 })),
      FC.integer({ min: 1, max: 200 }).map((millis): Action => ({ _tag: "time", millis })),
      FaultPlans.ofConnection.map((plan): Action => ({ _tag: "spoil", peer: 0, plan })),
      stopClose.map((close): Action => ({ _tag: "stop", peer: 0, close })),
      FC.constantFrom<Action>(
        { _tag: "close", peer: 0, close: { code: 1000, reason: "" } },
        { _tag: "halfClose", peer: 0, unfinished: Buffer.alloc(0) },
        { _tag: "ping", peer: 0, text: "?" }
      )
    ),
    { maxLength: 3 }
  )
).map(([peer, plan, messages, then]) => {
  const first: ReadonlyArray<Action> = [{ _tag: "spoil", peer, plan }]
  const sends = messages.map((message): Action => ({ _tag: "send", peer, message, pings: [] }))
  const others = then.map((action): Action =>
    "peer" in action ? Object.assign({}, action, { peer }) : action
  )
  return first.concat(sends, others)
})

/** What a run is about. */
export interface Script {
  /** Milliseconds that the handler takes for a message; none is the echo of the product. */
  readonly handlerTime: number
  /** Whether a shutdown is cut short, by a deadline that comes before that of any close handshake. */
  readonly isHurried: boolean
  /** Whether, before the end, everybody is waited for whom a limit is to end. */
  readonly isPatient: boolean
  readonly limits: Limits.Limits
  readonly actions: ReadonlyArray<Action>
}

/** Some peers are there from the start. */
export const script: FC.Arbitrary<Script> = FC.record({
  handlerTime: FC.constantFrom(0, 0, 1, 10),
  isHurried: FC.constantFrom(false, false, false, true),
  isPatient: FC.constantFrom(false, false, true),
  limits: Limits.limits,
  actions: FC.tuple(
    FC.array<Action>(open, { minLength: 1, maxLength: FIRST_PEERS, size: "max" }),
    FC.array(FC.oneof({ weight: 20, arbitrary: phrase }, { weight: 1, arbitrary: spoiled }), {
      maxLength: 80,
      size: "max"
    })
  ).map(([first, others]) => first.concat(others.flat()))
})
