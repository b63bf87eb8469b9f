/**
 * Servers that are seen as one, beside one alone.
 */
import type { Outcome } from "./Figures.js"
import { answerbackWith } from "./peers.js"
import { inTurns, latencyColumns, type Measure, ROUND } from "./turns.js"

const alone = answerbackWith("one process")

/**
 * The load needs a core of its own, and two workers need two. So they have one together, and what is compared is CPU time:
 * with a core each, the busiest process of a server is what bounds it.
 */
export const workers: Measure = {
  name: "workers",
  about: "Two workers beside one process: the busiest process of a server bounds it, where each has a core",
  yardstick: alone.name,
  columns: [
    { figure: "busiest", title: "CPU a message of the busiest process, µs", digits: 1, hasRatio: true },
    { figure: "cpu", title: "of all", digits: 1, hasRatio: true },
    ...latencyColumns(false)
  ],
  run: async (bench) => {
    const outcomes: Array<Outcome> = []
    for (const inFlight of [1, 16]) {
      const load = { size: 64, connections: 64, inFlight, isText: false, isCompressed: false }
      outcomes.push(
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await inTurns(
          bench,
          `64 B, 64 connections, ${inFlight} in flight`,
          { peers: [alone, answerbackWith("two workers", "--workers", "2")] },
          async ({ pid, port }) => {
            const { busiest, cpu, latency } = await bench.generator.run("echo", {
              ...load,
              pid,
              port,
              warmUp: ROUND.warmUp / bench.haste,
              time: ROUND.time / bench.haste
            })
            return { busiest, cpu, ...latency }
          }
        )
      )
    }
    return outcomes
  }
}
