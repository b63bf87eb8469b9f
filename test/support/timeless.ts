/**
 * A test with a clock of its own, under a leak check: what a test starts, it stops.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import * as Logging from "../../src/telemetry/Logging.js"
import * as Log from "./Log.js"

/** Lets all fibers go on until each waits for something. */
export const settle: Effect.Effect<void> = TestClock.adjust(0)

/**
 * Registers a test whose time stands still unless it is adjusted, in a scope of its own. It fails if a fiber is left
 * when that has closed.
 */
export const timeless = <E>(
  name: string,
  body: (log: Log.Log) => Effect.Effect<void, E, Scope.Scope>
): void => {
  it.effect(name, () =>
    Effect.gen(function* () {
      // The clock's own fiber, which warns of a clock that stands still, has gone after this.
      yield* settle
      const supervisor = yield* Supervisor.track
      const log = Log.make()
      yield* Effect.suspend(() => body(log)).pipe(
        Effect.scoped,
        Effect.supervised(supervisor),
        Effect.provide(Logging.layer({ format: "json", level: "info", isColoured: false, write: log.write }))
      )
      const left = (yield* supervisor.value).filter((fiber) => fiber.unsafePoll() === null)
      expect(left).toEqual([])
    })
  )
}
