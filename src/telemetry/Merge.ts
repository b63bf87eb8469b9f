/**
 * Metrics of several processes, seen as those of one.
 */
import type { Family, Sample } from "./Prometheus.js"

/** How figures of one kind are put together, where it isn't by adding them. */
const ways: Readonly<Record<string, (one: number, other: number) => number>> = {
  answerback_build_info: Math.max,
  process_start_time_seconds: Math.min
}

const keyOf = ({ labels, suffix }: Sample): string => JSON.stringify([suffix, labels])

const add = (one: number | bigint, other: number | bigint): number | bigint =>
  typeof one === "bigint" && typeof other === "bigint" ? one + other : Number(one) + Number(other)

/** Adds up what goes by the same name and labels; of a summary, the parts that can be added. */
export const merge = (processes: ReadonlyArray<ReadonlyArray<Family>>): ReadonlyArray<Family> => {
  const families = new Map<string, { readonly family: Family; readonly samples: Map<string, Sample> }>()
  for (const family of processes.flat()) {
    const { name, samples } = family
    const found = families.get(name) ?? { family, samples: new Map<string, Sample>() }
    families.set(name, found)
    // The same name for another kind of thing: what would make the text unreadable is left out.
    if (found.family.type !== family.type) continue
    const way = ways[name]
    for (const sample of samples) {
      const key = keyOf(sample)
      const other = found.samples.get(key)
      if (other === undefined) found.samples.set(key, sample)
      // There is no quantile of quantiles: the first process's own stands for all.
      else if (family.type !== "summary" || sample.suffix !== "") {
        const value =
          way === undefined ? add(other.value, sample.value) : way(Number(other.value), Number(sample.value))
        found.samples.set(key, { ...sample, value })
      }
    }
  }
  return Array.from(families.values(), ({ family, samples }) => ({
    ...family,
    samples: [...samples.values()]
  })).sort((one, other) => (one.name < other.name ? -1 : 1))
}

/** What of the metrics of a process stays true when it has ended: what it has counted, not what it has. */
export const lasting = (families: ReadonlyArray<Family>): ReadonlyArray<Family> =>
  families.filter(({ type }) => type === "counter" || type === "histogram")
