/**
 * CPU time of a server, user and system, of all its processes and their threads.
 */
import * as fs from "node:fs"
import { sleep } from "./Target.js"

/** In nanoseconds. Of threads that have ended nothing is known: a server's don't. */
const ofProcess = (pid: number): number => {
  let sum = 0
  for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0])
    } catch {
      // It has ended since.
    }
  }
  return sum
}

/** Those that a process has started. */
const childrenOf = (pid: number): ReadonlyArray<number> =>
  fs
    .readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .split(" ")
    .filter((text) => text.trim() !== "")
    .map(Number)

/** Of each process of a server, in nanoseconds. */
export const each = (pid: number): ReadonlyArray<number> => [pid, ...childrenOf(pid)].map(ofProcess)

/** Of all of them. */
export const of = (pid: number): number => each(pid).reduce((sum, one) => sum + one, 0)

/** How much of a core, at most, a server takes that has nothing to do; and how long it must. */
const REST = { share: 0.05, milliseconds: 20, most: 2000 }

/** Waits until a server has nothing more to do, or does something of its own. */
export const atRest = async (pid: number): Promise<void> => {
  const end = performance.now() + REST.most
  let before = of(pid)
  while (performance.now() < end) {
    // oxlint-disable-next-line no-await-in-loop -- one look after the other
    await sleep(REST.milliseconds)
    const now = of(pid)
    if (now - before < REST.share * REST.milliseconds * 1e6) return
    before = now
  }
}
