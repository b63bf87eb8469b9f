/**
 * The model of the four reasons for which the server ends a connection by itself: when each may, when it must, and
 * what the peer then sees.
 *
 * Both are bounds that hold for certain. What the peer does reaches the server a little later, and the server ends a
 * connection a little before that is seen here; between these bounds the server may do either.
 */
import type { ConnectionInfo } from "../../src/registry/ConnectionInfo.js"
import { type Farewell, StopReason } from "../../src/protocol/StopReason.js"
import { type Limits, numberOf } from "./Limits.js"
import type { Outbound, Story } from "./Story.js"

/** How late the server may be, in milliseconds. */
export const LATE = 1000

/** The clock of the server has whole milliseconds, and timers may come one early. */
const UNSHARP = 2

/** How long what a peer does is on its way in this process, when nothing holds it up, in milliseconds. */
const UNDERWAY = 30

/** How long something may hold it up for it to matter. */
const BEFORE = 500

/** The most that surely leaves the kernels of both sides room, in bytes. */
const LITTLE = 48 * 1024

/** What a frame has beside the payload of a message, and what a pong is at most, in bytes. */
const FRAME = 10
const PONG = 127

/** The slowest reader that is given time to come to a ping, in bytes a millisecond. */
const PACE = 32.768

/** The pace at which a peer that reads is sent what is on its way, on a machine that is busy, in bytes a millisecond. */
const FLOW = 10_000

/** What is the same for all connections of a run. */
export interface Circumstances {
  readonly limits: Limits
  readonly handlerTime: number
  readonly shutdownAt: number
  /** For how long nothing ran, of a time. */
  readonly heldUp: (from: number, to: number) => number
}

/** The moment at which a connection began to end, and what the server said of it then. */
export interface Ending {
  readonly at: number
  readonly connection: Pick<ConnectionInfo, "messagesIn" | "messagesOut" | "bytesOut" | "bufferedBytes">
}

/** What a peer that is still connected is like. */
export interface Present {
  readonly story: Story
  /** How many messages have come back. */
  readonly echoes: number
  readonly isPaused: boolean
  /** What it does by itself: it answers pings, or sends some. */
  readonly signs: "pongs" | "pings" | "none"
}

export interface Timeout {
  readonly reason: StopReason
  readonly says: Farewell
  /** Whether it may have been the reason, as far as that isn't the same for all. `recently` is when what the server didn't know may have begun. */
  readonly mayEnd: (story: Story, ending: Ending, circumstances: Circumstances, recently: number) => boolean
  /** When the connection must have begun to end, if nothing happens to it before. Infinite if that isn't certain. */
  readonly mustEndBy: (present: Present, circumstances: Circumstances) => number
}

/** Whether the peer has not read for a time. */
const wasPaused = ({ pauses }: Story, from: number, to: number): boolean =>
  pauses.some((pause) => pause.from <= from && pause.to >= to)

/** What may have been sent to the peer, in bytes. */
const volumeOf = ({ faults, pings, sent }: Story): number =>
  sent.reduce(
    (sum, { payload }) => sum + (payload.length + FRAME) * (faults.has("duplicate") ? 2 : 1),
    pings.length * PONG
  )

/** When the handler may last have written or got a message, at the earliest, if it had so many. */
const activeFrom = (
  { askedAt, faults, sentAt }: Story,
  { messagesIn, messagesOut }: Ending["connection"],
  handlerTime: number
): number => {
  const aMessage = Math.max(0, handlerTime - UNSHARP)
  const cameAt = sentAt[messagesIn - 1] ?? askedAt
  // What is swallowed, or held back and empty, doesn't go: nobody is kept from being idle by it.
  if (faults.hasHolding || faults.has("mute") || faults.has("drop")) return cameAt
  // The handler itself has told.
  if (faults.isAny) return Math.max(faults.handledAt[faults.open - 1] ?? askedAt, cameAt)
  const answered = sentAt.slice(0, messagesOut).reduce((at, sent) => Math.max(at, sent) + aMessage, askedAt)
  return Math.max(answered, cameAt)
}

/** When the handler has done with all that it got, at the latest. */
const handledBy = ({ answeredAt, sent, sentAt }: Story, handlerTime: number): number =>
  Math.max(answeredAt, sentAt.at(-1) ?? 0) + sent.length * (handlerTime + UNSHARP)

/** After which moment the kernel took some of what was to be sent, if this is what is seen next. */
export const movedAfter = (
  { at, movedAfter, waiting, written }: Outbound,
  { bufferedBytes, bytesOut }: Pick<ConnectionInfo, "bytesOut" | "bufferedBytes">
): number => (waiting + bytesOut - written > bufferedBytes ? at : movedAfter)

const heartbeat: Timeout = {
  reason: StopReason.HeartbeatTimeout(),
  says: { _tag: "Reset" },
  mayEnd: (story, { at, connection }, { heldUp, limits }, recently) => {
    const interval = numberOf(limits.heartbeatInterval)
    // A peer that has much to read is pinged though it isn't quiet.
    const volume = connection.bytesOut + connection.messagesOut * FRAME + story.pings.length * PONG
    const silence = numberOf(limits.heartbeatTimeout) + (volume < LITTLE ? interval : 0)
    const from = at - silence + UNSHARP
    return (
      Number.isFinite(interval) &&
      story.askedAt <= from &&
      !story.spokeAt.some((spoke) => spoke > from && spoke < recently) &&
      // From a silent side no peer can expect to be heard.
      !story.faults.wasSilent(from, recently, heldUp) &&
      // Nothing keeps the server from reading, where it expects to hear something.
      story.endingAt > recently
    )
  },
  mustEndBy: ({ isPaused, signs, story }, { handlerTime, limits }) => {
    const pause = isPaused ? story.pauses.at(-1) : undefined
    const isDeaf = signs === "none" || (signs === "pongs" && pause !== undefined)
    const volume = volumeOf(story)
    const isHeldBack = story.faults.hasSilence || story.faults.hasHolding
    if (!isDeaf || isHeldBack || volume > LITTLE) return Number.POSITIVE_INFINITY
    const quietFrom = Math.max(
      handledBy(story, handlerTime),
      story.spokeAt.at(-1) ?? 0,
      signs === "none" ? 0 : (pause?.from ?? 0)
    )
    return (
      quietFrom +
      numberOf(limits.heartbeatInterval) +
      numberOf(limits.heartbeatTimeout) +
      volume / PACE +
      LATE
    )
  }
}

const slowConsumer: Timeout = {
  reason: StopReason.SlowConsumer(),
  says: { _tag: "Reset" },
  mayEnd: (story, { at, connection }, { limits }, recently) =>
    wasPaused(story, at - numberOf(limits.sendTimeout) + UNSHARP, recently) &&
    // What a fault holds back waits, but not for the kernel.
    (story.faults.hasHolding ||
      at - movedAfter(story.out, connection) >= numberOf(limits.sendTimeout) - UNSHARP) &&
    connection.bufferedBytes > 0 &&
    volumeOf(story) > LITTLE,
  mustEndBy: ({ isPaused, story: { faults, out, pauses } }, { limits }) =>
    isPaused &&
    !faults.hasHolding &&
    out.waiting > 0 &&
    (pauses.at(-1)?.from ?? Number.POSITIVE_INFINITY) <= out.since
      ? out.since + numberOf(limits.sendTimeout) + LATE
      : Number.POSITIVE_INFINITY
}

const idle: Timeout = {
  reason: StopReason.IdleTimeout(),
  says: { _tag: "Close", code: 3008, reason: "idle timeout" },
  mayEnd: (story, { at, connection }, { handlerTime, limits }, recently) =>
    at - activeFrom(story, connection, handlerTime) >= numberOf(limits.idleTimeout) - UNSHARP &&
    // No message is on its way, in or out.
    (story.faults.has("stall") ||
      story.sentAt.filter((sent) => sent < recently).length <= connection.messagesIn) &&
    connection.bufferedBytes === 0 &&
    // A silent side keeps to itself how its peer has ended the connection.
    (story.faults.hasSilence || story.endingAt > recently),
  mustEndBy: ({ echoes, isPaused, story }, { handlerTime, heldUp, limits }) => {
    if (story.faults.isAny) {
      const isQuiet = !isPaused || volumeOf(story) <= LITTLE
      return isQuiet
        ? story.faults.quietFrom(story, handlerTime, heldUp) + numberOf(limits.idleTimeout) + LATE
        : Number.POSITIVE_INFINITY
    }
    const isAnswered = echoes === story.sent.length
    // What came back can't be seen of one that doesn't read; but it is known how long that takes if it isn't much.
    if (!isAnswered && !(isPaused && volumeOf(story) <= LITTLE)) return Number.POSITIVE_INFINITY
    const quietFrom = isAnswered
      ? Math.max(story.answeredAt, story.echoedAt)
      : Math.max(handledBy(story, handlerTime), story.echoedAt)
    return quietFrom + numberOf(limits.idleTimeout) + LATE
  }
}

const lifetime: Timeout = {
  reason: StopReason.LifetimeReached(),
  says: { _tag: "Close", code: 1012, reason: "lifetime reached" },
  mayEnd: (story, { at }, { handlerTime, limits }, recently) => {
    const { askedAt, endingAt, pauses, sent } = story
    // What would have ended it before may wait behind what the handler has to do or the peer has to read.
    const isHeldBack = pauses.some(({ to }) => to > endingAt)
    const comesThroughAt = endingAt + sent.length * (handlerTime + UNSHARP) + volumeOf(story) / FLOW
    return (
      at - askedAt >= 0.9 * numberOf(limits.maxLifetime) - UNSHARP &&
      (isHeldBack || story.faults.isAny || comesThroughAt > recently)
    )
  },
  mustEndBy: ({ story: { answeredAt } }, { limits }) => answeredAt + 1.1 * numberOf(limits.maxLifetime) + LATE
}

/** What the server ends connections for by itself. */
export const timeouts: ReadonlyArray<Timeout> = [heartbeat, slowConsumer, idle, lifetime]

/** What the server ends a connection for by itself, if that is the reason. */
export const timeoutOf = (reason: StopReason): Timeout | undefined =>
  timeouts.find((timeout) => timeout.reason._tag === reason._tag)

/** Whether it may have been the reason for an ending. */
export const isAllowed = (
  { mayEnd }: Timeout,
  story: Story,
  ending: Ending,
  circumstances: Circumstances
): boolean => {
  const recently = ending.at - UNDERWAY - circumstances.heldUp(ending.at - BEFORE, ending.at)
  // A shutdown stops all connections at once.
  return circumstances.shutdownAt > recently && mayEnd(story, ending, circumstances, recently)
}

interface Due {
  readonly tag: StopReason["_tag"]
  readonly at: number
}

/** When a fault ends the connection. */
const faultBy = ({ isPaused, story }: Present, { heldUp }: Circumstances): number => {
  const isBlocked = isPaused && (volumeOf(story) > LITTLE || story.faults.lastPlan?.fault === "reset")
  return isBlocked ? Number.POSITIVE_INFINITY : story.faults.endsBy(story.pauses, heldUp)
}

/** The first that must have ended a connection, and when; infinite if there is none. */
export const due = (present: Present, circumstances: Circumstances): Due =>
  timeouts
    .map(({ mustEndBy, reason }): Due => ({ tag: reason._tag, at: mustEndBy(present, circumstances) }))
    .concat({ tag: "Fault", at: faultBy(present, circumstances) + LATE })
    .reduce((first, other) => (other.at < first.at ? other : first))
