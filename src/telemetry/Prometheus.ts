/**
 * Metrics as Prometheus reads them: its text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * By hand, since Effect has no exporter for its registry, and the usual client library has a registry of its own, which
 * neither shows the metrics of a program around this server nor shows ours to it.
 */
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

/** The media type of the format. */
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

/** The labels of a sample, by name. */
export type Labels = ReadonlyArray<readonly [name: string, value: string]>

/** One figure. */
export interface Sample {
  /** What follows the name of the family. */
  readonly suffix: string
  readonly labels: Labels
  readonly value: number | bigint
}

/** All that goes by one name. */
export interface Family {
  readonly name: string
  readonly help: string | undefined
  readonly type: "counter" | "gauge" | "histogram" | "summary"
  readonly samples: ReadonlyArray<Sample>
}

/** A name may have fewer characters than Effect allows. */
const legal = (name: string, others: RegExp): string =>
  name.replace(others, "_").replace(/^(?=\d)/, "_") || "_"
const metricName = (name: string): string => legal(name, /[^a-zA-Z0-9_:]/g)
const labelName = (name: string): string => legal(name, /[^a-zA-Z0-9_]/g)

const number = (value: number | bigint): string => {
  if (value === Number.POSITIVE_INFINITY) return "+Inf"
  if (value === Number.NEGATIVE_INFINITY) return "-Inf"
  return String(value)
}

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const escapeValue = (text: string): string => escapeHelp(text).replaceAll('"', '\\"')

const labelled = (labels: Labels): string =>
  labels.length === 0 ? "" : `{${labels.map(([name, value]) => `${name}="${escapeValue(value)}"`).join(",")}}`

/** What a metric of Effect is to Prometheus. */
const convert = (
  state: MetricState.MetricState.Untyped,
  labels: Labels
): Pick<Family, "type" | "samples"> | undefined => {
  const sample = (value: number | bigint, suffix = "", ...more: Labels): Sample => ({
    suffix,
    labels: [...labels, ...more],
    value
  })
  if (MetricState.isCounterState(state)) return { type: "counter", samples: [sample(state.count)] }
  if (MetricState.isGaugeState(state)) return { type: "gauge", samples: [sample(state.value)] }
  if (MetricState.isFrequencyState(state)) {
    const samples = Array.from(state.occurrences, ([word, count]) => sample(count, "", ["key", word]))
    return { type: "counter", samples }
  }
  if (MetricState.isHistogramState(state)) {
    const buckets = state.buckets.map(([most, count]) => sample(count, "_bucket", ["le", number(most)]))
    return {
      type: "histogram",
      samples: [...buckets, sample(state.sum, "_sum"), sample(state.count, "_count")]
    }
  }
  if (MetricState.isSummaryState(state)) {
    const quantiles = state.quantiles.map(([quantile, value]) =>
      sample(
        Option.getOrElse(value, () => Number.NaN),
        "",
        ["quantile", number(quantile)]
      )
    )
    return {
      type: "summary",
      samples: [...quantiles, sample(state.sum, "_sum"), sample(state.count, "_count")]
    }
  }
  return undefined
}

const idOf = ({ labels, suffix }: Sample): string => suffix + labelled(labels)

/**
 * What goes by the same name, put together and in order. A name has one type, and a sample comes once: what would make
 * the text unreadable, since a program has two such, is left out.
 */
export const familiesOf = (pairs: Iterable<MetricPair.MetricPair.Untyped>): ReadonlyArray<Family> => {
  const families = new Map<string, Family & { readonly samples: Array<Sample>; readonly ids: Set<string> }>()
  for (const { metricKey, metricState } of pairs) {
    const tags = new Map(metricKey.tags.map(({ key, value }) => [labelName(key), value]))
    const converted = convert(metricState, [...tags])
    if (converted === undefined) continue
    const name = metricName(metricKey.name)
    const family = families.get(name) ?? {
      name,
      help: Option.getOrUndefined(metricKey.description),
      type: converted.type,
      samples: [],
      ids: new Set()
    }
    families.set(name, family)
    if (family.type !== converted.type || converted.samples.some((one) => family.ids.has(idOf(one)))) continue
    for (const one of converted.samples) {
      family.samples.push(one)
      family.ids.add(idOf(one))
    }
  }
  return [...families.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** Writes them. */
export const render = (families: Iterable<Family>): string => {
  const lines: Array<string> = []
  for (const { help, name, samples, type } of families) {
    if (help !== undefined) lines.push(`# HELP ${name} ${escapeHelp(help)}`)
    lines.push(`# TYPE ${name} ${type}`)
    for (const { labels, suffix, value } of samples)
      lines.push(`${name}${suffix}${labelled(labels)} ${number(value)}`)
  }
  return `${lines.join("\n")}\n`
}

/** What a scrape is answered. */
export const page = (
  families: Iterable<Family>
): { readonly body: string; readonly contentType: string } => ({
  body: render(families),
  contentType: CONTENT_TYPE
})
