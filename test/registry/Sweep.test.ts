/**
 * The sweep over many connections, on the event loop as it is.
 */
import { describe, expect, it } from "@effect/vitest"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Lifecycle } from "../../src/connection/Lifecycle.js"
import * as Sweep from "../../src/registry/Sweep.js"
import { unwatched } from "../support/registry.js"

const COUNT = 200

/**
 * Sweeps once over some connections, of which each look takes a tenth of a millisecond, and tells how many looks came in
 * each turn of the event loop, in order. All else takes so many milliseconds a turn. By a clock that goes by that alone: on
 * a machine that is busy with other things a look takes longer.
 */
const sweepOnce = (elseTakes: number) =>
  Effect.gen(function* () {
    let time = 0n
    const busy = (milliseconds: number): void => {
      time += BigInt(milliseconds * 1_000_000)
    }
    const clock: Clock.Clock = Object.create(yield* Effect.clock, {
      unsafeCurrentTimeNanos: { value: () => time }
    })
    const seen: Array<number> = []
    const perTurn = new Map<number, number>()
    let turn = 0
    let timer = setImmediate(function next() {
      turn++
      if (seen.length > 0) busy(elseTakes)
      timer = setImmediate(next)
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => clearImmediate(timer)))
    const live = new Map<string, Pick<Lifecycle, "look">>()
    const swept = yield* Deferred.make<void>()
    for (let id = 0; id < COUNT; id++) {
      live.set(String(id), {
        look: () => {
          busy(0.1)
          seen.push(id)
          perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1)
          if (seen.length === COUNT) Deferred.unsafeDone(swept, Effect.void)
        }
      })
    }
    const sweep = yield* Effect.withClock(Sweep.make(live), clock)
    sweep.add({ ...unwatched, sendTimeout: 80 })
    yield* Deferred.await(swept)
    expect(seen).toEqual(Array.from({ length: COUNT }, (_, id) => id))
    return [...perTurn.values()]
  })

describe("a sweep", () => {
  it.scopedLive("looks at each connection once, and lets all else happen in between", () =>
    Effect.gen(function* () {
      const looks = yield* sweepOnce(0)
      // Half a millisecond is five looks, and the clock is looked at after sixteen.
      expect(looks[0]).toBeLessThanOrEqual(16)
      expect(looks.length).toBeGreaterThan(1)
    })
  )

  it.scopedLive("isn't held up for long by all else", () =>
    Effect.gen(function* () {
      // Two turns of forty milliseconds in between: ten, or a hundred looks, at a time. Else it would be a dozen times.
      const looks = yield* sweepOnce(40)
      expect(looks[0]).toBeLessThanOrEqual(16)
      expect(looks.length).toBeLessThanOrEqual(4)
    })
  )
})
