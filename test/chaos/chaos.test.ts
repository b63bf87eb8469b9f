/**
 * Whatever happens to a server on real sockets, in whatever order and with whatever limits, it ends well.
 *
 * `CHAOS_RUNS` says how many runs there are. A failure tells the smallest script that it was found for, and the
 * `CHAOS_SEED` and `CHAOS_PATH` that go through it again:
 *
 *     CHAOS_SEED=42 CHAOS_PATH=7:1:0 npx vitest run test/chaos
 *
 * Time is real, and what depends on it may need some attempts to come again.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FC from "effect/FastCheck"
import { describe, it } from "vitest"
import { leavingNothing } from "../support/live.js"
import { describe as describeAction } from "./Action.js"
import { check } from "./invariants.js"
import * as Limits from "./Limits.js"
import { conclude, perform } from "./Play.js"
import { type Script, script } from "./Script.js"
import { begin } from "./Start.js"

/** How long a run that has failed is made smaller, in milliseconds. */
const SHRINKING = 30_000

/** How long runs may take on the average, on a machine that is busy, in milliseconds. */
const AVERAGE = 2000

/** How long one that never ends is waited for: longer than anything in it is. */
const LONGEST = 20_000

const numberOf = (name: string): number | undefined => {
  const text = process.env[name]
  return text === undefined || text === "" ? undefined : Number(text)
}

const runs = numberOf("CHAOS_RUNS") ?? 15
const seed = numberOf("CHAOS_SEED")
const path = process.env["CHAOS_PATH"]

/** Performs all of it, and checks what came of it. */
const run = (script: Script): Effect.Effect<void, unknown> => {
  let failure: Cause.Cause<unknown> = Cause.fail(new Error(`a run took more than ${LONGEST} ms`))
  return Effect.gen(function* () {
    const world = yield* begin(script)
    for (const action of script.actions) yield* perform(world, action)
    yield* conclude(world)
    yield* check(world)
  }).pipe(
    Effect.tapErrorCause((cause) => Effect.sync(() => (failure = cause))),
    leavingNothing,
    // A server that doesn't come to an end can't be made to: then it is left where it is.
    Effect.disconnect,
    Effect.timeoutFailCause({ duration: LONGEST, onTimeout: () => failure })
  )
}

/** What failed, in lines. */
const report = ({
  counterexample,
  counterexamplePath,
  errorInstance,
  numRuns,
  seed
}: FC.RunDetails<[Script]>): string =>
  [
    `run ${numRuns} failed: CHAOS_SEED=${seed} CHAOS_PATH=${counterexamplePath ?? ""} npx vitest run test/chaos`,
    `a handler that takes ${counterexample?.[0].handlerTime} ms; ${counterexample?.[0].isHurried === true ? "a hurried shutdown" : "a shutdown in its own time"}`,
    ...(counterexample === null ? [] : [Limits.describe(counterexample[0].limits)]),
    ...(counterexample?.[0].actions ?? []).map((action) => `  ${describeAction(action)}`),
    errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  ].join("\n")

describe("whatever happens on real sockets, in whatever order", () => {
  it(
    "every connection ends for one reason that it was given, nothing is lost that need not be, and nothing is left",
    async () => {
      let failedAt = Infinity
      const holds = FC.asyncProperty(script, async (script) => {
        if (performance.now() - failedAt > SHRINKING) return
        const exit = await Effect.runPromiseExit(run(script))
        if (Exit.isSuccess(exit)) return
        failedAt = Math.min(failedAt, performance.now())
        throw Cause.squash(exit.cause)
      })
      const details = await FC.check(holds, {
        numRuns: runs,
        ...(seed === undefined ? {} : { seed }),
        ...(path === undefined ? {} : { path })
      })
      if (details.failed) throw new Error(report(details), { cause: details.errorInstance })
    },
    SHRINKING + runs * AVERAGE
  )
})
