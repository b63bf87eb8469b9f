/**
 * The probe inside the test's own process: all of it but the process, its signals and its exit.
 */
import * as Effect from "effect/Effect"
import type { Signal } from "../../src/probe/Ending.js"
import * as Probe from "../../src/probe/Probe.js"
import { parse, type ProbeSettings } from "../../src/probe/ProbeOptions.js"

/** What a command line says, of one that can be read. */
export const settings = (...args: ReadonlyArray<string>): ProbeSettings => {
  const command = parse(args)
  if (command._tag !== "Probe") throw new Error(`can't be read: ${JSON.stringify(command)}`)
  return command.settings
}

/** A probe that has ended. */
export interface Probed {
  readonly code: number
  readonly stdout: string
}

/** Runs the probe to its end. */
export const run = (
  args: ReadonlyArray<string>,
  interrupted: Effect.Effect<Signal> = Effect.never
): Effect.Effect<Probed> =>
  Effect.suspend(() => {
    let stdout = ""
    const output = {
      write: (text: string): void => {
        stdout += text
      }
    }
    return Effect.map(Probe.run(settings(...args), output, interrupted), (code) => ({ code, stdout }))
  })

/** Runs the probe to its end, in a hurry; `json` is what it printed. */
export const probe = (url: string, ...args: ReadonlyArray<string>) =>
  Effect.map(run(["--json", "--interval", "20ms", "--timeout", "20s", ...args, url]), ({ code, stdout }) => ({
    code,
    json: JSON.parse(stdout) as unknown
  }))
