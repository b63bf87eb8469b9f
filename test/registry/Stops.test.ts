/**
 * Stops of many connections: all of them, and the server goes on meanwhile.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { StopReason } from "../../src/protocol/StopReason.js"
import { stopEach } from "../../src/registry/Stops.js"
import { live } from "../support/live.js"

const REASON = StopReason.ServerShutdown({ code: 1001 })

describe("a stop of many connections", () => {
  live("lets the event loop go round after every few of them", () =>
    Effect.gen(function* () {
      let turns = 0
      let isOver = false
      const count = (): void => {
        turns++
        if (!isOver) setImmediate(count)
      }
      setImmediate(count)
      const stoppedIn: Array<number> = []
      const all = Array.from({ length: 1000 }, () => ({
        stop: () => {
          stoppedIn.push(turns)
          return true
        }
      }))
      expect(yield* stopEach(all, REASON)).toBe(1000)
      isOver = true
      expect(stoppedIn).toHaveLength(1000)
      // A turn that stops 51 or more has stopped two that are 50 apart.
      const apart = stoppedIn.slice(50).map((turn, at) => turn - (stoppedIn[at] ?? turn))
      expect(Math.min(...apart)).toBeGreaterThan(0)
    })
  )

  live("counts those that it stopped, and no others", () =>
    Effect.gen(function* () {
      const all = Array.from({ length: 100 }, (_, i) => ({ stop: () => i % 3 === 0 }))
      expect(yield* stopEach(all, REASON)).toBe(34)
    })
  )
})
