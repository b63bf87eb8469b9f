/**
 * Random and mutated bytes from peers that have completed the handshake, on real TCP connections. For whatever is sent
 * there is exactly one right answer, which a model of the protocol tells.
 */
import { describe } from "vitest"
import * as Chatter from "./chatter.js"
import { type Case, fuzz } from "./campaign.js"
import * as Conversation from "./conversation.js"
import * as Model from "./model.js"
import type { Random } from "./Random.js"

/** The most inputs on one connection. */
const LONGEST = 40

const make = (random: Random): Case => {
  const model = Model.make(Chatter.MAX_PAYLOAD)
  const said: Array<Buffer> = []
  for (let left = random.between(1, LONGEST); left > 0 && model.verdict() === undefined; left--) {
    const input = Chatter.input(random)
    model.feed(input)
    said.push(input)
  }
  return Conversation.make(random, said, model.verdict() !== undefined)
}

describe("10.7: whatever comes on a WebSocket connection", () => {
  fuzz("is answered as RFC 6455 says, to the byte, and leaves nothing behind", {
    inputs: 36_000,
    server: { maxPayload: Chatter.MAX_PAYLOAD },
    make,
    covers: [
      "PeerClosed",
      "PeerVanished",
      "ProtocolError 1002",
      "ProtocolError 1007",
      "ProtocolError 1009",
      "own reset"
    ]
  })
})
