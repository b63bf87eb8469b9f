/**
 * Random and mutated bytes where permessage-deflate was agreed on (RFC 7692), on real TCP connections.
 */
import { describe } from "vitest"
import { fuzz } from "./campaign.js"
import * as Chatter from "./chatter.js"
import * as Deflation from "./deflation.js"

describe("7692: whatever comes on a connection with compression", () => {
  fuzz("leaves what stood before it answered, ends for one reason, and leaves nothing behind", {
    inputs: 4000,
    server: { compression: true, maxPayload: Chatter.MAX_PAYLOAD },
    make: Deflation.make,
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
