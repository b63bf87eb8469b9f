/**
 * `answerback probe`: from arguments to an exit code.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Signal, signals } from "./Ending.js"
import * as Probe from "./Probe.js"
import { help } from "./ProbeHelp.js"
import * as ProbeOptions from "./ProbeOptions.js"

/** Completes at the first signal, with its name; the second one ends the program. */
const interruption: Effect.Effect<Effect.Effect<Signal>, never, Scope.Scope> = Effect.gen(function* () {
  const first = yield* Deferred.make<Signal>()
  let isStopping = false
  const names: ReadonlyArray<Signal> = ["SIGINT", "SIGTERM"]
  yield* Effect.forEach(names, (signal) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const listener = (): void => {
          if (isStopping) process.exit(signals[signal])
          isStopping = true
          Deferred.unsafeDone(first, Effect.succeed(signal))
        }
        process.on(signal, listener)
        return listener
      }),
      (listener) => Effect.sync(() => process.off(signal, listener))
    )
  )
  return Deferred.await(first)
})

/** Does what the arguments after `probe` say, and gives the exit code. */
export const main = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.suspend(() => {
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      // Whoever read it has gone, as with `| head`: no news to anybody.
      if (error.code !== "EPIPE") process.stderr.write(`answerback probe: can't write: ${error.message}\n`)
      process.exit(1)
    })
    const command = ProbeOptions.parse(args)
    switch (command._tag) {
      case "Help":
        process.stdout.write(help())
        return Effect.succeed(0)
      case "Invalid":
        for (const problem of command.problems) process.stderr.write(`answerback probe: ${problem}\n`)
        return Effect.succeed(2)
      case "Probe":
        return Effect.scoped(
          Effect.flatMap(interruption, (interrupted) =>
            Probe.run(command.settings, process.stdout, interrupted)
          )
        )
    }
  })
