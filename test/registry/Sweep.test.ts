/**
 * The sweep over many connections, on the event loop as it is.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Lifecycle } from "../../src/connection/Lifecycle.js"
import * as Sweep from "../../src/registry/Sweep.js"
import { unwatched } from "../support/registry.js"

/** Looks that take a tenth of a millisecond each. */
const COUNT = 200
const busy = (milliseconds: number): void => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe("a sweep", () => {
  it.scopedLive("looks at each connection once, and lets all else happen in between", () =>
    Effect.gen(function* () {
      const seen: Array<{ readonly id: number; readonly turn: number }> = []
      let turn = 0
      let timer = setImmediate(function next() {
        turn++
        timer = setImmediate(next)
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => clearImmediate(timer)))
      const live = new Map<string, Pick<Lifecycle, "look">>()
      const swept = yield* Effect.async<ReadonlyArray<number>>((resume) => {
        for (let id = 0; id < COUNT; id++) {
          live.set(String(id), {
            look: () => {
              busy(0.1)
              seen.push({ id, turn })
              if (seen.length === COUNT) resume(Effect.succeed(seen.map(({ id }) => id)))
            }
          })
        }
      }).pipe(
        Effect.zipLeft(
          Effect.map(Sweep.make(live), (sweep) => sweep.add({ ...unwatched, sendTimeout: 80 })),
          { concurrent: true }
        )
      )
      expect(swept).toEqual(Array.from({ length: COUNT }, (_, id) => id))
      // Half a millisecond is five looks, and the clock is looked at after sixteen.
      const perTurn = new Map<number, number>()
      for (const look of seen) perTurn.set(look.turn, (perTurn.get(look.turn) ?? 0) + 1)
      expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(16)
    })
  )
})
