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

/** More than the kernel takes when nobody reads. */
const MORE = Buffer.alloc(32 * 1024 * 1024)

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

  const lastWords = [
    { word: "a Close frame", frame: Frames.close(1000) },
    { word: "an empty Close frame", frame: Frames.close() },
    { word: "a bad frame", frame: Frames.frame({ opcode: Frames.TEXT, payload: "", rsv1: true }) }
  ]
  for (const { query } of cases) {
    for (const { frame, word } of lastWords) {
      live(`stays with its peer to the end of TCP, when that then sends ${word}: ${query}`, () =>
        Effect.gen(function* () {
          const program = yield* Program.start({ args: PATIENT })
          const peer = yield* RawClient.connect({ port: program.port, path: `/echo?${query}` })
          const isTalking = query.includes("after")
          if (isTalking) yield* peer.write(Buffer.concat([Frames.text("message"), Frames.text("message")]))
          const { frames, rest } = yield* peer.allUntilEnd
          expect(frames.map(({ opcode }) => opcode)).toEqual(isTalking ? [Frames.TEXT] : [])
          expect(rest.length).toBe(query.includes("truncate") ? 4 : 0)
          yield* peer.write(frame)
          yield* peer.write(MORE)
          expect(yield* peer.endedByKernel).toBe("fin")
          yield* peer.end
          expect(yield* program.log.logged("connection closed")).toMatchObject({
            reason: "Fault",
            code: null
          })
        })
      )
    }
  }
})
