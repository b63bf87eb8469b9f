/**
 * What happens together where something goes wrong on demand, and would hardly come together by chance.
 */
import * as FC from "effect/FastCheck"
import type * as FaultPlan from "../../src/faults/FaultPlan.js"
import * as Arbitrary from "../support/arbitrary.js"
import { type Action, LATEST, type PeerAction } from "./Action.js"
import * as FaultPlans from "./FaultPlans.js"
import { bad, open, peer, stopClose } from "./Singles.js"

/** What becomes of faults, and of what comes together with them. */
export const spoiled: FC.Arbitrary<ReadonlyArray<Action>> = FC.tuple(
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

const message = Arbitrary.message(300)

/** What a peer says last. */
const lastWord: FC.Arbitrary<PeerAction> = FC.oneof(
  FC.constant<PeerAction>({ _tag: "close", peer: LATEST, close: { code: 1000, reason: "" } }),
  bad.map(([what, code, frame]): PeerAction => ({ _tag: "bad", peer: LATEST, what, code, frame }))
)

const send = (message: Arbitrary.Outgoing): Action => ({ _tag: "send", peer: LATEST, message, pings: [] })
const spoil = (plan: FaultPlan.ConnectionPlan): Action => ({ _tag: "spoil", peer: LATEST, plan })
const pass = (millis: number): Action => ({ _tag: "time", millis })

/** Messages of one who has just come and reads. */
const sends = (most: number) => FC.array(message.map(send), { minLength: 1, maxLength: most })

/** One after the other. */
const inOrder = (...parts: ReadonlyArray<Action | ReadonlyArray<Action>>): ReadonlyArray<Action> =>
  parts.flat()

/** What a fault makes of a connection that has just begun. */
const told: FC.Arbitrary<ReadonlyArray<Action>> = FC.oneof(
  // Echoes are late, those of messages that came later as well, and nothing else happens until they come; now and then
  // for as long as it would take if delays added up.
  FC.tuple(
    FaultPlans.delayed,
    FC.array(FC.tuple(message.map(send), FC.constantFrom(0, 0, 2, 5).map(pass)), {
      minLength: 10,
      maxLength: 20,
      size: "max"
    }),
    FC.constantFrom(100, 450).map(pass)
  ).map(([plan, messages, wait]) => inOrder(spoil(plan), messages.flat(), wait)),
  // One comes before another has, of which nothing must be left then.
  FC.tuple(FaultPlans.later, sends(3), FaultPlans.ofConnection, sends(6)).map(
    ([plan, before, other, after]) =>
      inOrder(spoil(plan), before.slice(1), pass(5), spoil(other), after, pass(50), after)
  ),
  // A silent side keeps to itself how its peer ends the connection, until it isn't silent any more.
  FC.tuple(FaultPlans.silence, sends(3), lastWord, FaultPlans.ofConnection).map(
    ([plan, messages, word, other]) => inOrder(spoil(plan), messages, word, pass(20), spoil(other), pass(20))
  ),
  // Who doesn't know yet that the other side has ended TCP goes on to speak, and must not be reset for it.
  FC.tuple(FaultPlans.endOfTcp, sends(3), lastWord).map(([plan, messages, word]) =>
    inOrder(
      { _tag: "pause", peer: LATEST },
      spoil(plan),
      messages,
      pass(5),
      word,
      pass(5),
      messages,
      pass(5),
      { _tag: "resume", peer: LATEST }
    )
  )
)

/** The same with somebody who has just come for it, and stays until something happens. */
export const newcomer: FC.Arbitrary<ReadonlyArray<Action>> = FC.tuple(open, told).map(([open, then]) =>
  inOrder({ ...open, manner: "polite", fault: undefined, isAwaited: true }, then)
)
