/**
 * Requests on one TCP connection, each sent if the one before has left it open, and what may have come back.
 */
import { expect } from "vitest"
import type { Case } from "./campaign.js"
import * as Conversation from "./conversation.js"
import { segmented } from "./mutations.js"
import type { Script } from "./Peer.js"
import type { Random } from "./Random.js"
import * as Requests from "./requests.js"
import * as Responses from "./responses.js"

/** A script, whose answers must be HTTP as far as they are whole. */
export const following = (script: Script): Case => {
  const sent = Buffer.concat(script.segments)
  return {
    script,
    inputs: (outcome) => outcome.inputs,
    isAccepted: ({ bytes }) => bytes.includes("HTTP/1.1 101 "),
    judge: ({ bytes, end }, ending) => {
      const { rest, statuses } = Responses.read(sent, bytes)
      const isAccepted = statuses.includes(101)
      // A reset, by either side, may take with it what was still on its way.
      if (end === "fin" && rest.length > 0)
        throw new Error(`half an answer: ${JSON.stringify(rest.toString("latin1"))}`)
      if (end === "fin") expect(ending !== undefined, "accepted, according to the server").toBe(isAccepted)
      const seen = statuses.length === 0 ? [`dropped: ${end}`] : statuses.map(String)
      return ending === undefined ? seen : [...seen, Conversation.nameOf(ending)]
    }
  }
}

/** The most inputs on one connection. */
const LONGEST = 14

/** Makes some. */
export const make = (random: Random): Case => {
  const segments: Array<Buffer> = []
  const inputs = new Set<number>()
  for (let left = random.between(1, LONGEST); left > 0; left--) {
    inputs.add(segments.length)
    segments.push(...segmented(Requests.input(random), random))
  }
  return following({
    segments,
    inputs,
    pausesAfter: undefined,
    linger: random.pick([0, 1, 3, 10]),
    // What isn't whole is waited for, for longer than a test can: it is for the peer to end.
    ending: random.oneIn(12) ? "reset" : "fin"
  })
}
