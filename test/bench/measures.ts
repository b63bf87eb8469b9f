/**
 * What is measured, and how.
 */
import { broadcasts } from "./broadcast.js"
import { of, type Outcome } from "./Figures.js"
import { workers } from "./many.js"
import { YARDSTICK } from "./peers.js"
import { shared } from "./redis.js"
import { inTurns, latencyColumns, type Measure, opening, ROUND } from "./turns.js"

const KIB = 1024

interface EchoCase {
  readonly name: string
  readonly size: number
  readonly connections: number
  readonly inFlight: number
  readonly isText?: boolean
  readonly isCompressed?: boolean
}

const ECHO_CASES: ReadonlyArray<EchoCase> = [
  { name: "64 B, 64 connections, 1 in flight", size: 64, connections: 64, inFlight: 1 },
  { name: "64 B, 64 connections, 16 in flight", size: 64, connections: 64, inFlight: 16 },
  { name: "64 B, 1 connection, 1 in flight", size: 64, connections: 1, inFlight: 1 },
  { name: "64 B, 1,000 connections, 1 in flight", size: 64, connections: 1000, inFlight: 1 },
  { name: "64 B of text, 64 connections, 1 in flight", size: 64, connections: 64, inFlight: 1, isText: true },
  { name: "4 KiB, 64 connections, 1 in flight", size: 4 * KIB, connections: 64, inFlight: 1 },
  { name: "64 KiB, 8 connections, 1 in flight", size: 64 * KIB, connections: 8, inFlight: 1 },
  { name: "1 MiB, 4 connections, 1 in flight", size: KIB * KIB, connections: 4, inFlight: 1 },
  {
    name: "4 KiB of text, compressed, 64 connections, 1 in flight",
    size: 4 * KIB,
    connections: 64,
    inFlight: 1,
    isText: true,
    isCompressed: true
  }
]

const echoes: Measure = {
  name: "echo",
  about: "Messages and their echoes, as fast as they come back",
  columns: [
    { figure: "cpu", title: "CPU a message, µs", digits: 1, hasRatio: true },
    { figure: "throughput", title: "messages/s", digits: 0 },
    ...latencyColumns(false)
  ],
  run: async (bench) => {
    const outcomes: Array<Outcome> = []
    for (const { name, isCompressed = false, isText = false, ...load } of ECHO_CASES) {
      // The platform's upgrade has no compression.
      const peers = bench.peers.filter((peer) => !(isCompressed && peer.name === "platform"))
      outcomes.push(
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await inTurns(bench, name, { peers, isCompressed }, async ({ pid, port }) => {
          const result = await bench.generator.run("echo", {
            ...load,
            pid,
            port,
            isText,
            isCompressed,
            warmUp: ROUND.warmUp / bench.haste,
            time: ROUND.time / bench.haste
          })
          return { cpu: result.cpu, throughput: result.throughput, ...result.latency }
        })
      )
    }
    return outcomes
  }
}

/** The share of what the yardstick can do at most. */
const SATURATION = 0.7

const steady: Measure = {
  name: "steady",
  about: "Latency at a rate that all are given: seven tenths of what the yardstick can do at most",
  columns: [{ figure: "cpu", title: "CPU a message, µs", digits: 1 }, ...latencyColumns(true)],
  run: async (bench) => {
    const load = { size: 64, connections: 64, inFlight: 1, isText: false, isCompressed: false }
    const times = { warmUp: ROUND.warmUp / bench.haste, time: ROUND.time / bench.haste }
    let rate = 0
    const most = await inTurns(
      bench,
      "64 B, 64 connections: at most",
      { peers: bench.peers.filter(({ name }) => name === YARDSTICK) },
      async ({ pid, port }) => {
        const { throughput } = await bench.generator.run("echo", { ...load, ...times, pid, port })
        return { throughput }
      }
    )
    // The median, as of all else: the best of some rounds is what it can do on a machine that is quieter than this one.
    for (const series of most.series) rate = SATURATION * of(series, "throughput")
    const name = `64 B, 64 connections, ${Math.round(rate).toLocaleString("en")} messages/s`
    return [
      await inTurns(bench, name, {}, async ({ pid, port }) => {
        const result = await bench.generator.run("echo", { ...load, ...times, pid, port, rate })
        return { cpu: result.cpu, ...result.latency }
      })
    ]
  }
}

const handshakes: Measure = {
  name: "open",
  about: "Handshakes, after 10 s of them",
  columns: [
    { figure: "cpu", title: "CPU a handshake, µs", digits: 0, hasRatio: true },
    { figure: "throughput", title: "handshakes/s", digits: 0, hasRatio: true },
    { figure: "ending", title: "CPU an end by reset, µs", digits: 0, hasRatio: true }
  ],
  run: async (bench) => [await opening(bench, "handshakes", bench.peers)]
}

const IDLE = { warmUp: 1000, count: 10_000 }

const idle: Measure = {
  name: "idle",
  about: "Memory of connections that say nothing, after a collection of garbage where one can be asked for",
  columns: [{ figure: "memory", title: "KB a connection", digits: 1, hasRatio: true }],
  run: async (bench) => [
    await inTurns(
      bench,
      `${IDLE.count.toLocaleString("en")} idle connections`,
      { isCollected: true, isFresh: true, rounds: Math.min(3, bench.rounds) },
      async ({ memory, pid, port }) => {
        const count = IDLE.count / bench.haste
        // The first ones cost what is compiled for them.
        await bench.generator.run("hold", { pid, port, connections: IDLE.warmUp })
        const before = await memory({ afterCollection: true })
        await bench.generator.run("hold", { pid, port, connections: count })
        const after = await memory({ afterCollection: true })
        await bench.generator.run("release")
        return { memory: (after - before) / count / 1000 }
      }
    )
  ]
}

const stopping: Measure = {
  name: "stop",
  about: "SIGTERM with many connections: until all have had their Close frame, and the process is gone",
  columns: [
    { figure: "time", title: "ms", digits: 0, hasRatio: true },
    { figure: "polite", title: "closed with 1001, %", digits: 1 }
  ],
  run: async (bench) => [
    await inTurns(
      bench,
      `${IDLE.count.toLocaleString("en")} connections are stopped`,
      {
        peers: bench.peers.filter(({ closesAtStop }) => closesAtStop),
        isFresh: true,
        rounds: Math.min(3, bench.rounds)
      },
      async ({ pid, port, stop }) => {
        const count = IDLE.count / bench.haste
        await bench.generator.run("hold", { pid, port, connections: count })
        const [codes, time] = await Promise.all([bench.generator.run("ended"), stop()])
        return { time, polite: ((codes["1001"] ?? 0) / count) * 100 }
      }
    )
  ]
}

const starting: Measure = {
  name: "start",
  about: "From the start of the process until it listens, and its resident memory then",
  columns: [
    { figure: "time", title: "ms", digits: 0, hasRatio: true },
    { figure: "memory", title: "MB", digits: 1, hasRatio: true }
  ],
  run: async (bench) => [
    await inTurns(bench, "start", { isFresh: true }, async ({ memory, startUp }) => {
      await new Promise((resolve) => setTimeout(resolve, 500))
      return { time: startUp, memory: (await memory()) / 1e6 }
    })
  ]
}

/** How long somebody sends without reading, in milliseconds. */
const FLOOD = 4000

const flooded: Measure = {
  name: "flood",
  about: "Memory that is added by a peer that sends for 4 s and reads nothing",
  columns: [{ figure: "memory", title: "MB more", digits: 1, hasRatio: true }],
  run: async (bench) => [
    await inTurns(
      bench,
      "a peer that never reads",
      { isFresh: true, rounds: Math.min(3, bench.rounds) },
      async ({ memory, pid, port }) => {
        // As large as it is when it has had something to do.
        const load = { size: 64 * KIB, connections: 8, inFlight: 1, isText: false, isCompressed: false }
        await bench.generator.run("echo", { ...load, pid, port, warmUp: 500, time: 500 })
        const before = await memory()
        let most = before
        const timer = setInterval(() => void memory().then((now) => (most = Math.max(most, now))), 50)
        try {
          await bench.generator.run("flood", { pid, port, time: FLOOD / bench.haste })
        } finally {
          clearInterval(timer)
        }
        return { memory: (most - before) / 1e6 }
      }
    )
  ]
}

const steered: Measure = {
  name: "steer",
  about:
    "From an operator's request to stop a connection to its Close frame, with 900 idle connections and 100 that talk",
  columns: [
    { figure: "close50", title: "Close frame p50, ms", digits: 2 },
    { figure: "close99", title: "p99, ms", digits: 2 },
    { figure: "echo50", title: "an echo p50, ms", digits: 2 },
    { figure: "echo99", title: "p99, ms", digits: 2 }
  ],
  run: async (bench) => [
    await inTurns(
      bench,
      "a stop by the admin API",
      { peers: bench.peers.filter(({ isSteered }) => isSteered) },
      async ({ pid, port }) => {
        const result = await bench.generator.run("stop", {
          pid,
          port,
          idle: 900,
          talking: 100,
          stops: Math.ceil(500 / bench.haste)
        })
        return {
          close50: result.toClose.p50,
          close99: result.toClose.p99,
          echo50: result.echo.p50,
          echo99: result.echo.p99
        }
      }
    )
  ]
}

/** All of them. */
export const measures: ReadonlyArray<Measure> = [
  echoes,
  broadcasts,
  steady,
  handshakes,
  idle,
  stopping,
  steered,
  starting,
  flooded,
  workers,
  shared
]
