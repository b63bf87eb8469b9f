/**
 * What the system knows of this process.
 */
import * as fs from "node:fs"

/** Figures of a process; those that this system doesn't tell are left out. Times are in seconds. */
export interface ProcessStats {
  readonly cpuUser: number
  readonly cpuSystem: number
  readonly startTime: number
  readonly residentMemory: number
  readonly virtualMemory: number | undefined
  readonly heap: number | undefined
  readonly openFds: number | undefined
  readonly maxFds: number | undefined
}

const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    // No such file: this isn't Linux.
    return undefined
  }
}

/** A line such as `VmSize:   123 kB`, in bytes. */
const kilobytes = (status: string | undefined, name: string): number | undefined => {
  const found = new RegExp(String.raw`^${name}:\s+(\d+) kB$`, "m").exec(status ?? "")
  return found === null ? undefined : Number(found[1]) * 1024
}

const FDS = "/proc/self/fd"

const openFds = (): number => {
  // Linux 6.2 and later tell the number as the size: to list ten thousand names takes ten times as long.
  const { size } = fs.statSync(FDS)
  return size > 0 ? size : fs.readdirSync(FDS).length
}

const maxFds = (): number | undefined => {
  const found = /^Max open files\s+(\d+)/m.exec(fs.readFileSync("/proc/self/limits", "utf8"))
  return found === null ? undefined : Number(found[1])
}

/** To the second: it must not change from one reading to the next. */
const startTime = Math.round(Date.now() / 1000 - process.uptime())

/** Reads them. Synchronous: files of `/proc` wait for no disk. */
export const read = (): ProcessStats => {
  const { system, user } = process.cpuUsage()
  const status = attempt(() => fs.readFileSync("/proc/self/status", "utf8"))
  return {
    cpuUser: user / 1e6,
    cpuSystem: system / 1e6,
    startTime,
    residentMemory: process.memoryUsage.rss(),
    virtualMemory: kilobytes(status, "VmSize"),
    heap: kilobytes(status, "VmData"),
    openFds: attempt(openFds),
    maxFds: attempt(maxFds)
  }
}
