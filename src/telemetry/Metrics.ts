/**
 * What is counted.
 */
import * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"

const rejected = Metric.counter("answerback_handshakes_rejected_total", {
  description: "Handshakes that were refused, by the HTTP status of the answer",
  incremental: true
})

/** Counts a handshake that was refused. Synchronous. */
export const countRejected = (status: number): void =>
  rejected.unsafeUpdate(1, [MetricLabel.make("status", String(status))])
