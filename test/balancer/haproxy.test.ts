/**
 * HAProxy before two servers.
 */
import * as Effect from "effect/Effect"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { expect } from "vitest"
import { haproxy } from "./Balancer.js"
import { expectDrain, suite } from "./suite.js"

suite(haproxy, (setup) => {
  live("sends nobody to a server that stops from before it closes its port, and loses no handshake", () =>
    Effect.gen(function* () {
      const pool = yield* setup().start()
      yield* expectDrain(pool, (connected) =>
        Effect.gen(function* () {
          yield* eventually(
            "HAProxy takes the server for down",
            Effect.sync(() => /one is DOWN.*code: 503/.test(pool.balancer.output()))
          )
          // The delay isn't over: whoever is connected still is.
          for (const peer of connected) {
            yield* peer.write(Frames.text("not yet"))
            expect((yield* peer.nextMessage).text).toBe("not yet")
          }
        })
      )
    })
  )
})
