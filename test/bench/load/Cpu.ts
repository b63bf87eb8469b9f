/**
 * CPU time of a process, user and system, of all its threads.
 */
import * as fs from "node:fs"

/** In nanoseconds. Of threads that have ended nothing is known: a server's don't. */
export const of = (pid: number): number => {
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
