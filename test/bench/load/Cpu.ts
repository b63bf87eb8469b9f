/**
 * CPU time of a server, user and system, of all its processes and their threads.
 */
import * as fs from "node:fs"

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
