/**
 * How peers are measured: in turns, each with the same load.
 */
import type { Outcome, Round } from "./Figures.js"
import type { Peer } from "./peers.js"
import { type Generator, type Server, startServer } from "./Processes.js"
import type { Column } from "./Report.js"

/** What a measure needs. */
export interface Bench {
  readonly peers: ReadonlyArray<Peer>
  readonly generator: Generator
  readonly rounds: number
  /** All times are this much shorter than they should be: for a look, not for figures. */
  readonly haste: number
  readonly say: (line: string) => void
}

/** Some cases whose figures make one table. */
export interface Measure {
  readonly name: string
  readonly about: string
  readonly columns: ReadonlyArray<Column>
  /** The peer that all ratios are to, by default the yardstick of all. */
  readonly yardstick?: string
  readonly run: (bench: Bench) => Promise<ReadonlyArray<Outcome>>
}

/** Starts a server for each peer, and measures them in turns. */
export const inTurns = async (
  bench: Bench,
  name: string,
  options: {
    readonly peers?: ReadonlyArray<Peer>
    readonly isCompressed?: boolean
    readonly isCollected?: boolean
    readonly rounds?: number
    /** Each round has servers of its own. */
    readonly isFresh?: boolean
  },
  measure: (server: Server, peer: Peer) => Promise<Round>
): Promise<Outcome> => {
  const { isCollected = false, isCompressed = false, isFresh = false, peers = bench.peers } = options
  const rounds = options.rounds ?? bench.rounds
  bench.say(name)
  const found = new Map<Peer, Array<Round>>(peers.map((peer) => [peer, []]))
  const start = (peer: Peer): Promise<Server> => startServer({ ...peer.command(isCompressed), isCollected })
  const servers = new Map<Peer, Server>()
  try {
    for (let round = 0; round < rounds; round++) {
      // Nobody is always the first.
      const order = peers
        .map((_, at) => peers[(at + round) % peers.length])
        .filter((peer) => peer !== undefined)
      for (const peer of order) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        const server = servers.get(peer) ?? (await start(peer))
        servers.set(peer, server)
        try {
          // oxlint-disable-next-line no-await-in-loop
          const figures = await measure(server, peer)
          found.get(peer)?.push(figures)
          const shown = Object.entries(figures).map(([figure, value]) => `${figure} ${value.toPrecision(4)}`)
          bench.say(`  ${peer.name}: ${shown.join(", ")}`)
        } catch (error) {
          throw new Error(`${name}, ${peer.name}: ${String(error)}`, { cause: error })
        }
        if (!isFresh) continue
        // oxlint-disable-next-line no-await-in-loop
        await server.kill()
        servers.delete(peer)
      }
    }
  } finally {
    await Promise.all([...servers.values()].map((server) => server.kill()))
  }
  return { name, series: [...found].map(([{ name: peer }, rounds]) => ({ peer, rounds })) }
}

/** The columns of latencies. */
export const latencyColumns = (hasRatio: boolean): ReadonlyArray<Column> => [
  { figure: "p50", title: "p50, ms", digits: 2, hasRatio },
  { figure: "p99", title: "p99, ms", digits: 2, hasRatio },
  { figure: "p999", title: "p99.9, ms", digits: 2, hasRatio }
]

/** How long a round is, in milliseconds, and what comes before it. */
export const ROUND = { warmUp: 1000, time: 2000 }

/** Handshakes of each, after ten seconds of them. */
export const opening = (bench: Bench, name: string, peers: ReadonlyArray<Peer>): Promise<Outcome> => {
  const warm = new Set<Server>()
  return inTurns(bench, name, { peers }, async (server) => {
    const { pid, port } = server
    const warmUp = warm.has(server) ? 1000 : 10_000
    warm.add(server)
    const { cpu, ending, throughput } = await bench.generator.run("open", {
      pid,
      port,
      batch: 500,
      warmUp: warmUp / bench.haste,
      time: ROUND.time / bench.haste
    })
    return { cpu, throughput, ending }
  })
}
