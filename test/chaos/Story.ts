/**
 * The model: what was done to one connection, and what may come of it.
 */
import { farewell, StopReason } from "../../src/protocol/StopReason.js"
import type { Outgoing } from "../support/arbitrary.js"
import type { ConnectionInfo } from "../../src/registry/ConnectionInfo.js"
import { type Entry, FaultHistory } from "./FaultHistory.js"
import { type Circumstances, type Ending, isAllowed, movedAfter, timeouts } from "./Timeouts.js"

/** The outbound side of a connection, in bytes. */
export interface Outbound {
  readonly at: number
  readonly written: number
  readonly waiting: number
  /** Since when so much waits. */
  readonly since: number
  /** After which moment the kernel took some for certain. */
  readonly movedAfter: number
}

/** What was done to one connection. Times are by the clock of `performance`; infinite for what hasn't happened. */
export interface Story {
  /** Whole messages that the peer sent before its last word, and when it sent each. */
  readonly sent: Array<Outgoing>
  readonly sentAt: Array<number>
  /** The pings that it sent before its last word. */
  readonly pings: Array<string>
  /** When it sent anything. */
  readonly spokeAt: Array<number>
  /** When it didn't read. */
  readonly pauses: Array<{ readonly from: number; to: number }>
  /** When it began to connect: before, the server can't have known it. */
  askedAt: number
  /** When the handshake was answered: by then, the server knew it. */
  answeredAt: number
  /** When the last message was seen to come back. */
  echoedAt: number
  /** What the server was last seen to have written, and what of it to wait for the kernel; and when that was. */
  out: Outbound
  /**
   * For what reason the connection is to end by what the peer said first of all that ends one: a Close frame, a bad
   * frame, or the end of its side of TCP. What it sends after that counts for nothing.
   */
  lastWord: StopReason | undefined
  /** The peer has ended its side of TCP. */
  hasEndedTcp: boolean
  /** TCP was reset by the peer: that overtakes what it sent before. */
  isReset: boolean
  /** The first stop that found the connection open. A stop is synchronous: whatever had not ended it came too late. */
  stop: { readonly reason: StopReason; readonly at: number } | undefined
  /** When the peer did the first thing that may end it. */
  endingAt: number
  /** What went wrong, since somebody had asked for it. */
  faults: FaultHistory
  /** What was counted when it was last seen to be stalled. */
  frozen: { readonly entry: Entry | undefined; readonly counts: string } | undefined
}

/** Nothing yet. */
export const begin = (): Story => ({
  sent: [],
  sentAt: [],
  pings: [],
  spokeAt: [],
  pauses: [],
  askedAt: Number.POSITIVE_INFINITY,
  answeredAt: Number.POSITIVE_INFINITY,
  echoedAt: Number.NEGATIVE_INFINITY,
  out: { at: 0, written: 0, waiting: 0, since: Number.POSITIVE_INFINITY, movedAfter: 0 },
  lastWord: undefined,
  hasEndedTcp: false,
  isReset: false,
  stop: undefined,
  endingAt: Number.POSITIVE_INFINITY,
  faults: new FaultHistory(undefined, () => undefined),
  frozen: undefined
})

/** Notes what is seen of the outbound side. */
export const noteOut = (
  story: Story,
  at: number,
  { bytesOut, bufferedBytes }: Pick<ConnectionInfo, "bytesOut" | "bufferedBytes">
): void => {
  const { out } = story
  story.out = {
    at,
    written: bytesOut,
    waiting: bufferedBytes,
    since: bufferedBytes === out.waiting ? out.since : at,
    movedAfter: movedAfter(out, { bytesOut, bufferedBytes })
  }
}

type Race = (story: Story, ending: Ending, circumstances: Circumstances) => StopReason | undefined

/**
 * The reasons that what was done allows, those that race with one another; a line for each thing that can end a
 * connection.
 */
const races: ReadonlyArray<Race> = [
  (story) => story.lastWord,
  (story) => (story.isReset ? StopReason.PeerVanished() : undefined),
  // What a stalled side hasn't read isn't known to it when TCP ends.
  (story) => (story.hasEndedTcp && story.faults.has("stall") ? StopReason.PeerVanished() : undefined),
  (_, { at }, { shutdownAt }) => (at >= shutdownAt ? StopReason.ServerShutdown({ code: 1001 }) : undefined),
  ...timeouts.map(
    (timeout): Race =>
      (story, ending, circumstances) =>
        isAllowed(timeout, story, ending, circumstances) ? timeout.reason : undefined
  )
]

/** The reasons for which a connection may have begun to end when it did. */
export const allowedReasons = (
  story: Story,
  ending: Ending,
  circumstances: Circumstances
): ReadonlyArray<StopReason> =>
  story.stop === undefined
    ? races.map((reasonOf) => reasonOf(story, ending, circumstances)).filter((reason) => reason !== undefined)
    : [story.stop.reason]

/** Whether something was done that is to end the connection, other than a shutdown. */
export const isEnding = ({ isReset, lastWord, stop }: Story): boolean =>
  isReset || lastWord !== undefined || stop !== undefined

/** Writes a reason in one line, as far as the model knows it: not in which words a bad frame is refused. */
export const describeReason = (reason: StopReason): string => {
  const said = farewell(reason)
  const words =
    said._tag !== "Close" ? [] : [said.code ?? "empty", reason._tag === "ProtocolError" ? "" : said.reason]
  return [reason._tag, ...words].join(" ").trimEnd()
}

/** Whether the peer said it: then all that it had sent was read before. */
export const isPeers = (story: Story, reason: StopReason): boolean =>
  story.lastWord !== undefined && reason._tag === story.lastWord._tag
