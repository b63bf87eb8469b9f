/**
 * A connection on which something goes wrong is one like any other to limits, lists and shutdowns.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { eventually } from "../support/eventually.js"
import { atOnce, speaker } from "../support/faultyPeer.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { lastWords, PATIENT } from "../support/session.js"
import { testServer } from "../support/server.js"

/** Those with which a connection stays open. */
const lasting = [
  "fault=stall",
  "fault=mute",
  "fault=delay&time=1h",
  "fault=throttle&rate=1",
  "fault=drop&rate=1",
  "fault=close&after=1h"
]

describe("a faulty connection", () => {
  for (const query of lasting) {
    live(`takes a place, and gives it back when it is stopped: ${query}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer({ ...PATIENT, maxConnections: 1 })
        const { peer } = yield* speaker(server.port, query)
        const refused = yield* atOnce(server.port, "")
        expect((yield* refused.response).status).toBe(503)
        expect(yield* server.connections.list).toMatchObject([
          { state: query === "fault=stall" ? "stalled" : "open" }
        ])
        yield* server.connections.stopAll({ code: 4000, reason: "enough" })
        expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 4000 enough"])
        yield* server.logged("connection closed", { reason: "StopSignal", code: 4000 })
        yield* speaker(server.port, query)
      })
    )

    live(`is closed at the idle timeout, and at the end of its life: ${query}`, () =>
      Effect.gen(function* () {
        const idle = yield* testServer({ ...PATIENT, idleTimeout: 200 })
        const old = yield* testServer({ ...PATIENT, maxLifetime: 200 })
        for (const [server, close, reason] of [
          [idle, "close 3008 idle timeout", "IdleTimeout"],
          [old, "close 1012 lifetime reached", "LifetimeReached"]
        ] as const) {
          const { peer } = yield* speaker(server.port, query)
          expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([close])
          yield* server.logged("connection closed", { reason })
        }
      })
    )
  }

  live("counts against the limit of its address", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ ...PATIENT, maxConnectionsPerAddress: 1 })
      yield* speaker(server.port, "fault=mute")
      const refused = yield* atOnce(server.port, "fault=mute")
      expect((yield* refused.response).status).toBe(429)
    })
  )

  live("gives its place back when it has ended as was asked", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ ...PATIENT, maxConnections: 1 })
      for (const fault of ["reset", "vanish", "close", "reset"]) {
        const { peer } = yield* speaker(server.port, `fault=${fault}&after=1msg`)
        yield* peer.write(Frames.text("a"))
        if (fault === "close") yield* lastWords(peer)
        else yield* peer.ended
        yield* peer.end
        yield* eventually(
          "it has closed",
          Effect.map(server.connections.count, (count) => count === 0)
        )
      }
    })
  )

  live("is heard by the heartbeat while it is late: a dead peer is noticed", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ heartbeatInterval: 200, heartbeatTimeout: 200 })
      const { peer } = yield* speaker(server.port, "fault=delay&time=1h")
      expect((yield* peer.nextFrame).opcode).toBe(Frames.PING)
      expect(yield* peer.ended).toBe("reset")
      yield* server.logged("connection closed", { reason: "HeartbeatTimeout" })
    })
  )
})
