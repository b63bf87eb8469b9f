/**
 * A shutdown with many connections.
 */
import * as Effect from "effect/Effect"
import * as os from "node:os"
import { describe, expect } from "vitest"
import * as Program from "../support/Program.js"
import { liveUnless } from "../support/skip.js"
import * as Swarm from "../support/Swarm.js"

/** How many others each processor is shared with: on a machine that does nothing else the limits are as they stand. */
const share = (): number => Math.max(1, (os.loadavg()[0] ?? 0) / os.availableParallelism())

const crowds = [
  { count: 200, limit: 2000, files: 1000 },
  { count: 5000, limit: 5000, files: 12_000 }
]

describe("SIGTERM", () => {
  for (const { count, files, limit } of crowds) {
    liveUnless(
      Swarm.tooFewFiles(files),
      `closes ${count} connections with 1001, logs each once, and exits 0 in ${limit / 1000} s`,
      () =>
        Effect.gen(function* () {
          const program = yield* Program.start()
          const swarm = yield* Swarm.open(program.port, count)
          const exit = yield* Program.stop(program)
          expect(exit).toMatchObject({ code: 0, signal: null })
          expect(exit.elapsed).toBeLessThan(limit * share())
          const endings = yield* swarm.endings
          const seen = new Set(endings.map(({ code, reason }) => `${code} ${reason}`))
          expect([...seen]).toEqual(["1001 server shutting down"])
          expect(endings).toHaveLength(count)
          const closed = program.log.lines.filter((line) => line["message"] === "connection closed")
          expect(closed).toHaveLength(count)
          expect(new Set(closed.map((line) => line["connection"]))).toHaveLength(count)
          expect(new Set(closed.map((line) => line["reason"]))).toEqual(new Set(["ServerShutdown"]))
        }),
      60_000
    )
  }
})
