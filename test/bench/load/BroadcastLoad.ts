/**
 * What one connection says, and all of them get.
 */
import type { Socket } from "node:net"
import * as Cpu from "./Cpu.js"
import * as Exchange from "./Exchange.js"
import { type Latency, latencyOf } from "./Latency.js"
import * as Load from "./socket.js"
import { sleep, type Target } from "./Target.js"

/** One message after the other: the next is sent when all have got it. */
export interface BroadcastJob extends Target {
  /** Bytes of payload. */
  readonly size: number
  readonly connections: number
  /** In milliseconds: what isn't measured, and what is. */
  readonly warmUp: number
  readonly time: number
}

export interface BroadcastResult {
  /** In microseconds of CPU time of the server, for each message that a connection got. */
  readonly cpu: number
  /** Messages that connections got, a second. */
  readonly throughput: number
  /** Until all had got a message. */
  readonly latency: Latency
}

/** Calls back with each message that has come, whole. */
const receive = (
  socket: Socket,
  expected: Buffer,
  onMessage: () => void,
  onWrong: (what: string) => void
): void => {
  let position = 0
  socket.on("data", (bytes) => {
    const end = position + bytes.length
    if (end > expected.length || bytes.compare(expected, position, end) !== 0)
      return onWrong("something else came than the message")
    position = end
    if (position < expected.length) return
    position = 0
    onMessage()
  })
  socket.on("close", () => onWrong("TCP ended"))
}

/** Measures it. */
export const run = async (job: BroadcastJob): Promise<BroadcastResult> => {
  const { connections, pid, port, size, time, warmUp } = job
  const { echo, frame } = await Exchange.make(port, { size, isText: false, isCompressed: false })
  const sockets = await Load.openMany(port, connections)
  let wrong: string | undefined
  let isOver = false
  let left = connections
  let since = 0
  let latencies: Array<number> = []
  const say = (): void => {
    left = connections
    since = performance.now()
    sockets[0]?.write(frame)
  }
  const onMessage = (): void => {
    left--
    if (left > 0 || isOver) return
    latencies.push(performance.now() - since)
    say()
  }
  for (const socket of sockets)
    receive(socket, echo, onMessage, (what) => {
      wrong ??= what
    })
  say()
  await sleep(warmUp)
  latencies = []
  const start = performance.now()
  const before = Cpu.of(pid)
  await sleep(time)
  const used = Cpu.of(pid) - before
  const spent = performance.now() - start
  const messages = latencies.length * connections
  isOver = true
  const problem = wrong
  await Load.resetAll(sockets)
  if (problem !== undefined) throw new Error(problem)
  if (messages === 0) throw new Error("no message came to all")
  return {
    cpu: used / 1000 / messages,
    throughput: (messages / spent) * 1000,
    latency: latencyOf(latencies)
  }
}
