/**
 * When echoes may come that a fault holds back, and that nothing comes from a silent side.
 */
import { expect } from "vitest"
import { delaysOf, type Outcome } from "./FaultEchoes.js"
import { type Entry, isSilent } from "./FaultHistory.js"
import { isData, type Peer } from "./Peer.js"

/** The clock of the server has whole milliseconds, and timers may come one early. */
const UNSHARP = 3

/** How long what is due may take to come, in milliseconds, when nothing holds it up. */
const LATE = 300

/** How long what was sent before a silence may be on its way, in milliseconds. */
const UNDERWAY = 60

/** How long before a moment something may hold it up for it to matter. */
const BEFORE = 500

/** As much as a peer that reads is sure to have soon, in bytes. */
const LITTLE = 48 * 1024

/** The end of a connection: when it began, and for how long nothing ran. */
interface End {
  readonly at: number
  readonly heldUp: (from: number, to: number) => number
}

/** What is known of an echo. */
interface Held {
  readonly cameAt: number
  /** When it was to come, if nothing ended the fault before. */
  readonly due: number
  /** When the fault was over. */
  readonly over: number
}

const arrivals = ({ cameAt, frames }: Peer): ReadonlyArray<number> =>
  frames.flatMap((frame, i) => (isData(frame) ? [cameAt[i] ?? Number.POSITIVE_INFINITY] : []))

/** The echoes that met a delay, or trickled. */
const heldOf = (
  { echoes }: Outcome,
  peer: Peer,
  end: End,
  kind: "delay" | "throttle"
): ReadonlyArray<Held> => {
  const { faults, sent } = peer.story
  const came = arrivals(peer)
  const held: Array<Held> = []
  let met: Entry | undefined
  let delay = (): number => 0
  let due = 0
  let bytes = 0
  let from = 0
  for (const [i, echo] of echoes.entries()) {
    const { plan } = echo.met ?? {}
    if (echo.met === undefined || plan?.fault !== kind) continue
    const handledAt = faults.handledAt[echo.index] ?? Number.POSITIVE_INFINITY
    if (met !== echo.met) {
      met = echo.met
      delay = delaysOf(met)
      due = 0
      bytes = 0
      from = handledAt
    }
    bytes += (sent[echo.index]?.payload.length ?? 0) + 2
    due =
      plan.fault === "throttle"
        ? from + (bytes * 1000) / plan.rate
        : Math.max(due, handledAt + Math.max(0, delay()))
    held.push({ cameAt: came[i] ?? Number.POSITIVE_INFINITY, due, over: Math.min(faults.endOf(met), end.at) })
  }
  return held
}

/** What came too early, if this came of the faults. */
export const tooEarly = (outcome: Outcome, peer: Peer, end: End): string | undefined => {
  for (const kind of ["delay", "throttle"] as const) {
    const early = heldOf(outcome, peer, end, kind).find(
      ({ cameAt, due, over }) => cameAt < Math.min(due, over) - UNSHARP
    )
    if (early !== undefined) return `an echo came ${early.due - early.cameAt} ms before its ${kind} was over`
  }
  return undefined
}

const sizeOf = ({ story: { sent } }: Peer): number =>
  sent.reduce((sum, { payload }) => sum + payload.length, 0)

/** What came too late, if this came of the faults, to a peer that always read. */
export const tooLate = (outcome: Outcome, peer: Peer, end: End): string | undefined => {
  if (peer.story.pauses.length > 0 || sizeOf(peer) > LITTLE) return undefined
  const late = heldOf(outcome, peer, end, "delay").find(({ cameAt, due, over }) => {
    const at = Math.min(due, over)
    return end.at > at && Math.min(cameAt, end.at) > at + LATE + end.heldUp(at - BEFORE, at + LATE + BEFORE)
  })
  return late === undefined ? undefined : "an echo came long after its delay was over"
}

/** Checks that nothing came from a silent side to a peer that always read. */
export const checkSilence = (who: string, peer: Peer, end: End): void => {
  const { faults, pauses } = peer.story
  if (pauses.length > 0 || sizeOf(peer) > LITTLE) return
  for (const entry of faults.entries) {
    if (!isSilent(entry.plan)) continue
    const { surely } = faults.begunAt(entry, end.heldUp)
    const from = surely + UNDERWAY + end.heldUp(surely - BEFORE, surely + BEFORE)
    const to = Math.min(faults.endOf(entry), end.at)
    const odd = peer.cameAt.filter((at) => at > from && at < to)
    expect(odd, `${who}: frames from a silent side`).toEqual([])
  }
}
