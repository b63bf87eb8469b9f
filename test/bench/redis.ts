/**
 * What it costs a server to be seen with others through Redis, and how fast they reach one another.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as net from "node:net"
import type { Outcome, Round } from "./Figures.js"
import { answerbackWith } from "./peers.js"
import { startServer } from "./Processes.js"
import { type Bench, inTurns, type Measure, opening } from "./turns.js"

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === "object" ? (bound?.port ?? 0) : 0))
    })
  })

interface Redis {
  readonly url: string
  /** How many commands it has been given so far, this one too. */
  readonly commands: () => number
  readonly stop: () => void
}

const startRedis = async (): Promise<Redis> => {
  const port = await freePort()
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] })
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject)
    child.stdout.on("data", (bytes: Buffer) => {
      if (bytes.toString().includes("Ready to accept connections")) resolve()
    })
  })
  const info = (): string =>
    execFileSync("redis-cli", ["-p", String(port), "INFO", "stats"], { encoding: "utf8" })
  return {
    url: `redis://127.0.0.1:${port}`,
    commands: () => Number(/total_commands_processed:(\d+)/.exec(info())?.[1]),
    stop: () => child.kill("SIGKILL")
  }
}

const alone = answerbackWith("alone")

/** How long it is looked what Redis is given, in milliseconds. */
const WHILE = 10_000

const perSecond = async (redis: Redis, time: number): Promise<number> => {
  const before = redis.commands()
  await new Promise((resolve) => setTimeout(resolve, time))
  // Without the one that asks.
  return ((redis.commands() - before - 1) / time) * 1000
}

const idle = async (bench: Bench, redis: Redis): Promise<Outcome> => {
  const peer = answerbackWith("with Redis", "--redis-url", redis.url)
  const count = 10_000 / bench.haste
  return inTurns(
    bench,
    `${count.toLocaleString("en")} idle connections`,
    { peers: [peer], rounds: 1, isFresh: true },
    async ({ pid, port }) => {
      await bench.generator.run("hold", { pid, port, connections: count })
      const commands = await perSecond(redis, WHILE / bench.haste)
      await bench.generator.run("release")
      return { commands }
    }
  )
}

const across = async (bench: Bench, redis: Redis): Promise<Outcome> => {
  const name = "a stop, asked of another server than the one that holds the connection"
  bench.say(name)
  const start = () => startServer(answerbackWith("", "--redis-url", redis.url).command(false))
  const servers = await Promise.all([start(), start()])
  const rounds: Array<Round> = []
  try {
    const [holder, other] = servers
    for (let round = 0; round < bench.rounds; round++) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { toClose } = await bench.generator.run("stop", {
        pid: holder.pid,
        port: holder.port,
        operator: other.port,
        idle: 0,
        talking: 0,
        stops: Math.ceil(300 / bench.haste)
      })
      bench.say(`  p50 ${toClose.p50.toPrecision(3)}, p99 ${toClose.p99.toPrecision(3)}`)
      rounds.push({ close50: toClose.p50, close99: toClose.p99 })
    }
  } finally {
    await Promise.all(servers.map((server) => server.kill()))
  }
  return { name, series: [{ peer: "two servers", rounds }] }
}

/** With Redis beside one server alone. */
export const shared: Measure = {
  name: "redis",
  about: "Servers that share a Redis, on one machine",
  yardstick: alone.name,
  columns: [
    { figure: "cpu", title: "CPU a handshake, µs", digits: 0, hasRatio: true },
    { figure: "throughput", title: "handshakes/s", digits: 0 },
    { figure: "ending", title: "CPU an end by reset, µs", digits: 0, hasRatio: true },
    { figure: "commands", title: "commands/s to Redis", digits: 1 },
    { figure: "close50", title: "Close frame p50, ms", digits: 2 },
    { figure: "close99", title: "p99, ms", digits: 2 }
  ],
  run: async (bench) => {
    if (spawnSync("redis-server", ["--version"]).status !== 0) {
      bench.say("there is no redis-server: apt-get install -y --no-install-recommends redis-server")
      return []
    }
    const redis = await startRedis()
    try {
      const withRedis = answerbackWith("with Redis", "--redis-url", redis.url)
      return [
        await opening(bench, "opened, and then ended", [alone, withRedis]),
        await idle(bench, redis),
        await across(bench, redis)
      ]
    } finally {
      redis.stop()
    }
  }
}
