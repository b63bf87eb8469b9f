/**
 * The text that Prometheus reads.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import { describe, expect, it } from "vitest"
import * as Prometheus from "../../src/telemetry/Prometheus.js"

/** What the registry of this process has by names that start so, as text. */
const textOf = (prefix: string): string =>
  Prometheus.render(
    Prometheus.familiesOf(
      Metric.unsafeSnapshot().filter(({ metricKey }) => metricKey.name.startsWith(prefix))
    )
  )

describe("a metric as Prometheus reads it", () => {
  it("has its help, its type, and a line a series", () => {
    const requests = Metric.counter("t1_requests_total", { description: "What came.", incremental: true })
    Metric.tagged(requests, "way", "in").unsafeUpdate(3, [])
    Metric.tagged(requests, "way", "out").unsafeUpdate(2, [])
    Metric.gauge("t1_load", { description: "How busy." }).unsafeUpdate(-0.5, [])
    expect(textOf("t1_")).toBe(
      [
        "# HELP t1_load How busy.",
        "# TYPE t1_load gauge",
        "t1_load -0.5",
        "# HELP t1_requests_total What came.",
        "# TYPE t1_requests_total counter",
        't1_requests_total{way="in"} 3',
        't1_requests_total{way="out"} 2',
        ""
      ].join("\n")
    )
  })

  it("has cumulative buckets, the last without a bound, a sum and a count", () => {
    const sizes = Metric.histogram("t2_size_bytes", MetricBoundaries.fromIterable([0.5, 2]), "Sizes.")
    for (const size of [0.5, 1, 2, 3]) sizes.unsafeUpdate(size, [])
    expect(textOf("t2_").split("\n").slice(2)).toEqual([
      't2_size_bytes_bucket{le="0.5"} 1',
      't2_size_bytes_bucket{le="2"} 3',
      't2_size_bytes_bucket{le="+Inf"} 4',
      "t2_size_bytes_sum 6.5",
      "t2_size_bytes_count 4",
      ""
    ])
  })

  it("has quantiles if it is a summary, and a label for the words that are counted", () => {
    const lags = Metric.summary({
      name: "t3_lag",
      maxAge: "1 minute",
      maxSize: 10,
      error: 0,
      quantiles: [0.5],
      description: "Lags."
    })
    lags.unsafeUpdate(7, [])
    Metric.frequency("t3_words", { description: "Words." }).unsafeUpdate("a", [])
    expect(textOf("t3_").split("\n")).toEqual(
      expect.arrayContaining([
        "# TYPE t3_lag summary",
        't3_lag{quantile="0.5"} 7',
        "t3_lag_sum 7",
        "t3_lag_count 1",
        "# TYPE t3_words counter",
        't3_words{key="a"} 1'
      ])
    )
  })

  it("escapes what would break out of a label or a line", () => {
    const odd = Metric.counter("t4_odd_total", { description: 'a\\b\n"c"' })
    Metric.tagged(odd, "why", 'say "hi"\\\nx{} 1').unsafeUpdate(1, [])
    expect(textOf("t4_")).toBe(
      [
        '# HELP t4_odd_total a\\\\b\\n"c"',
        "# TYPE t4_odd_total counter",
        't4_odd_total{why="say \\"hi\\"\\\\\\nx{} 1"} 1',
        ""
      ].join("\n")
    )
  })

  it("has a name that Prometheus allows, infinities as it writes them, and no help where there is none", () => {
    Metric.tagged(Metric.gauge("t5.9-größe"), "http.status", "ok").unsafeUpdate(Number.NEGATIVE_INFINITY, [])
    Metric.gauge("t5_big", { bigint: true }).unsafeUpdate(9_007_199_254_740_993n, [])
    expect(textOf("t5")).toBe(
      [
        "# TYPE t5_9_gr__e gauge",
        't5_9_gr__e{http_status="ok"} -Inf',
        "# TYPE t5_big gauge",
        "t5_big 9007199254740993",
        ""
      ].join("\n")
    )
  })

  it("keeps to one type, and has each sample once, though a program has two by the same name", () => {
    Metric.counter("t6_twice").unsafeUpdate(1, [])
    Metric.gauge("t6_twice").unsafeUpdate(2, [])
    Metric.gauge("t6-twice").unsafeUpdate(3, [])
    Metric.counter("t6.twice").unsafeUpdate(4, [])
    const lines = textOf("t6").split("\n")
    expect(lines.filter((line) => line.startsWith("# TYPE"))).toHaveLength(1)
    expect(lines.filter((line) => line.startsWith("t6_twice"))).toHaveLength(1)
  })
})
