/**
 * A handshake, something that is said on the connection, and an end; and what must have come back.
 */
import { isDeepStrictEqual } from "node:util"
import { expect } from "vitest"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import type { Case } from "./campaign.js"
import { MAX_PAYLOAD } from "./chatter.js"
import type { Ending } from "./Ledger.js"
import * as Model from "./model.js"
import { segmented } from "./mutations.js"
import type { Outcome, Script } from "./Peer.js"
import type { Random } from "./Random.js"

const ACCEPTED = Http.acceptOf(Http.SAMPLE_KEY)

/** A reset may come before the server has read the handshake. */
export const isAccepted = ({ end }: Outcome): boolean => end !== "own reset"

/** A handshake and what follows it: when, in which segments, and how it ends. */
export const script = (random: Random, handshake: string, said: Buffer, ends: Script["ending"]): Script => {
  const linger = random.pick([0, 0, 1, 4])
  const ending = random.oneIn(10) ? "reset" : ends
  // Impatient peers send everything with the handshake.
  if (random.oneIn(4)) {
    const segments = segmented(Buffer.concat([Buffer.from(handshake), said]), random)
    return { segments, pausesAfter: undefined, linger, ending }
  }
  return { segments: [Buffer.from(handshake), ...segmented(said, random)], pausesAfter: 1, linger, ending }
}

/** The frames after a response that accepts the handshake; throws if there is none, or a frame that must not be. */
export const framesAfter = (bytes: Buffer, isWhole: boolean): ReadonlyArray<Frames.ServerFrame> => {
  const found = Http.parseHead(bytes)
  if (found === undefined) throw new Error(`no response: ${JSON.stringify(bytes.toString("latin1"))}`)
  const { headers, status } = found.head
  if (status !== 101 || headers["sec-websocket-accept"] !== ACCEPTED)
    throw new Error(`the handshake was not accepted: ${JSON.stringify(found.head)}`)
  const parser = new Frames.FrameParser()
  parser.push(bytes.subarray(found.length))
  const frames: Array<Frames.ServerFrame> = []
  for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
    const problem = Frames.violation(frame)
    if (problem !== undefined) throw new Error(`${problem}: ${Frames.describe(frame)}`)
    frames.push(frame)
  }
  if (isWhole && parser.rest.length > 0) throw new Error(`half a frame: ${parser.rest.toString("hex")}`)
  return frames
}

/** The reason of an ending, in a few words. */
export const nameOf = ({ reason }: Ending): string =>
  reason._tag === "ProtocolError" ? `${reason._tag} ${reason.code}` : reason._tag

/** What may be seen of a connection that its peer has reset: it may have ended before that, for a reason of its own. */
export const afterReset = (
  ending: Ending | undefined,
  others: ReadonlyArray<string>
): ReadonlyArray<string> => {
  if (ending === undefined) return ["own reset"]
  expect(["PeerVanished", ...others]).toContain(nameOf(ending))
  return ["own reset", nameOf(ending)]
}

const verdictName = (verdict: Model.Verdict | undefined): string =>
  verdict === undefined
    ? "PeerVanished"
    : verdict._tag === "ProtocolError"
      ? `ProtocolError ${verdict.code}`
      : verdict._tag

const judge =
  (model: Model.Model): Case["judge"] =>
  ({ bytes, end }: Outcome, ending) => {
    const verdict = model.verdict()
    if (end === "own reset") return afterReset(ending, [verdictName(verdict)])
    const frames = framesAfter(bytes, true)
    const lines = frames.map(Frames.describe)
    const close = frames.map(Frames.closeOf)
    const last = close.at(-1)
    const said = lines.filter((_, i) => close[i] === undefined)
    const isPong = (line: string): boolean => line.startsWith("pong")
    const seen = {
      // A pong may overtake an echo (section 5.5.3).
      echoes: said.filter((line) => !isPong(line)),
      pongs: said.filter(isPong),
      closes: close.filter((one) => one !== undefined).map(({ code }) => code),
      isLast: last !== undefined,
      end,
      reason: ending && nameOf(ending),
      counts: [ending?.messagesIn, ending?.messagesOut]
    }
    const expected = {
      echoes: model.echoes,
      pongs: model.pongs,
      closes: verdict === undefined ? [] : [verdict.code],
      isLast: verdict !== undefined,
      end: "fin",
      reason: verdictName(verdict),
      counts: [model.echoes.length, model.echoes.length]
    }
    // Many times faster than `expect`, which is left to tell the difference.
    if (!isDeepStrictEqual(seen, expected)) expect(seen).toEqual(expected)
    return [verdictName(verdict)]
  }

/** A script without compression, whose answers are known. */
export const following = (script: Script, inputs: ReadonlyArray<Buffer>): Case => {
  const model = Model.make(MAX_PAYLOAD)
  for (const input of inputs) model.feed(input)
  return { script, inputs: () => inputs.length, isAccepted, judge: judge(model) }
}

/** Says these things on a connection. */
export const make = (random: Random, inputs: ReadonlyArray<Buffer>, isOver: boolean): Case => {
  const late = isOver && random.oneIn(2) ? [random.bytes(random.between(1, 40))] : []
  const ends = isOver && !random.oneIn(3) ? "server" : "fin"
  return following(script(random, Http.request(), Buffer.concat([...inputs, ...late]), ends), inputs)
}
