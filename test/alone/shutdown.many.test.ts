/**
 * A shutdown with many connections.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Program from "../support/Program.js"
import { liveUnless } from "../support/skip.js"
import * as Swarm from "../support/Swarm.js"

/** How often a limit of time is tried: another program may have had the machine, but not every time. */
const TRIES = 3

const crowds = [
  { count: 200, limit: 2000, files: 1000 },
  { count: 5000, limit: 5000, files: 12_000 }
]

/** Opens connections, stops the program, and checks how each of them ended. Tells how long it took, in milliseconds. */
const shutDown = (count: number) =>
  Effect.gen(function* () {
    const program = yield* Program.start()
    const swarm = yield* Swarm.open(program.port, count)
    const exit = yield* Program.stop(program)
    expect(exit).toMatchObject({ code: 0, signal: null })
    const endings = yield* swarm.endings
    const seen = new Set(endings.map(({ code, reason }) => `${code} ${reason}`))
    expect([...seen]).toEqual(["1001 server shutting down"])
    expect(endings).toHaveLength(count)
    const closed = program.log.lines.filter((line) => line["message"] === "connection closed")
    expect(closed).toHaveLength(count)
    expect(new Set(closed.map((line) => line["connection"]))).toHaveLength(count)
    expect(new Set(closed.map((line) => line["reason"]))).toEqual(new Set(["ServerShutdown"]))
    return exit.elapsed
  })

describe("SIGTERM", () => {
  for (const { count, files, limit } of crowds) {
    liveUnless(
      Swarm.tooFewFiles(files),
      `closes ${count} connections with 1001, logs each once, and exits 0 in ${limit / 1000} s`,
      () =>
        Effect.gen(function* () {
          const times: Array<number> = []
          while (times.length < TRIES && !times.some((elapsed) => elapsed < limit)) {
            times.push(yield* Effect.scoped(shutDown(count)))
          }
          expect(Math.min(...times)).toBeLessThan(limit)
        }),
      120_000
    )
  }
})
