/**
 * nginx before two servers.
 */
import * as Effect from "effect/Effect"
import { live } from "../support/live.js"
import { nginx } from "./Balancer.js"
import { expectDrain, suite } from "./suite.js"

suite(nginx, (setup) => {
  live("loses no handshake when a server stops, though it asks no server for its health", () =>
    Effect.gen(function* () {
      // Without a delay, which it wouldn't notice.
      yield* expectDrain(yield* setup().start(["--drain-delay", "0s"]))
    })
  )
})
