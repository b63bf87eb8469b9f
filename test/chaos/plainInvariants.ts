/**
 * What holds after every run for a connection on which nothing went wrong: all comes back, in order.
 */
import { expect } from "vitest"
import type { ConnectionEvent } from "../../src/index.js"
import { farewell, type Farewell, type StopReason } from "../../src/protocol/StopReason.js"
import * as Frames from "../support/frames.js"
import { isData, type Peer } from "./Peer.js"
import { isPeers } from "./Story.js"
import { timeoutOf } from "./Timeouts.js"

type Closed = Extract<ConnectionEvent, { readonly _tag: "closed" }>

/** What the peer is to see of an ending. */
export const sayingOf = (reason: StopReason): Farewell => timeoutOf(reason)?.says ?? farewell(reason)

/** Compares messages without printing them: they are long. */
const sameMessage = (
  one: Pick<Frames.ServerFrame, "opcode" | "payload">,
  other: Pick<Frames.ServerFrame, "opcode" | "payload"> | undefined
): boolean => other !== undefined && one.opcode === other.opcode && one.payload.equals(other.payload)

const bytesOf = (messages: ReadonlyArray<{ readonly payload: Buffer }>): number =>
  messages.reduce((sum, { payload }) => sum + payload.length, 0)

/** What the peer got is what it sent, from the first on, and the pongs likewise; and nothing after the last word. */
export const echoesAreAPrefix = (who: string, { frames, story, unparsed }: Peer): void => {
  const echoes = frames.filter(isData)
  echoes.forEach((echo, i) => {
    if (sameMessage(echo, story.sent[i])) return
    const sent = story.sent[i]
    expect.fail(`${who}: echo ${i} is ${Frames.describe(echo)}, sent was ${Frames.describe(sent)}`)
  })
  const pongs = frames.filter(({ opcode }) => opcode === Frames.PONG).map(({ payload }) => payload.toString())
  expect(pongs, `${who}: pongs`).toEqual(story.pings.slice(0, pongs.length))
  for (const frame of frames) {
    const { fin, rsv1, rsv2, rsv3 } = frame
    expect(fin && !rsv1 && !rsv2 && !rsv3, `${who}: ${Frames.describe(frame)}`).toBe(true)
  }

  const known = new Set([Frames.TEXT, Frames.BINARY, Frames.PING, Frames.PONG, Frames.CLOSE])
  expect(frames.filter(({ opcode }) => !known.has(opcode)).map(Frames.describe), who).toEqual([])
  const close = frames.findIndex(({ opcode }) => opcode === Frames.CLOSE)
  if (close < 0) return
  expect(frames.slice(close + 1).map(Frames.describe), `${who}: after the Close frame`).toEqual([])
  expect(unparsed.length, `${who}: bytes after the Close frame`).toBe(0)
}

/** What was counted is what was sent, and what was written, message by message. */
export const countersAreConsistent = (who: string, { frames, story }: Peer, { connection }: Closed): void => {
  const { bytesIn, bytesOut, messagesIn, messagesOut } = connection
  const seen = frames.filter(isData).length
  expect(messagesIn, `${who}: messages in, of those sent`).toBeLessThanOrEqual(story.sent.length)
  expect(messagesOut, `${who}: messages out, of those in`).toBeLessThanOrEqual(messagesIn)
  expect(seen, `${who}: messages seen, of those out`).toBeLessThanOrEqual(messagesOut)
  expect(bytesIn, `${who}: bytes in`).toBe(bytesOf(story.sent.slice(0, messagesIn)))
  expect(bytesOut, `${who}: bytes out`).toBe(bytesOf(story.sent.slice(0, messagesOut)))
}

/** What is lost is only what had to be. */
export const nothingIsLost = (
  who: string,
  { canTellEnd, end, frames, story }: Peer,
  { connection, reason }: Closed,
  isTimely: boolean
): void => {
  const last = frames.at(-1)
  const close = last && Frames.closeOf(last)
  const seen = frames.filter(isData).length
  const said = sayingOf(reason)
  if (close !== undefined) {
    expect({ _tag: "Close", ...close }, `${who}: the Close frame`).toEqual(said)
    expect(seen, `${who}: messages seen before the Close frame`).toBe(connection.messagesOut)
  }
  if (said._tag === "Reset") {
    expect(close, `${who}: a Close frame`).toBe(undefined)
    if (canTellEnd) expect(end, `${who}: the end of TCP`).toBe("reset")
    return
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
