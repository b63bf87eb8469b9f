/**
 * What holds after every run for a connection on which something went wrong: what came back, what was counted and how
 * it ended are what its faults make of it.
 */
import { expect } from "vitest"
import type { ConnectionEvent } from "../../src/index.js"
import * as Frame from "../../src/protocol/Frame.js"
import { Message } from "../../src/protocol/Message.js"
import type { ConnectionPlan } from "../../src/faults/FaultPlan.js"
import { type Farewell, farewell, type StopReason } from "../../src/protocol/StopReason.js"
import type { Outgoing } from "../support/arbitrary.js"
import * as Frames from "../support/frames.js"
import { keepsPongs, type Outcome, outcomes } from "./FaultEchoes.js"
import * as FaultTimes from "./FaultTimes.js"
import type { Moment } from "./FaultHistory.js"
import { isData, type Peer } from "./Peer.js"
import { describeReason } from "./Story.js"
import { timeoutOf } from "./Timeouts.js"

type Closed = Extract<ConnectionEvent, { readonly _tag: "closed" }>

/** How it ended. */
export interface End {
  readonly closed: Closed
  /** When it began to end. */
  readonly since: Moment
  /** Whether it can't have been the server who gave up. */
  readonly isTimely: boolean
  readonly heldUp: (from: number, to: number) => number
}

/** What stands for the peer's own reason once it was sent a bad frame. */
const isPeers = ({ _tag }: StopReason): boolean =>
  _tag === "PeerClosed" || _tag === "ProtocolError" || _tag === "PeerVanished"

const lastOf = (plan: ConnectionPlan): Farewell => {
  if (plan.fault === "close") return { _tag: "Close", code: plan.code, reason: plan.reason }
  return { _tag: plan.fault === "reset" ? "Reset" : "End" }
}

/** What is wrong with the reason, if this came of the faults. */
const wrongReason = ({ ending, isCorrupted }: Outcome, reason: StopReason): string | undefined => {
  if (reason._tag === "Fault" && reason.kind === "corrupt")
    return isCorrupted ? undefined : "no corrupt frame had been sent"
  if (isPeers(reason) && isCorrupted) return "a corrupt frame had been sent"
  if (reason._tag !== "Fault")
    // A reset waits, and other things may come before it.
    return ending === undefined || ending.fault === "reset" ? undefined : `${ending.fault} had come`
  if (ending?.fault !== reason.kind) return `${ending?.fault ?? "nothing"} had come`
  const last = lastOf(ending)
  return JSON.stringify(reason.last) === JSON.stringify(last)
    ? undefined
    : `it was to say ${JSON.stringify(last)}`
}

const frameOf = ({ opcode, payload }: Outgoing): Buffer =>
  Frame.whole(new Message(opcode === Frames.TEXT ? "Text" : "Binary", payload))

/** What is wrong with what came back and was counted, if this came of the faults. */
const wrongEchoes = (
  { echoes, ending, half }: Outcome,
  { frames, story: { sent }, unparsed }: Peer,
  { connection, reason }: Closed
): string | undefined => {
  const seen = frames.filter(isData)
  for (const [i, frame] of seen.entries()) {
    const echo = echoes[i]
    const message = sent[echo?.index ?? Number.NaN]
    const isSame =
      message?.opcode === frame.opcode &&
      echo?.isCorrupt === frame.rsv2 &&
      message.payload.equals(frame.payload)
    if (!isSame) return `echo ${i} is ${Frames.describe(frame)}, and was to be ${Frames.describe(message)}`
  }
  const { bytesOut, messagesOut } = connection
  if (messagesOut > echoes.length) return `${messagesOut} messages out, of ${echoes.length}`
  const bytes = echoes
    .slice(0, messagesOut)
    .reduce((sum, { index }) => sum + (sent[index]?.payload.length ?? 0), 0)
  if (bytes !== bytesOut) return `${bytesOut} bytes out, and not ${bytes}`
  const isCut = reason._tag === "Fault" && reason.kind === "truncate"
  const message = sent[half ?? Number.NaN]
  if (!isCut || message === undefined) return undefined
  const frame = frameOf(message)
  const piece = frame.subarray(0, Math.floor(frame.length / 2))
  if (!piece.subarray(0, unparsed.length).equals(unparsed)) return "what came at last is no half of a frame"
  return ending?.fault === "truncate" ? undefined : "no message was cut"
}

/** What is lost that need not be, if this came of the faults. */
const lost = (
  { echoes, half, silence }: Outcome,
  { canTellEnd, end, frames, story, unparsed }: Peer,
  { connection, reason }: Closed,
  isTimely: boolean
): string | undefined => {
  const { messagesIn, messagesOut } = connection
  const last = frames.at(-1)
  const close = last && Frames.closeOf(last)
  const seen = frames.filter(isData).length
  const said = timeoutOf(reason)?.says ?? farewell(reason)
  if (close !== undefined && JSON.stringify({ _tag: "Close", ...close }) !== JSON.stringify(said))
    return `it was to say ${JSON.stringify(said)}`
  if (close !== undefined && seen !== messagesOut)
    return `${seen} seen before the Close frame, of ${messagesOut}`
  if (said._tag === "Reset") {
    if (close !== undefined) return "a Close frame came"
    if (canTellEnd && end !== "reset") return `TCP ended with ${end}`
    const isWhole = reason._tag !== "Fault" || messagesOut === echoes.length
    return isWhole ? undefined : `${messagesOut} messages out, and not ${echoes.length}`
  }
  if (story.isReset || !isTimely) return undefined
  if (messagesOut !== echoes.length) return `${messagesOut} messages out, and not ${echoes.length}`
  if (seen !== messagesOut) return `${seen} messages seen, of ${messagesOut}`
  // Who was silent to the end doesn't answer the peer's last word.
  const isBySilent = silence !== undefined && (isPeers(reason) || reason._tag === "Fault")
  if ((close !== undefined) !== (said._tag === "Close" && !isBySilent)) return "a Close frame came, or didn't"
  if (end !== "fin") return `TCP ended with ${end}`
  const message = sentOf(story.sent, half)
  if (message !== undefined && unparsed.length !== Math.floor(frameOf(message).length / 2))
    return "half of a frame was to come"
  const isSpoken = isPeers(reason) || (reason._tag === "Fault" && reason.kind === "corrupt")
  if (!isSpoken || silence === "stall") return undefined
  if (messagesIn !== story.sent.length) return `${messagesIn} messages in, of ${story.sent.length}`
  const pongs = frames.filter(({ opcode }) => opcode === Frames.PONG).length
  return keepsPongs(story.faults) || pongs === story.pings.length ? undefined : `${pongs} pongs`
}

const sentOf = (sent: ReadonlyArray<Outgoing>, index: number | undefined): Outgoing | undefined =>
  index === undefined ? undefined : sent[index]

/** In order, though some may be missing. */
const isSubsequence = (some: ReadonlyArray<string>, all: ReadonlyArray<string>): boolean => {
  let at = 0
  for (const one of some) {
    at = all.indexOf(one, at) + 1
    if (at === 0) return false
  }
  return true
}

const checkFrames = (who: string, { frames, story, unparsed }: Peer): void => {
  const pongs = frames.filter(({ opcode }) => opcode === Frames.PONG).map(({ payload }) => payload.toString())
  if (keepsPongs(story.faults)) expect(isSubsequence(pongs, story.pings), `${who}: pongs`).toBe(true)
  else expect(pongs, `${who}: pongs`).toEqual(story.pings.slice(0, pongs.length))
  for (const { fin, rsv1, rsv3 } of frames) expect(fin && !rsv1 && !rsv3, who).toBe(true)
  const close = frames.findIndex(({ opcode }) => opcode === Frames.CLOSE)
  if (close < 0) return
  expect(frames.slice(close + 1).map(Frames.describe), `${who}: after the Close frame`).toEqual([])
  expect(unparsed.length, `${who}: bytes after the Close frame`).toBe(0)
}

/** Checks a connection on which something went wrong. */
export const checkFaulty = (who: string, peer: Peer, { closed, heldUp, isTimely, since }: End): void => {
  const { faults, sent } = peer.story
  const { connection, reason } = closed
  checkFrames(who, peer)
  expect(connection.messagesIn, `${who}: messages in, of those sent`).toBeLessThanOrEqual(sent.length)
  const bytesIn = sent.slice(0, connection.messagesIn).reduce((sum, { payload }) => sum + payload.length, 0)
  expect(connection.bytesIn, `${who}: bytes in`).toBe(bytesIn)

  const end = { at: since.maybe, heldUp }
  const all = outcomes(faults, connection.messagesIn, since, heldUp)
  const problems = new Set<string>()
  for (const outcome of all) {
    const problem =
      wrongReason(outcome, reason) ??
      wrongEchoes(outcome, peer, closed) ??
      lost(outcome, peer, closed, isTimely) ??
      FaultTimes.tooEarly(outcome, peer, end) ??
      FaultTimes.tooLate(outcome, peer, end)
    if (problem === undefined) return FaultTimes.checkSilence(who, peer, end)
    problems.add(problem)
  }
  const asked = faults.entries.map(({ plan }) => JSON.stringify(plan ?? "over"))
  expect.fail(
    `${who}, ${asked.join(", then ")}, ended with ${describeReason(reason)}: ${[...problems].slice(0, 5).join("; or ")}`
  )
}
