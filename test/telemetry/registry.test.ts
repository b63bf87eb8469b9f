/**
 * Metrics of a server inside a program that has metrics of its own.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { describe, expect } from "vitest"
import { VERSION } from "../../src/Version.js"
import packageJson from "../../package.json" with { type: "json" }
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { scrape } from "../support/metrics.js"
import * as RawClient from "../support/RawClient.js"
import { testServer } from "../support/server.js"

const messagesIn = Effect.map(Metric.snapshot, (pairs) => {
  const found = pairs.find(
    ({ metricKey }) =>
      metricKey.name === "answerback_messages_total" && metricKey.tags.some(({ value }) => value === "in")
  )
  return found?.metricState
})

describe("a program around the server", () => {
  live("finds its own metrics on /metrics, and those of the server in Effect's registry", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const before = (yield* scrape(server.port)).get('answerback_messages_total{direction="in"}') ?? 0
      yield* Metric.increment(Metric.counter("registry_test_orders_total", { description: "Orders." }))
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("a"))
      yield* peer.nextMessage
      expect((yield* scrape(server.port)).get("registry_test_orders_total")).toBe(1)
      yield* peer.write(Frames.text("a"))
      yield* peer.nextMessage
      yield* server.shutdown
      // Nobody has scraped since: the end of a server is published, too.
      expect(yield* messagesIn).toMatchObject({ count: before + 2 })
    })
  )

  live("finds the version of the package", () => Effect.sync(() => expect(VERSION).toBe(packageJson.version)))
})
