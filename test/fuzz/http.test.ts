/**
 * Random and mutated requests, on real TCP connections. Each gets an answer that is HTTP, or none.
 */
import { describe } from "vitest"
import { fuzz } from "./campaign.js"
import * as Exchange from "./exchange.js"

describe("whatever comes before a WebSocket connection", () => {
  fuzz("is answered with HTTP or not at all, and leaves nothing behind", {
    inputs: 60_000,
    // Without the console: each of its answers is so large that thousands of them take more memory than there is.
    server: { compression: true, subprotocols: ["chat"], console: false },
    make: Exchange.make,
    covers: "100 101 200 400 403 404 405 417 426 431 PeerVanished".split(" ").concat("ProtocolError 1002")
  })
})
