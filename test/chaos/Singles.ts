/**
 * What may happen at one moment of a run.
 */
import * as FC from "effect/FastCheck"
import * as Arbitrary from "../support/arbitrary.js"
import { badFrames } from "../support/badFrames.js"
import * as Frames from "../support/frames.js"
import type { Action, Close, Manner, Open, Signs } from "./Action.js"
import * as FaultPlans from "./FaultPlans.js"

/** The largest message: more than may pile up before reading pauses. */
const MAX_SIZE = 65_537

/** The most peers that a run has. */
export const MAX_PEERS = 10

export const peer = FC.nat({ max: MAX_PEERS - 1 })

/** Those at the ends of what may be sent, and others. */
const validCode = FC.oneof(
  FC.constantFrom(1000, 1001, 1003, 1007, 1014, 3000, 4999),
  FC.integer({ min: 4000, max: 4999 })
)

const reason = FC.oneof(FC.constant(""), FC.string({ unit: "grapheme", maxLength: 12 }))

export const tagged = <T extends string, R>(_tag: T, fields: { [K in keyof R]: FC.Arbitrary<R[K]> }) =>
  FC.record({ _tag: FC.constant(_tag), ...fields })

export const open: FC.Arbitrary<Open> = tagged("open", {
  manner: FC.constantFrom<Manner>("polite", "polite", "polite", "polite", "silent"),
  signs: FC.constantFrom<Signs>("pongs", "pongs", "pings", "none", "none"),
  network: FC.integer({ min: 1, max: 2 }),
  fault: FaultPlans.asked,
  isAwaited: FC.boolean()
})

/** Now and then with a code that can't be sent: then nothing is stopped. */
export const stopClose: FC.Arbitrary<Close> = FC.record({
  code: FC.oneof(
    { weight: 8, arbitrary: validCode },
    { weight: 1, arbitrary: FC.constantFrom(1005, 2999, undefined) }
  ),
  reason
})

export const bad = FC.oneof(
  FC.constantFrom(...badFrames),
  FC.constantFrom(0, 999, 1004, 1006, 1015, 2999, 5000, 65_535).map(
    (code) => [`a Close frame with the code ${code}`, 1002, Frames.close(code)] as const
  )
)

/** How often each happens, against the others. */
export const single: FC.Arbitrary<Action> = FC.oneof(
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
