/**
 * What a collector of OpenTelemetry is told in the last moment.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Collector from "../support/Collector.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"

/** In milliseconds: of the drain timeout, a quarter is kept for the collector. */
const DRAIN = { timeout: 4000, connections: 3000 }

/** A timer may be early by a moment, as seen from another process. */
const MOMENT = 50

describe("a collector", () => {
  live("gets what there is to tell of connections that took all the time that there was to end", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make()
      const url = `http://127.0.0.1:${collector.port}`
      const args = ["--otlp-url", url, "--drain-timeout", `${DRAIN.timeout}ms`, "--close-timeout", "30s"]
      const program = yield* Program.start({ args })
      // It doesn't answer the Close frame.
      yield* RawClient.connect({ port: program.port })
      const { code, elapsed } = yield* Program.stop(program)
      expect(code).toBe(0)
      expect(elapsed).toBeGreaterThan(DRAIN.connections - MOMENT)
      const span = collector.spans.find(({ name }) => name === "connection")
      expect(span?.attributes).toMatchObject({ "answerback.reason": "ServerShutdown" })
    })
  )
})
