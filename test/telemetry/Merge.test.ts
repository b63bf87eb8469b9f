/**
 * Metrics of several processes, seen as those of one.
 */
import { describe, expect, it } from "vitest"
import { lasting, merge } from "../../src/telemetry/Merge.js"
import { type Family, render } from "../../src/telemetry/Prometheus.js"

const family = (
  name: string,
  type: Family["type"],
  ...samples: ReadonlyArray<
    readonly [suffix: string, labels: Readonly<Record<string, string>>, value: number | bigint]
  >
): Family => ({
  name,
  help: undefined,
  type,
  samples: samples.map(([suffix, labels, value]) => ({ suffix, labels: Object.entries(labels), value }))
})

const merged = (...processes: ReadonlyArray<ReadonlyArray<Family>>) =>
  render(merge(processes)).trim().split("\n")

describe("the metrics of several processes", () => {
  it("are added up by name and labels", () => {
    expect(
      merged(
        [family("a_total", "counter", ["", { to: "x" }, 1], ["", { to: "y" }, 2])],
        [family("a_total", "counter", ["", { to: "y" }, 40]), family("b", "gauge", ["", {}, 5])],
        [family("b", "gauge", ["", {}, -2])]
      )
    ).toEqual(["# TYPE a_total counter", 'a_total{to="x"} 1', 'a_total{to="y"} 42', "# TYPE b gauge", "b 3"])
  })

  it("have the buckets of their histograms added", () => {
    const one = family(
      "h",
      "histogram",
      ["_bucket", { le: "1" }, 1],
      ["_bucket", { le: "+Inf" }, 2],
      ["_sum", {}, 3.5],
      ["_count", {}, 2]
    )
    expect(merged([one], [one]).slice(1)).toEqual([
      'h_bucket{le="1"} 2',
      'h_bucket{le="+Inf"} 4',
      "h_sum 7",
      "h_count 4"
    ])
  })

  it("keep what isn't to be added: versions, and when the first was started", () => {
    expect(
      merged(
        [
          family("answerback_build_info", "gauge", ["", { version: "1" }, 1]),
          family("process_start_time_seconds", "gauge", ["", {}, 20])
        ],
        [
          family("answerback_build_info", "gauge", ["", { version: "1" }, 1]),
          family("process_start_time_seconds", "gauge", ["", {}, 10])
        ]
      )
    ).toEqual([
      "# TYPE answerback_build_info gauge",
      'answerback_build_info{version="1"} 1',
      "# TYPE process_start_time_seconds gauge",
      "process_start_time_seconds 10"
    ])
  })

  it("have no quantiles of quantiles", () => {
    const one = (value: number) =>
      family("s", "summary", ["", { quantile: "0.5" }, value], ["_sum", {}, value], ["_count", {}, 1])
    expect(merged([one(1)], [one(5)]).slice(1)).toEqual(['s{quantile="0.5"} 1', "s_sum 6", "s_count 2"])
  })

  it("are exact where they are bigints, and can be read where types differ", () => {
    const big = family("a_total", "counter", ["", {}, 2n ** 60n])
    expect(merged([big], [big])[1]).toBe(`a_total ${2n ** 61n}`)
    expect(merged([big], [family("a_total", "gauge", ["", {}, 1])])).toEqual([
      "# TYPE a_total counter",
      `a_total ${2n ** 60n}`
    ])
  })

  it("that last are those that count", () => {
    const all = [
      family("a_total", "counter"),
      family("h", "histogram"),
      family("g", "gauge"),
      family("s", "summary")
    ]
    expect(lasting(all).map(({ name }) => name)).toEqual(["a_total", "h"])
  })
})
