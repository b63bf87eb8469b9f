/**
 * Messages, and how long their echoes take, and the server for them.
 */
import * as Cpu from "./Cpu.js"
import { Echoes, Script } from "./Echoes.js"
import * as Exchange from "./Exchange.js"
import { type Latency, latencyOf } from "./Latency.js"
import * as Load from "./socket.js"
import { sleep, type Target } from "./Target.js"

/** Messages and their echoes. */
export interface EchoJob extends Target, Exchange.ExchangeOptions {
  readonly connections: number
  /** Messages that wait for their echo, on each connection. */
  readonly inFlight: number
  /** Messages a second over all connections, whatever comes back; without it the next is sent when an echo has come. */
  readonly rate?: number
  /** In milliseconds: what isn't measured, and what is. */
  readonly warmUp: number
  readonly time: number
}

export interface EchoResult {
  readonly messages: number
  /** In microseconds of CPU time of the server, for each message. */
  readonly cpu: number
  /** Of that, what the busiest of its processes had to do. */
  readonly busiest: number
  /** Messages a second. */
  readonly throughput: number
  readonly latency: Latency
}

/** Measures it. */
export const run = async (job: EchoJob): Promise<EchoResult> => {
  const exchange = await Exchange.make(job.port, job)
  const sockets = await Load.openMany(job.port, job.connections, job.isCompressed)
  const script = new Script(exchange, job.inFlight)
  let wrong: string | undefined
  let isMeasuring = false
  let latencies: Array<number> = []
  const listener = {
    onEcho: (since: number) => {
      if (isMeasuring) latencies.push(performance.now() - since)
    },
    onWrong: (what: string) => {
      wrong ??= what
    }
  }
  const all = sockets.map((socket) => new Echoes(socket, script, job.rate === undefined, listener))
  let isOver = false
  if (job.rate === undefined) for (const one of all) one.send(job.inFlight, performance.now())
  else {
    const start = performance.now()
    const gap = 1000 / job.rate
    let count = 0
    const tick = (): void => {
      if (isOver) return
      // By the time at which it was to be sent: a generator that is late must not make the server look fast.
      for (const now = performance.now(); start + count * gap <= now; count++)
        all[count % all.length]?.send(1, start + count * gap)
      setImmediate(tick)
    }
    tick()
  }
  await sleep(job.warmUp)
  latencies = []
  isMeasuring = true
  const start = performance.now()
  const before = Cpu.each(job.pid)
  await sleep(job.time)
  isMeasuring = false
  const used = Cpu.each(job.pid).map((now, at) => now - (before[at] ?? 0))
  const time = performance.now() - start
  const messages = latencies.length
  isOver = true
  const problem = wrong
  await Load.resetAll(sockets)
  if (problem !== undefined) throw new Error(problem)
  if (messages === 0) throw new Error("no echo came")
  return {
    messages,
    cpu: used.reduce((sum, one) => sum + one, 0) / 1000 / messages,
    busiest: Math.max(...used) / 1000 / messages,
    throughput: (messages / time) * 1000,
    latency: latencyOf(latencies)
  }
}
