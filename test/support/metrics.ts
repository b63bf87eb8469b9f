/**
 * What this process has counted, and what a server tells of it.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import { get } from "./get.js"

/** How many handshakes this process has refused with a status. */
export const rejected = (status: number | "other"): Effect.Effect<number> =>
  Effect.map(Metric.snapshot, (pairs) => {
    const found = pairs.find(
      ({ metricKey }) =>
        metricKey.name === "answerback_handshakes_rejected_total" &&
        metricKey.tags.some(({ key, value }) => key === "status" && value === String(status))
    )
    return found !== undefined && MetricState.isCounterState(found.metricState)
      ? Number(found.metricState.count)
      : 0
  })

/** The figures in a text as Prometheus reads it: `name{label="value"}` and what it is. */
export const parse = (text: string): ReadonlyMap<string, number> =>
  new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const space = line.lastIndexOf(" ")
        return [line.slice(0, space), Number(line.slice(space + 1).replace("Inf", "Infinity"))] as const
      })
  )

/** The figures that a server on a port tells now. */
export const scrape = (port: number) => Effect.map(get({ port }, "/metrics"), ({ body }) => parse(body))
