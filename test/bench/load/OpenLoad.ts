/**
 * Handshakes: how many a second.
 */
import * as Cpu from "./Cpu.js"
import * as Load from "./socket.js"
import type { Target } from "./Target.js"

/** Handshakes, one after the other in each of some loops; the connections are ended when nobody looks. */
export interface OpenJob extends Target {
  /** Connections that are opened before they are ended. */
  readonly batch: number
  /** In milliseconds of opening. */
  readonly warmUp: number
  readonly time: number
}

export interface OpenResult {
  /** Handshakes a second. */
  readonly throughput: number
  /** In microseconds of CPU time of the server, for each. */
  readonly cpu: number
  /** The same for the end of a connection, by a reset. */
  readonly ending: number
}

const openAndEnd = async (job: OpenJob, time: number): Promise<OpenResult> => {
  let opened = 0
  let cpu = 0
  let ending = 0
  let spent = 0
  while (spent < time) {
    const before = Cpu.of(job.pid)
    const start = performance.now()
    // oxlint-disable-next-line no-await-in-loop -- one batch after the other
    const sockets = await Load.openMany(job.port, job.batch)
    spent += performance.now() - start
    const between = Cpu.of(job.pid)
    cpu += between - before
    opened += sockets.length
    // oxlint-disable-next-line no-await-in-loop
    await Load.resetAll(sockets)
    // What their ends cost must not be taken for what the next ones do.
    // oxlint-disable-next-line no-await-in-loop
    await Cpu.atRest(job.pid)
    ending += Cpu.of(job.pid) - between
  }
  return {
    throughput: (opened / spent) * 1000,
    cpu: cpu / 1000 / opened,
    ending: ending / 1000 / opened
  }
}

/** Measures it. */
export const run = async (job: OpenJob): Promise<OpenResult> => {
  await openAndEnd(job, job.warmUp)
  return openAndEnd(job, job.time)
}
