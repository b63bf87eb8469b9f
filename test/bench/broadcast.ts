/**
 * A message to many: a room beside a loop over the clients of `ws`.
 */
import type { Outcome } from "./Figures.js"
import { fileOf, type Peer } from "./peers.js"
import { inTurns, latencyColumns, type Measure, ROUND } from "./turns.js"

const peer = (name: string, file: string): Peer => ({
  name,
  command: () => ({ isNode: true, command: [fileOf(file)] }),
  closesAtStop: false,
  isSteered: false
})

const room = peer("a room", "broadcast.mjs")
const loop = peer("a loop over ws", "broadcast-ws.mjs")

const CONNECTIONS = 1000

/** Measures them. */
export const broadcasts: Measure = {
  name: "broadcast",
  about: "A message to 1,000 connections, one after the other: CPU time for each that gets it",
  yardstick: loop.name,
  columns: [
    { figure: "cpu", title: "CPU a message and connection, µs", digits: 2, hasRatio: true },
    { figure: "throughput", title: "messages/s", digits: 0 },
    ...latencyColumns(false)
  ],
  run: async (bench) => {
    const outcomes: Array<Outcome> = []
    for (const [name, size] of [
      ["64 B to 1,000 connections", 64],
      ["4 KiB to 1,000 connections", 4096]
    ] as const) {
      outcomes.push(
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await inTurns(bench, name, { peers: [room, loop] }, async ({ pid, port }) => {
          const { cpu, latency, throughput } = await bench.generator.run("broadcast", {
            pid,
            port,
            size,
            connections: CONNECTIONS,
            warmUp: ROUND.warmUp / bench.haste,
            time: (2 * ROUND.time) / bench.haste
          })
          return { cpu, throughput, ...latency }
        })
      )
    }
    return outcomes
  }
}
