/**
 * The model of echoes under faults: what becomes of each message, as far as that isn't left to the clock; where it is,
 * everything that may.
 */
import { PCGRandom } from "effect/Utils"
import type { ConnectionPlan } from "../../src/faults/FaultPlan.js"
import { type Entry, type FaultHistory, isEnd, isSilent, type Moment } from "./FaultHistory.js"

/** An echo, of the message with this number. */
export interface Echo {
  readonly index: number
  /** Whether it has a reserved bit. */
  readonly isCorrupt: boolean
  /** The fault that it met. */
  readonly met: Entry | undefined
}

/** What may come of the faults of a connection. */
export interface Outcome {
  readonly echoes: ReadonlyArray<Echo>
  /** The number of the message of which half comes back. */
  readonly half: number | undefined
  /** What ends the connection. */
  readonly ending: ConnectionPlan | undefined
  /** Whether a corrupt frame was sent before it began to end. */
  readonly isCorrupted: boolean
  /** The silence that it begins to end in. */
  readonly silence: "stall" | "mute" | undefined
}

/** More combinations than that aren't tried: several clocks would have to have decided within a moment. */
const MOST = 20_000

const numbers = (seed: number | undefined): (() => number) => {
  const known = seed ?? 0
  const random = new PCGRandom(Math.floor(known / 2 ** 32), known >>> 0)
  return () => random.number()
}

/** The delays of a fault, in milliseconds, in order. */
export const delaysOf = ({ plan, seed }: Entry): (() => number) => {
  if (plan?.fault !== "delay") return () => 0
  if (plan.jitter === 0) return () => plan.time
  // Unknown, it may always be the shortest.
  if (seed === undefined) return () => plan.time - plan.jitter
  const random = numbers(seed)
  return () => plan.time + (2 * random() - 1) * plan.jitter
}

/** How often the messages come back that meet a fault which has begun; `isFirst` is the first of them. */
const timesOf = ({ plan, seed }: Entry): ((isFirst: boolean) => "half" | "corrupt" | number) => {
  const random = numbers(plan !== undefined && "seed" in plan ? (plan.seed ?? seed) : seed)
  switch (plan?.fault) {
    case "close":
    case "reset":
    case "vanish":
    case "mute":
      return () => 0
    case "truncate":
      return (isFirst) => (isFirst ? "half" : 0)
    case "corrupt":
      return (isFirst) => (isFirst ? "corrupt" : 1)
    case "drop":
      return () => (random() < plan.rate ? 0 : 1)
    case "duplicate":
      return () => (random() < plan.rate ? 2 : 1)
    default:
      return () => 1
  }
}

/** Whether it goes on when the connection ends: what is held back goes out then, and what is to come doesn't. */
const isLasting = ({ plan }: Entry, half: number | undefined): boolean => {
  if (plan?.fault === "truncate") return half !== undefined
  return isEnd(plan) || ["mute", "drop", "duplicate"].includes(plan?.fault ?? "")
}

/** What comes of the faults if they begin before these messages; nothing if that can't be. */
const play = (
  history: FaultHistory,
  begins: ReadonlyArray<number>,
  sealed: number,
  total: number
): Outcome | undefined => {
  const { entries } = history
  const echoes: Array<Echo> = []
  let half: number | undefined
  let isCorrupted = false
  const echo = (index: number, met: Entry | undefined, times: number, isCorrupt = false): void => {
    for (let i = 0; i < times; i++) echoes.push({ index, isCorrupt, met })
  }
  for (let i = 0; i < Math.min(entries[0]?.handled ?? total, total); i++) echo(i, undefined, 1)
  for (const [k, entry] of entries.entries()) {
    const isLast = k === entries.length - 1
    const begin = begins[k] ?? Number.POSITIVE_INFINITY
    const times = timesOf(entry)
    const end = isLast ? sealed : Math.min(entries[k + 1]?.handled ?? sealed, sealed)
    const meet = (i: number): void => {
      const how = times(i === begin)
      if (how === "half") half = i
      else if (how === "corrupt") {
        echo(i, entry, 1, true)
        isCorrupted = true
      } else echo(i, entry, how)
    }
    for (let i = entry.handled; i < end; i++) {
      if (i < begin) echo(i, undefined, 1)
      else meet(i)
    }
    if (!isLast) {
      // What was an end can't have been replaced.
      if (half !== undefined || (isEnd(entry.plan) && begin <= end)) return undefined
      continue
    }
    const hasBegun = begin <= sealed
    const goesOn = hasBegun && isLasting(entry, half)
    for (let i = Math.max(end, entry.handled); i < total; i++) {
      if (goesOn) echo(i, entry, Number(times(false)))
      else echo(i, undefined, 1)
    }
    const { plan } = entry
    const silence = hasBegun && (plan?.fault === "stall" || plan?.fault === "mute") ? plan.fault : undefined
    const ending = half !== undefined || (hasBegun && isEnd(plan)) ? plan : undefined
    return { echoes, half, ending, isCorrupted, silence }
  }
  return { echoes, half, ending: undefined, isCorrupted, silence: undefined }
}

/** All that may have come of the faults of a connection whose handler got so many messages. `until` is when it began to end. */
export const outcomes = (
  history: FaultHistory,
  total: number,
  until: Moment,
  heldUp: (from: number, to: number) => number
): ReadonlyArray<Outcome> => {
  const sealed = Math.min(history.open, total)
  let combinations: ReadonlyArray<ReadonlyArray<number>> = [[]]
  for (const [k, entry] of history.entries.entries()) {
    const to = Math.min(history.entries[k + 1]?.handled ?? sealed, sealed)
    const choices = history.beginnings(entry, to, until, heldUp)
    combinations = combinations
      .flatMap((begins) => choices.map((begin) => begins.concat(begin)))
      .slice(0, MOST)
  }
  return combinations.flatMap((begins) => play(history, begins, sealed, total) ?? [])
}

/** Whether a fault may keep pings or pongs back. */
export const keepsPongs = ({ entries }: FaultHistory): boolean =>
  entries.some(({ plan }) => isSilent(plan) || plan?.fault === "throttle")
