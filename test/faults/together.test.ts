/**
 * A message that the peer sends together with its Close frame has the same fate as one that it sends long before.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { testServer } from "../support/server.js"
import { together } from "../support/session.js"

describe("messages in one write with the peer's Close frame", () => {
  const cases = [
    { query: "fault=drop&rate=1", echoes: [] },
    { query: "fault=drop&rate=1&after=2msg", echoes: ["1", "2"] },
    { query: "fault=drop&rate=0.5&seed=7", echoes: ["1"] },
    { query: "fault=duplicate&rate=1", echoes: ["1", "1", "2", "2", "3", "3", "4", "4"] },
    { query: "fault=duplicate&rate=1&after=3msg", echoes: ["1", "2", "3", "4", "4"] },
    { query: "fault=duplicate&rate=0.5&seed=7", echoes: ["1", "2", "2", "3", "3", "4", "4"] }
  ]
  for (const { echoes, query } of cases) {
    live(query, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        const peer = yield* RawClient.connect({ port: server.port, path: `/echo?${query}` })
        yield* peer.write(together(...["1", "2", "3", "4"].map(Frames.text), Frames.close(4001, "enough")))
        const { end, frames } = yield* peer.allUntilEnd
        expect(frames.map(Frames.describe)).toEqual([
          ...echoes.map((text) => `text ${text}`),
          "close 4001 enough"
        ])
        expect(end).toBe("fin")
        yield* peer.end
        expect(yield* server.logged("connection closed")).toMatchObject({
          reason: "PeerClosed",
          messagesIn: 4,
          messagesOut: echoes.length
        })
      })
    )
  }
})
