/**
 * What holds after every run, whatever happened in it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { expect } from "vitest"
import type { ConnectionEvent } from "../../src/index.js"
import { codeOf, farewell, isInterruption } from "../../src/protocol/StopReason.js"
import * as Frames from "../support/frames.js"
import type * as Log from "../support/Log.js"
import { isData, type Peer } from "./Peer.js"
import { allowedReasons, describeReason, isPeers } from "./Story.js"
import { CLOSE_TIMEOUT, type World } from "./World.js"

type Closed = Extract<ConnectionEvent, { readonly _tag: "closed" }>

/** Compares messages without printing them: they are long. */
const sameMessage = (
  one: Pick<Frames.ServerFrame, "opcode" | "payload">,
  other: Pick<Frames.ServerFrame, "opcode" | "payload"> | undefined
): boolean => other !== undefined && one.opcode === other.opcode && one.payload.equals(other.payload)

const bytesOf = (messages: ReadonlyArray<{ readonly payload: Buffer }>): number =>
  messages.reduce((sum, { payload }) => sum + payload.length, 0)

/** What the peer got is what it sent, from the first on, and the pongs likewise; and nothing after the last word. */
const echoesAreAPrefix = (who: string, { frames, story, unparsed }: Peer): void => {
  const echoes = frames.filter(isData)
  echoes.forEach((echo, i) => {
    if (sameMessage(echo, story.sent[i])) return
    const sent = story.sent[i]
    expect.fail(`${who}: echo ${i} is ${Frames.describe(echo)}, sent was ${Frames.describe(sent)}`)
  })
  const pongs = frames.filter(({ opcode }) => opcode === Frames.PONG).map(({ payload }) => payload.toString())
  expect(pongs, `${who}: pongs`).toEqual(story.pings.slice(0, pongs.length))
  for (const frame of frames) expect(frame.fin && !frame.rsv1, `${who}: ${Frames.describe(frame)}`).toBe(true)

  const known = new Set([Frames.TEXT, Frames.BINARY, Frames.PONG, Frames.CLOSE])
  expect(frames.filter(({ opcode }) => !known.has(opcode)).map(Frames.describe), who).toEqual([])
  const close = frames.findIndex(({ opcode }) => opcode === Frames.CLOSE)
  if (close < 0) return
  expect(frames.slice(close + 1).map(Frames.describe), `${who}: after the Close frame`).toEqual([])
  expect(unparsed, `${who}: bytes after the Close frame`).toBe(0)
}

/** What was counted is what was sent, and what was written, message by message. */
const countersAreConsistent = (who: string, { frames, story }: Peer, { connection }: Closed): void => {
  const { bytesIn, bytesOut, messagesIn, messagesOut } = connection
  const seen = frames.filter(isData).length
  expect(messagesIn, `${who}: messages in, of those sent`).toBeLessThanOrEqual(story.sent.length)
  expect(messagesOut, `${who}: messages out, of those in`).toBeLessThanOrEqual(messagesIn)
  expect(seen, `${who}: messages seen, of those out`).toBeLessThanOrEqual(messagesOut)
  expect(bytesIn, `${who}: bytes in`).toBe(bytesOf(story.sent.slice(0, messagesIn)))
  expect(bytesOut, `${who}: bytes out`).toBe(bytesOf(story.sent.slice(0, messagesOut)))
}

/** What is lost is only what had to be. */
const nothingIsLost = (
  who: string,
  { end, frames, story }: Peer,
  { connection, reason }: Closed,
  isTimely: boolean
): void => {
  const last = frames.at(-1)
  const close = last && Frames.closeOf(last)
  const seen = frames.filter(isData).length
  const said = farewell(reason)
  if (close !== undefined) {
    expect({ _tag: "Close", ...close }, `${who}: the Close frame`).toEqual(said)
    expect(seen, `${who}: messages seen before the Close frame`).toBe(connection.messagesOut)
  }
  // Who resets TCP, or doesn't read until the server gives up, loses what was on its way.
  if (story.isReset || !isTimely) return
  expect(connection.messagesOut, `${who}: messages answered`).toBe(connection.messagesIn)
  expect(seen, `${who}: messages seen`).toBe(connection.messagesOut)
  expect(close !== undefined, `${who}: a Close frame came`).toBe(said._tag === "Close")
  expect(end, `${who}: the end of TCP`).toBe("fin")
  if (!isPeers(story, reason)) return
  expect(connection.messagesIn, `${who}: messages in before its last word`).toBe(story.sent.length)
  const pongs = frames.filter(({ opcode }) => opcode === Frames.PONG)
  expect(pongs.length, `${who}: pongs`).toBe(story.pings.length)
}

/** The log tells the same as the events, once. */
const logAgrees = (
  who: string,
  logs: ReadonlyArray<Log.Line>,
  { connection, reason }: Closed,
  sawClose: boolean
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
  expect(closed, who).toMatchObject({ level: "info", remote, reason: reason._tag, ...counted })
  // Where TCP had ended before there was no Close frame.
  const codes = sawClose ? [codeOf(reason)] : [codeOf(reason), null]
  expect(codes, `${who}: the code in the log`).toContain(closed?.["code"])
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
  story.isShutDown = stopping.at >= world.shutdownAt
  const who = `${remote} (${describeReason(reason)})`
  expect(allowedReasons(story).map(describeReason), who).toContain(describeReason(reason))

  echoesAreAPrefix(who, peer)
  countersAreConsistent(who, peer, closed.event)
  // By when it can't have been the server who gave up: no deadline had passed.
  const since = Math.min(story.endingAt, story.stop?.at ?? Infinity, world.shutdownAt)
  const isTimely = closed.at - since < CLOSE_TIMEOUT && closed.at < world.drainDeadline
  nothingIsLost(who, peer, closed.event, isTimely)
  const sawClose = peer.frames.some(({ opcode }) => opcode === Frames.CLOSE)
  logAgrees(who, world.server.logs, closed.event, sawClose)
}

/** Checks a world that has come to its end. */
export const check = (world: World): Effect.Effect<void> =>
  Effect.gen(function* () {
    const remotes = new Set<string>()
    let refused = 0
    for (const { connecting, peer } of world.members) {
      const exit = yield* Fiber.await(connecting)
      if (peer.remote !== undefined) {
        remotes.add(peer.remote)
        checkPeer(world, peer, peer.remote)
      } else {
        refused++
        expect(world.shutdownAt, `a handshake: ${String(Exit.causeOption(exit))}`).toBeLessThan(Infinity)
      }
    }
    const strangers = world.ofKind("opened").filter(({ event }) => !remotes.has(event.connection.remote))
    expect(strangers.length, "connections that no peer knows of").toBeLessThanOrEqual(refused)
    expect(yield* world.server.connections.count).toBe(0)
    const { logs } = world.server
    expect(
      logs.filter(({ level }) => level !== "info" && level !== "debug"),
      "what went wrong"
    ).toEqual([])
    expect(world.faults, "what nobody caught").toEqual([])
  })
