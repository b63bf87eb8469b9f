/**
 * Properties of a server: what holds for whatever is sent.
 */
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { ServerOptions } from "../../src/index.js"
import { live } from "./live.js"
import { testServer } from "./server.js"
import { PATIENT } from "./session.js"

/** When a run that has found a counterexample stops to look for a smaller one, in milliseconds. */
const SHRINKING = 20_000

/**
 * Registers a test that runs an effect for many values against one server. A failure tells the smallest value that it
 * was found for, and the seed that finds it again.
 */
export const property = <A>(
  name: string,
  options: {
    readonly arbitrary: FC.Arbitrary<A>
    readonly runs: number
    readonly server?: ServerOptions
    /** Values that are tried before any others. */
    readonly examples?: ReadonlyArray<A>
  },
  run: (value: A, port: number) => Effect.Effect<unknown, unknown, Scope.Scope>
): void =>
  live(
    name,
    () =>
      Effect.gen(function* () {
        const { port } = yield* testServer({ ...PATIENT, ...options.server })
        const runPromise = Runtime.runPromise(yield* Effect.runtime())
        const holds = FC.asyncProperty(options.arbitrary, async (value) => {
          await runPromise(Effect.scoped(run(value, port)))
        })
        yield* Effect.tryPromise({
          try: () =>
            FC.assert(holds, {
              numRuns: options.runs,
              examples: (options.examples ?? []).map((value): [A] => [value]),
              interruptAfterTimeLimit: SHRINKING
            }),
          catch: (error) => error
        })
      }),
    3 * SHRINKING
  )
