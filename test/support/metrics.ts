/**
 * What this process has counted.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/** How many handshakes it has refused with a status. */
export const rejected = (status: number): Effect.Effect<number> =>
  Metric.counter("answerback_handshakes_rejected_total", {
    description: "Handshakes that were refused, by the HTTP status of the answer",
    incremental: true
  }).pipe(
    Metric.tagged("status", String(status)),
    Metric.value,
    Effect.map(({ count }) => count)
  )
