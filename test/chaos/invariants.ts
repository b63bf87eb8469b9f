/**
 * What holds after every run, whatever happened in it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { expect } from "vitest"
import * as FaultPlan from "../../src/faults/FaultPlan.js"
import type { ConnectionEvent } from "../../src/index.js"
import { codeOf, type Farewell, isInterruption, type StopReason } from "../../src/protocol/StopReason.js"
import * as Frames from "../support/frames.js"
import type * as Log from "../support/Log.js"
import { checkFaulty } from "./faultInvariants.js"
import { numberOf } from "./Limits.js"
import type { Peer } from "./Peer.js"
import * as Places from "./Places.js"
import { countersAreConsistent, echoesAreAPrefix, nothingIsLost, sayingOf } from "./plainInvariants.js"
import { allowedReasons, describeReason } from "./Story.js"
import { LATE, timeoutOf } from "./Timeouts.js"
import { CLOSE_TIMEOUT, type Seen, type World } from "./World.js"

type Closed = Extract<ConnectionEvent, { readonly _tag: "closed" }>

/** How long what happens at once may take, in milliseconds. */
const AT_ONCE = 50

/** The words of a last word, as `describeReason` writes them: those for a bad frame are not known. */
const sayingsOf = (last: Farewell): ReadonlyArray<string> =>
  last._tag === "Close" ? [`${last.code ?? "empty"} ${last.reason}`.trimEnd(), `${last.code}`] : [""]

/** The log tells the same as the events, once. */
const logAgrees = (
  who: string,
  logs: ReadonlyArray<Log.Line>,
  { connection, reason }: Closed,
  { frames, story }: Peer
): void => {
  const lines = logs.filter((line) => line["connection"] === connection.id)
  const expected = [...(isInterruption(reason) ? ["connection interrupted"] : []), "connection closed"]
  expect(
    lines.map((line) => line["message"]),
    `${who}: log lines`
  ).toEqual(expected)
  const { bytesIn, bytesOut, messagesIn, messagesOut, remote } = connection
  const counted = { bytesIn, bytesOut, messagesIn, messagesOut }
  const closed = lines.at(-1)
  expect(closed?.["fault"], `${who}: the fault in the log`).toBe(story.faults.lastPlan?.fault)
  const sawClose = frames.some(({ opcode }) => opcode === Frames.CLOSE)
  expect(closed, who).toMatchObject({ level: "info", remote, reason: reason._tag, ...counted })
  // Where TCP had ended before there was no Close frame.
  const says = timeoutOf(reason)?.says
  const code = says?._tag === "Close" ? says.code : codeOf(reason)
  const codes = sawClose ? [code] : [code, null]
  expect(codes, `${who}: the code in the log`).toContain(closed?.["code"])
}

/** The server pings a peer that it is to ping: one that has been quiet for long enough, and before it takes it for dead. */
const pingsAreDue = (
  who: string,
  world: World,
  { frames, story }: Peer,
  closed: Seen,
  reason: StopReason
): void => {
  const interval = numberOf(world.script.limits.heartbeatInterval)
  const pings = frames.filter(({ opcode }) => opcode === Frames.PING).length
  expect(pings, `${who}: pings`).toBeLessThanOrEqual(Math.floor((closed.at - story.askedAt) / (interval - 1)))
  if (reason._tag === "HeartbeatTimeout" && story.pauses.length === 0)
    expect(pings, `${who}: pings`).toBeGreaterThan(0)
}

/** From the first moment on it takes no longer than the handler and the peer are given, one after the other. */
const endsInTime = (who: string, world: World, stopping: Seen, closed: Seen, reason: StopReason): void => {
  // Nobody is waited for before a reset.
  const given = sayingOf(reason)._tag === "Reset" ? AT_ONCE : 3 * CLOSE_TIMEOUT + LATE
  const heldUp = world.heldUp(stopping.at, closed.at)
  expect(closed.at - stopping.at - heldUp, `${who}: how long it took to end`).toBeLessThan(given)
}

const checkPeer = (world: World, peer: Peer, remote: string): void => {
  const { story } = peer
  const seen = world.seenOf(remote)
  // Whoever comes while the server stops may get an answer, and then the end of TCP.
  if (seen.length === 0) expect(world.shutdownAt, `${remote} opened`).toBeLessThan(Infinity)
  if (seen.length === 0) return
  expect(
    seen.map(({ event }) => event._tag),
    remote
  ).toEqual(["opened", "stopping", "closed"])
  const [, stopping, closed] = seen
  if (closed?.event._tag !== "closed" || stopping?.event._tag !== "stopping") return
  const { reason } = closed.event
  expect(stopping.event.reason, `${remote}: the reason stays`).toBe(reason)
  const who = `${remote} (${describeReason(reason)})`
  const ending = { at: stopping.at, connection: stopping.event.connection }
  const { faults } = story
  const allowed = allowedReasons(story, ending, world.circumstances).map(describeReason)
  if (!faults.isAny || reason._tag !== "Fault") expect(allowed, who).toContain(describeReason(reason))
  else expect(story.stop, `${who}: a stop that came before`).toBe(undefined)
  if (reason._tag === "Fault" && reason.kind === "corrupt")
    expect(sayingsOf(reason.last), who).toSatisfy((sayings: ReadonlyArray<string>) =>
      allowed.some((one) => sayings.includes(one.replace(/^\w+ ?/, "")))
    )

  pingsAreDue(who, world, peer, closed, reason)
  endsInTime(who, world, stopping, closed, reason)
  // By when it can't have been the server who gave up: no deadline had passed.
  const isByLimit = timeoutOf(reason) !== undefined
  const since = Math.min(
    story.endingAt,
    story.stop?.at ?? Infinity,
    world.shutdownAt,
    // It began a little before it was seen.
    isByLimit ? stopping.at - 10 : Infinity
  )
  if (faults.isAny) {
    const log = world.server.logs.find(
      (line) => line["connection"] === closed.event.connection.id && line["seed"] !== undefined
    )
    if (faults.last !== undefined && log !== undefined) faults.last.seed = Number(log["seed"])
    const begun = stopping.at - 10 - world.heldUp(stopping.at - 500, stopping.at)
    const since = Math.min(
      begun,
      story.stop?.at ?? Infinity,
      stopping.at >= world.shutdownAt ? world.shutdownAt : Infinity
    )
    const isTimely = closed.at - since < CLOSE_TIMEOUT && closed.at < world.drainDeadline
    checkFaulty(who, peer, {
      closed: closed.event,
      since: { maybe: since, surely: stopping.at },
      isTimely,
      heldUp: world.heldUp
    })
    return logAgrees(who, world.server.logs, closed.event, peer)
  }
  echoesAreAPrefix(who, peer)
  countersAreConsistent(who, peer, closed.event)
  const isTimely = closed.at - since < CLOSE_TIMEOUT && closed.at < world.drainDeadline
  nothingIsLost(who, peer, closed.event, isTimely)
  logAgrees(who, world.server.logs, closed.event, peer)
}

/** When those connections were there whose peers know that they are connected. */
const staysOf = (world: World): ReadonlyArray<Places.Stay> =>
  world.members.flatMap(({ network, peer: { remote } }) => {
    const [opened, , closed] = world.seenOf(remote ?? "")
    return opened === undefined ? [] : [{ network, from: opened.at, to: closed?.at ?? Infinity }]
  })

/** In order, who came and who was gone; nobody knows of the network of those whose handshakes were cut off. */
const crowdOf = (world: World): Parameters<typeof Places.checkCrowd>[0] => {
  const networks = new Map(world.members.map(({ network, peer }) => [peer.remote, network]))
  return world.events.flatMap(({ event }) => {
    const { remote } = event.connection
    if (event._tag === "stopping") return []
    return [{ tag: event._tag, remote, network: networks.get(remote) ?? Number.NaN }]
  })
}

/** Checks a world that has come to its end. */
export const check = (world: World): Effect.Effect<void> =>
  Effect.gen(function* () {
    const remotes = new Set<string>()
    const stays = staysOf(world)
    const answers: Array<number> = []
    let unseen = 0
    for (const { connecting, network, peer } of world.members) {
      const exit = yield* Fiber.await(connecting)
      const { refusal, remote, story } = peer
      const failure = Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "accepted"
      const who = remote ?? `a handshake from network ${network}: ${failure}`
      if (peer.isShutOut && peer.fault !== undefined && FaultPlan.isOfHandshake(peer.fault)) {
        const isSeen = Places.checkShutOut({
          who,
          peer,
          limits: world.script.limits,
          shutdownAt: world.shutdownAt
        })
        if (isSeen && refusal !== undefined) answers.push(refusal.status)
        if (!isSeen) unseen++
        continue
      }
      if (remote !== undefined) {
        remotes.add(remote)
        checkPeer(world, peer, remote)
      } else if (refusal === undefined) {
        unseen++
        expect(world.shutdownAt, who).toBeLessThan(Infinity)
      } else answers.push(refusal.status)
      const { answeredAt, askedAt } = story
      if (answeredAt < world.shutdownAt)
        Places.checkHandshake({ who, network, askedAt, answeredAt, refusal }, stays, world.script.limits)
    }
    const strangers = world.ofKind("opened").filter(({ event }) => !remotes.has(event.connection.remote))
    for (const { event } of world.ofKind("opened")) {
      const { id } = event.connection
      const result = yield* Effect.either(world.spoiler.apply(id, FaultPlan.make({ fault: "mute" })))
      expect(result._tag, `a fault for ${id}, which has ended`).toBe("Left")
    }
    expect(world.oddities, "what the list said").toEqual([])
    expect(strangers.length, "connections that no peer knows of").toBeLessThanOrEqual(unseen)
    expect(yield* world.server.connections.count).toBe(0)
    const { logs } = world.server
    Places.checkCrowd(crowdOf(world), world.script.limits)
    Places.checkCounters(answers, unseen, logs, world.refusedBefore, yield* Places.counted)
    expect(
      logs.filter(({ level }) => level !== "info" && level !== "debug"),
      "what went wrong"
    ).toEqual([])
    expect(world.faults, "what nobody caught").toEqual([])
  })
