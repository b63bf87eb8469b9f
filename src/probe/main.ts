/**
 * `answerback probe`: from arguments to an exit code.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Probe from "./Probe.js"
import { help } from "./ProbeHelp.js"
import * as ProbeOptions from "./ProbeOptions.js"

const signals = { SIGINT: 130, SIGTERM: 143 } as const

/** Completes at the first signal; the second one ends the program. */
const interruption: Effect.Effect<Effect.Effect<void>, never, Scope.Scope> = Effect.gen(function* () {
  let isStopping = false
  let stop = (): void => undefined
  yield* Effect.forEach(Object.entries(signals), ([signal, code]) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const listener = (): void => {
          if (isStopping) process.exit(code)
          isStopping = true
          stop()
        }
        process.on(signal, listener)
        return listener
      }),
      (listener) => Effect.sync(() => process.off(signal, listener))
    )
  )
  return Effect.async<void>((resume) => {
    stop = () => resume(Effect.void)
    if (isStopping) stop()
  })
})

/** Does what the arguments after `probe` say, and gives the exit code. */
export const main = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.suspend(() => {
    const command = ProbeOptions.parse(args)
    switch (command._tag) {
      case "Help":
        process.stdout.write(help())
        return Effect.succeed(0)
      case "Invalid":
        for (const problem of command.problems) process.stderr.write(`answerback probe: ${problem}\n`)
        return Effect.succeed(2)
      case "Probe":
        // Whoever read it has gone, as with `| head`.
        process.stdout.on("error", () => process.exit(1))
        return Effect.scoped(
          Effect.flatMap(interruption, (interrupted) =>
            Probe.run(command.settings, process.stdout, interrupted)
          )
        )
    }
  })
