/**
 * Tests that a machine may be unable to run: they say so by name, and never pass without having run.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { it } from "vitest"
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
