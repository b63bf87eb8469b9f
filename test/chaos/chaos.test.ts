/**
 * Whatever happens to a server on real sockets, in whatever order, it ends well.
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
import { type Action, describe as describeAction, script } from "./Action.js"
import { check } from "./invariants.js"
import { begin } from "./World.js"

/** How long a run that has failed is made smaller, in milliseconds. */
const SHRINKING = 30_000

/** How long a run may take on a machine that is busy, in milliseconds. */
const RUN = 2000

const numberOf = (name: string): number | undefined => {
  const text = process.env[name]
  return text === undefined || text === "" ? undefined : Number(text)
}

const runs = numberOf("CHAOS_RUNS") ?? 150
const seed = numberOf("CHAOS_SEED")
const path = process.env["CHAOS_PATH"]

const run = (actions: ReadonlyArray<Action>) =>
  Effect.gen(function* () {
    const world = yield* begin
    for (const action of actions) yield* world.perform(action)
    yield* world.conclude
    yield* check(world)
  })

/** What failed, in lines. */
const report = ({
  counterexample,
  counterexamplePath,
  errorInstance,
  numRuns,
  seed
}: FC.RunDetails<[ReadonlyArray<Action>]>): string =>
  [
    `run ${numRuns} failed: CHAOS_SEED=${seed} CHAOS_PATH=${counterexamplePath ?? ""} npx vitest run test/chaos`,
    ...(counterexample?.[0] ?? []).map((action) => `  ${describeAction(action)}`),
    errorInstance instanceof Error ? errorInstance.message : String(errorInstance)
  ].join("\n")

describe("whatever happens on real sockets, in whatever order", () => {
  it(
    "every connection ends for one reason that it was given, nothing is lost that need not be, and nothing is left",
    async () => {
      let failedAt = Infinity
      const holds = FC.asyncProperty(script, async (actions) => {
        if (performance.now() - failedAt > SHRINKING) return
        const exit = await Effect.runPromiseExit(leavingNothing(run(actions)))
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
    SHRINKING + runs * RUN
  )
})
