/**
 * The program goes on when peers go away in the middle of what it has to say to them.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"

const PEERS = 30

/** Small ones, so that all are read at once, and are compressed one after the other. */
const messages = Buffer.concat(Array.from({ length: 100 }, (_, i) => Frames.text(`message ${i} `.repeat(30))))

describe("a program with compression", () => {
  live("outlives peers that end TCP, and are gone before all their echoes are compressed", () =>
    Effect.gen(function* () {
      const { port, printed } = yield* Program.start({
        args: ["--compression", "on", "--log-format", "logfmt"]
      })
      for (let i = 0; i < PEERS; i++) {
        const localPort = yield* Effect.scoped(
          Effect.gen(function* () {
            const peer = yield* RawClient.open({ port })
            yield* peer.write(Http.request({ headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } }))
            yield* peer.responseHead
            yield* peer.writeAndEnd(messages)
            return yield* peer.localPort
          })
        )
        yield* printed(new RegExp(`connection closed.*:${localPort} reason=PeerVanished`))
      }
      const peer = yield* RawClient.connect({ port })
      yield* peer.write(Frames.text("still there"))
      expect((yield* peer.nextMessage).text).toBe("still there")
    })
  )
})
