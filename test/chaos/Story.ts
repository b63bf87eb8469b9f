/**
 * The model: what was done to one connection, and what may come of it.
 */
import { farewell, StopReason } from "../../src/protocol/StopReason.js"
import type { Outgoing } from "../support/arbitrary.js"

/** What was done to one connection. */
export interface Story {
  /** Whole messages that the peer sent before its last word. */
  readonly sent: Array<Outgoing>
  /** The pings that it sent before its last word. */
  readonly pings: Array<string>
  /**
   * For what reason the connection is to end by what the peer said first of all that ends one: a Close frame, a bad
   * frame, or the end of its side of TCP. What it sends after that counts for nothing.
   */
  lastWord: StopReason | undefined
  /** TCP was reset by the peer: that overtakes what it sent before. */
  isReset: boolean
  /** The first stop that found the connection open. A stop is synchronous: whatever had not ended it came too late. */
  stop: { readonly reason: StopReason; readonly at: number } | undefined
  /** A shutdown had begun before the connection was seen to end. */
  isShutDown: boolean
  /** When the peer did the first thing that may end it, by the clock of `performance`. */
  endingAt: number
}

/** Nothing yet. */
export const begin = (): Story => ({
  sent: [],
  pings: [],
  lastWord: undefined,
  isReset: false,
  stop: undefined,
  isShutDown: false,
  endingAt: Number.POSITIVE_INFINITY
})

/**
 * The reasons that what was done allows, those that race with one another; a line for each thing that can end a
 * connection.
 */
const races: ReadonlyArray<(story: Story) => StopReason | undefined> = [
  (story) => story.lastWord,
  (story) => (story.isReset ? StopReason.PeerVanished() : undefined),
  (story) => (story.isShutDown ? StopReason.ServerShutdown({ code: 1001 }) : undefined)
]

/** The reasons for which a connection may have ended. */
export const allowedReasons = (story: Story): ReadonlyArray<StopReason> =>
  story.stop === undefined
    ? races.map((reasonOf) => reasonOf(story)).filter((reason) => reason !== undefined)
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
