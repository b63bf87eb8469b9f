/**
 * What may happen in a run.
 */
import * as FC from "effect/FastCheck"
import * as Arbitrary from "../support/arbitrary.js"
import type { Action } from "./Action.js"
import * as FaultPhrases from "./FaultPhrases.js"
import * as Limits from "./Limits.js"
import { open, peer, single, tagged } from "./Singles.js"

/** The most peers that a run begins with. */
const FIRST_PEERS = 6

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
    FC.array(
      FC.oneof(
        { weight: 20, arbitrary: phrase },
        { weight: 1, arbitrary: FaultPhrases.spoiled },
        { weight: 1, arbitrary: FaultPhrases.newcomer }
      ),
      {
        maxLength: 60,
        size: "max"
      }
    )
  ).map(([first, others]) => first.concat(others.flat()))
})
