/**
 * Faults on connections with compression: what is written past the queue of what is yet to be compressed waits for it.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { deflateConnection, EXTENSION } from "../support/deflateSession.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { testServer } from "../support/server.js"
import { PATIENT } from "../support/session.js"

describe("behind an empty message, which has no bytes that wait to be compressed", () => {
  const cases: Readonly<Record<string, ReadonlyArray<string>>> = {
    "corrupt&after=1msg": ["text", "text(rsv2) second"],
    "truncate&after=1msg": ["text"],
    "reset&after=1msg": ["text"],
    "throttle&rate=1MiB&after=1msg": ["text", "text second"]
  }
  for (const [query, expected] of Object.entries(cases))
    live(`${query} comes in its place`, () =>
      Effect.gen(function* () {
        const { port } = yield* testServer({ ...PATIENT, compression: true })
        const { frame, inflated, peer } = yield* deflateConnection(port, EXTENSION, `/echo?fault=${query}`)
        yield* peer.write(Buffer.concat([frame(Frames.TEXT, ""), frame(Frames.TEXT, "second")]))
        const seen: Array<string> = []
        for (const _ of expected) seen.push(Frames.describe(inflated(yield* peer.nextFrame)))
        expect(seen).toEqual(expected)
      })
    )
})
