/**
 * A fault that ends the server's side of TCP: the connection is over when the peer has ended its side as well, and
 * not only when the close timeout is.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"

/** Longer than a log line is waited for. */
const PATIENT = ["--close-timeout", "30s"]

describe("a connection whose end was asked for", () => {
  const cases = [
    { query: "fault=vanish", sent: 0 },
    { query: "fault=vanish&after=1msg", sent: 3 },
    { query: "fault=truncate&after=1msg", sent: 3 }
  ]
  for (const { query, sent } of cases) {
    live(`ends with its peer, which talks to the last: ${query}`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start({ args: PATIENT })
        const peer = yield* RawClient.connect({ port: program.port, path: `/echo?${query}` })
        for (let i = 0; i < sent; i++) yield* peer.write(Frames.text(`message ${i}`))
        expect((yield* peer.allUntilEnd).end).toBe("fin")
        yield* peer.writeAndEnd(Frames.text("late"))
        expect(yield* program.log.logged("connection closed")).toMatchObject({ reason: "Fault", code: null })
      })
    )
  }
})
