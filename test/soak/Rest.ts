/**
 * What the program holds when nobody is connected, and whether that grows.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import type { WaitedTooLong } from "./Bell.js"
import type { Probe, Server } from "./Server.js"

const MIB = 1024 ** 2

/** Why this can't be told here. */
export const missing = fs.existsSync("/proc/self/fd") ? undefined : "needs /proc"

/** What the program holds at one rest. */
export interface Rest extends Probe {
  /** What each file descriptor is (proc(5)). */
  readonly descriptors: ReadonlyArray<string>
}

const descriptorsOf = (pid: number): ReadonlyArray<string> =>
  fs.readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [fs.readlinkSync(`/proc/${pid}/fd/${fd}`)]
    } catch {
      // Closed meanwhile.
      return []
    }
  })

const look = (server: Server): Effect.Effect<Rest, WaitedTooLong> =>
  Effect.map(server.probe, (probe) => ({ ...probe, descriptors: descriptorsOf(server.pid) }))

const kinds = (things: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const thing of things) {
    // Sockets and pipes have a number each.
    const kind = thing.replace(/\[\d+\]$/, "")
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

/** How many more of a kind are no leak: the timers that all connections share run out after the last one has gone. */
const ALLOWED: ReadonlyMap<string, number> = new Map([["Timeout", 4]])

const more = (what: string, before: ReadonlyArray<string>, after: ReadonlyArray<string>) => {
  const had = kinds(before)
  return [...kinds(after)]
    .filter(([kind, count]) => count > (had.get(kind) ?? 0) + (ALLOWED.get(kind) ?? 0))
    .map(([kind, count]) => `${what} ${kind}: ${had.get(kind) ?? 0} before, ${count} after`)
}

/** File descriptors and handles that there are more of. */
export const left = (before: Rest, after: Rest): ReadonlyArray<string> => [
  ...more("file descriptor", before.descriptors, after.descriptors),
  ...more("handle", before.handles, after.handles)
]

/** At least so many looks, the least memory of which counts, and at most so many for what was left to go. */
const LOOKS = { fewest: 3, most: 60 }

/** How many milliseconds lie between them: nothing reports that a descriptor was closed. */
const APART = 50

/** Looks at the program until it holds no more than before, or has held more for too long. */
export const take = (server: Server, before?: Rest): Effect.Effect<Rest, WaitedTooLong> =>
  Effect.gen(function* () {
    let rest = yield* look(server)
    let { resident, used } = rest
    for (let looks = 1; looks < LOOKS.most; looks++) {
      if (looks >= LOOKS.fewest && left(before ?? rest, rest).length === 0) break
      yield* Effect.sleep(APART)
      rest = yield* look(server)
      resident = Math.min(resident, rest.resident)
      used = Math.min(used, rest.used)
    }
    return { ...rest, resident, used }
  })

const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The fewest rests, after that of the warm-up, that tell anything. */
const FEWEST = 3

/**
 * By how many bytes memory may grow. Both are measured after a garbage collection, and growth is that of medians, so
 * that one odd rest doesn't count.
 *
 * Used memory is what is reachable. From rest to rest it goes up and down by a few hundred KiB, and code that is
 * compiled and optimized late adds 0.6 MiB in the first minute: 2 MiB are well above, and what is kept of each of the
 * connections of a minute, some thousands, exceeds them from half a KiB on; of a longer soak, the sooner.
 *
 * Resident memory is also what the allocators of V8 and of C keep for next time, in the pieces that it came in: it
 * climbs for as long as new peaks are reached, by 15 MiB in a minute, and then no more. 32 MiB are above that, and
 * catch what V8 doesn't know of.
 */
export const BOUNDS = { resident: 32 * MIB, used: 2 * MIB }

/** By how many bytes something has grown, from the first third of the rests to the last; the first is the warm-up. */
export const growth = (rests: ReadonlyArray<Rest>, what: keyof typeof BOUNDS): number | undefined => {
  const values = rests.slice(1).map((rest) => rest[what])
  if (values.length < FEWEST) return undefined
  const third = Math.floor(values.length / 3)
  return median(values.slice(-third)) - median(values.slice(0, third))
}
