/**
 * The model of the limits on how many connections may be open: who may be let in, and who is to be refused.
 *
 * Both are bounds that hold for certain: whoever was let in before a handshake began and left after it was answered
 * had a place meanwhile, and whoever left before or came after had none. Where nothing else happens during a
 * handshake, they are the same.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { expect } from "vitest"
import type * as Http from "../support/http.js"
import type * as Log from "../support/Log.js"
import { type Limits, numberOf } from "./Limits.js"
import type { Peer } from "./Peer.js"

/** What a handshake may be refused with, by the log. */
const refusals: ReadonlyMap<number, ReadonlyArray<unknown>> = new Map([
  [429, ["TooManyConnectionsFromAddress"]],
  [503, ["TooManyConnections", "Draining"]]
])

/** A handshake; times are by the clock of `performance`. */
export interface Handshake {
  readonly who: string
  /** What the limit per address counts with it. */
  readonly network: number
  readonly askedAt: number
  readonly answeredAt: number
  /** The answer, if it was refused. */
  readonly refusal: Pick<Http.ResponseHead, "status" | "headers"> | undefined
}

/** A connection, and when it was there. */
export interface Stay {
  readonly network: number
  readonly from: number
  readonly to: number
}

/** Checks that a handshake was answered as it had to be. */
export const checkHandshake = (
  { answeredAt, askedAt, network, refusal, who }: Handshake,
  stays: ReadonlyArray<Stay>,
  limits: Limits
): void => {
  const most = numberOf(limits.maxConnections)
  const mostOfNetwork = numberOf(limits.maxConnectionsPerAddress)
  const surely = stays.filter(({ from, to }) => from < askedAt && to > answeredAt)
  const maybe = stays.filter(({ from, to }) => from < answeredAt && to > askedAt)
  const ofNetwork = (some: ReadonlyArray<Stay>) => some.filter((stay) => stay.network === network).length
  if (refusal === undefined) {
    expect(surely.length, `${who} was let in, beside so many`).toBeLessThan(most)
    expect(ofNetwork(surely), `${who} was let in, beside so many of its network`).toBeLessThan(mostOfNetwork)
    return
  }
  expect(Number(refusal.headers["retry-after"]), `${who}: when to come back`).toBeGreaterThan(0)
  if (refusal.status === 429) {
    expect(ofNetwork(maybe), `${who}: 429, beside so many of its network`).toBeGreaterThanOrEqual(
      mostOfNetwork
    )
    return
  }
  expect(refusal.status, `${who}: the status`).toBe(503)
  expect(maybe.length, `${who}: 503, beside so many`).toBeGreaterThanOrEqual(most)
  expect(ofNetwork(surely), `${who}: 503, beside so many of its network`).toBeLessThan(mostOfNetwork)
}

/** How much later than due a handshake that hangs may be dropped, in milliseconds. */
const LATE = 1000

/** Checks a handshake that asked not to be accepted, and tells whether what became of it was seen. */
export const checkShutOut = ({
  limits,
  peer: { fault, refusal, remote, story },
  shutdownAt,
  who
}: {
  readonly who: string
  readonly peer: Peer
  readonly limits: Limits
  readonly shutdownAt: number
}): boolean => {
  const { answeredAt, askedAt } = story
  expect(remote, `${who}: accepted, though it asked not to be`).toBe(undefined)
  if (refusal === undefined && fault?.fault === "hang") {
    const timeout = numberOf(limits.handshakeTimeout)
    const due = Math.min(askedAt + timeout, shutdownAt)
    expect(answeredAt - due, `${who}: dropped at its time, by milliseconds`).toBeGreaterThan(-5)
    if (answeredAt < shutdownAt) expect(answeredAt - due, `${who}: dropped in time`).toBeLessThan(LATE)
    return shutdownAt > answeredAt
  }
  if (refusal === undefined) {
    expect(shutdownAt, who).toBeLessThan(Infinity)
    return false
  }
  if (refusal.status === 503 && answeredAt >= shutdownAt) return true
  expect(fault, who).toMatchObject({ fault: "refuse", status: refusal.status })
  if (fault?.fault !== "refuse") return true
  const retryAfter = fault["retry-after"]
  expect(refusal.headers["retry-after"], `${who}: when to come back`).toBe(
    retryAfter === undefined ? undefined : String(retryAfter)
  )
  return true
}

/** Checks that never more were there at once than may be, by what the server said of them, in order. */
export const checkCrowd = (
  events: ReadonlyArray<{
    readonly tag: "opened" | "closed"
    readonly remote: string
    readonly network: number
  }>,
  limits: Limits
): void => {
  const present = new Map<string, number>()
  for (const { network, remote, tag } of events) {
    if (tag === "opened") present.set(remote, network)
    else present.delete(remote)
    const ofNetwork = [...present.values()].filter((other) => other === network).length
    expect(present.size, `there at once when ${remote} had ${tag}`).toBeLessThanOrEqual(
      numberOf(limits.maxConnections)
    )
    expect(ofNetwork, `of its network, when ${remote} had ${tag}`).toBeLessThanOrEqual(
      numberOf(limits.maxConnectionsPerAddress)
    )
  }
}

/** Stands for those that are counted together: only a fault refuses with them. */
const OTHER = 0

/** The statuses that are counted each by itself. */
const countedStatuses = new Set([400, 403, 404, 405, 408, 426, 429, 431, 500, 503])

const countedAs = (status: unknown): number => {
  const number = Number(status)
  return countedStatuses.has(number) ? number : OTHER
}

/** How many handshakes this process has refused, by status. */
export const counted: Effect.Effect<ReadonlyMap<number, number>> = Effect.map(
  Metric.snapshot,
  (pairs) =>
    new Map(
      pairs
        .filter(({ metricKey }) => metricKey.name === "answerback_handshakes_rejected_total")
        .map(({ metricKey, metricState }) => {
          const status = [...metricKey.tags].find(({ key }) => key === "status")?.value
          return [
            status === "other" ? OTHER : Number(status),
            "count" in metricState ? Number(metricState.count) : 0
          ]
        })
    )
)

/**
 * Checks that what was refused is what was counted and logged: nothing else, and each once. So many handshakes may
 * have been refused without anybody there to see it.
 */
export const checkCounters = (
  answers: ReadonlyArray<number>,
  unseen: number,
  logs: ReadonlyArray<Log.Line>,
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>
): void => {
  const lines = logs.filter(({ message }) => message === "handshake refused")
  for (const { error, status } of lines)
    if (error !== "Fault")
      expect(refusals.get(Number(status)), `refused with ${String(status)}`).toContain(error)
  for (const status of new Set([...refusals.keys(), ...after.keys()])) {
    const logged = lines.filter((line) => countedAs(line["status"]) === status).length
    const count = (after.get(status) ?? 0) - (before.get(status) ?? 0)
    expect(count, `counted as refused with ${status}`).toBe(logged)
    const seen = answers.filter((answer) => countedAs(answer) === status).length
    expect(seen, `seen to be refused with ${status}`).toBeLessThanOrEqual(logged)
    expect(seen, `seen to be refused with ${status}`).toBeGreaterThanOrEqual(logged - unseen)
  }
}
