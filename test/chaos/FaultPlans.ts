/**
 * Faults that may be asked for: short ones, since a run is short.
 */
import * as FC from "effect/FastCheck"
import * as FaultPlan from "../../src/faults/FaultPlan.js"

/** Mostly at once, or after a few messages. */
const after = FC.oneof(
  { weight: 3, arbitrary: FC.constant({}) },
  { weight: 4, arbitrary: FC.integer({ min: 0, max: 5 }).map((count) => ({ after: `${count}msg` })) },
  { weight: 2, arbitrary: FC.integer({ min: 0, max: 80 }).map((after) => ({ after })) }
)

/** Seeds that a number holds exactly, the largest among them; without one the server draws it. */
const seed = FC.oneof(
  FC.constant({}),
  FC.maxSafeNat().map((seed) => ({ seed })),
  FC.constantFrom({ seed: 0 }, { seed: Number.MAX_SAFE_INTEGER })
)

const share = FC.constantFrom(0, 0.3, 0.5, 0.8, 1)

type Input = FaultPlan.FaultInput

const plain = FC.constantFrom<"corrupt" | "mute" | "reset" | "stall" | "truncate" | "vanish">(
  "reset",
  "vanish",
  "stall",
  "mute",
  "truncate",
  "corrupt"
).chain((fault) => after.map((after) => Object.assign({ fault }, after)))

const close = FC.tuple(FC.constantFrom(1000, 1012, 4001), FC.constantFrom("", "as asked"), after).map(
  ([code, reason, after]) => Object.assign({ fault: "close" as const, code, reason }, after)
)

const delay = FC.tuple(FC.integer({ min: 0, max: 60 }), FC.constantFrom(0, 0, 20, 60), seed, after).map(
  ([time, jitter, seed, after]) => Object.assign({ fault: "delay" as const, time, jitter }, seed, after)
)

const lossy = FC.tuple(FC.constantFrom<"drop" | "duplicate">("drop", "duplicate"), share, seed, after).map(
  ([fault, rate, seed, after]) => Object.assign({ fault, rate }, seed, after)
)

const throttle = FC.tuple(FC.constantFrom("2KiB", "50KiB", "1MiB"), after).map(([rate, after]) =>
  Object.assign({ fault: "throttle" as const, rate }, after)
)

const isOfConnection = (plan: FaultPlan.FaultPlan): plan is FaultPlan.ConnectionPlan =>
  !FaultPlan.isOfHandshake(plan)

/** A fault of an open connection. */
export const ofConnection: FC.Arbitrary<FaultPlan.ConnectionPlan> = FC.oneof(
  { weight: 6, arbitrary: plain },
  { weight: 1, arbitrary: close },
  { weight: 2, arbitrary: delay },
  { weight: 3, arbitrary: lossy },
  { weight: 1, arbitrary: throttle }
)
  .map((input) => FaultPlan.make(input))
  .filter(isOfConnection)

/** Those that come after a while, so that others can come before. */
export const later: FC.Arbitrary<FaultPlan.ConnectionPlan> = FC.tuple(
  ofConnection,
  FC.oneof(
    FC.integer({ min: 2, max: 5 }).map((count) => ({ _tag: "Messages" as const, count })),
    FC.integer({ min: 10, max: 40 }).map((millis) => ({ _tag: "Time" as const, millis }))
  )
).map(([plan, after]) => Object.assign({}, plan, { after }))

/** A side that is silent from now on. */
export const silence: FC.Arbitrary<FaultPlan.ConnectionPlan> = FC.constantFrom<"mute" | "stall">(
  "mute",
  "stall"
).map((fault) => FaultPlan.make({ fault }))

/** The end of TCP, of which the peer may not know yet. */
export const endOfTcp: FC.Arbitrary<FaultPlan.ConnectionPlan> = FC.tuple(
  FC.constantFrom<"truncate" | "vanish">("truncate", "vanish"),
  FC.constantFrom({}, { after: "1msg" })
).map(([fault, after]) => FaultPlan.make(Object.assign({ fault }, after)))

/** Delays that are longer than what happens meanwhile, from now on. */
export const delayed: FC.Arbitrary<FaultPlan.ConnectionPlan> = FC.tuple(
  FC.integer({ min: 20, max: 60 }),
  FC.constantFrom(0, 0, 20),
  seed
).map(([time, jitter, seed]) =>
  FaultPlan.make(Object.assign({ fault: "delay" as const, time, jitter }, seed))
)

const ofHandshake: FC.Arbitrary<FaultPlan.FaultPlan> = FC.oneof(
  FC.constant<Input>({ fault: "hang" }),
  FC.tuple(FC.constantFrom(400, 429, 503, 599), FC.constantFrom({}, { "retry-after": 7 })).map(
    ([status, retry]) => Object.assign({ fault: "refuse" as const, status }, retry)
  )
).map((input) => FaultPlan.make(input))

/** What a peer asks for in its URL: mostly nothing. */
export const asked: FC.Arbitrary<FaultPlan.FaultPlan | undefined> = FC.oneof(
  { weight: 14, arbitrary: FC.constant(undefined) },
  { weight: 6, arbitrary: ofConnection },
  { weight: 1, arbitrary: ofHandshake }
)

/** Writes a plan in a few words. */
export const describe = (plan: FaultPlan.FaultPlan): string => String(FaultPlan.toQuery(plan))
