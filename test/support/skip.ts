/**
 * Tests that a machine may be unable to run: they say so by name, and never pass without having run.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { expect, it } from "vitest"
import { live } from "./live.js"

/** Registers a test unless there is a reason not to run it, which its name then tells. */
export const liveUnless = (
  reason: string | undefined,
  name: string,
  test: () => Effect.Effect<unknown, unknown, Scope.Scope>,
  timeoutMs?: number
): void => {
  if (reason === undefined) live(name, test, timeoutMs)
  else it.skip(`${name} (skipped: ${reason})`)
}

/**
 * Registers a test that needs a program. Without it the test is skipped, by name; but it fails with `CI=true`, where
 * whatever the suites need is to be installed.
 *
 * @param missing says that the program is missing, if it is, and how to get it.
 */
export const liveWithTool = (
  missing: string | undefined,
  name: string,
  test: () => Effect.Effect<unknown, unknown, Scope.Scope>,
  timeoutMs?: number
): void => {
  if (missing !== undefined && process.env["CI"] === "true") it(name, () => expect.fail(missing))
  else liveUnless(missing, name, test, timeoutMs)
}
