/**
 * Silent sides, on real sockets: TCP stands still, or everything is swallowed, until somebody ends it.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { eventually, turn } from "../support/eventually.js"
import { speaker } from "../support/faultyPeer.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { lastWords, PATIENT } from "../support/session.js"
import { testServer, type TestServer } from "../support/server.js"

const HEARTBEAT = { heartbeatInterval: 300, heartbeatTimeout: 300 }

/** More than the buffers of two kernels and two programs take. */
const MUCH = Frames.binary(Buffer.alloc(64 * 1024 * 1024))

const stateOf = (server: TestServer) =>
  Effect.map(server.connections.list, ([connection]) => connection?.state)

describe("a stalled connection", () => {
  for (const [what, bytes] of [
    ["nothing unread", Buffer.alloc(0)],
    ["unread messages", Frames.text("unread")],
    ["an unread Close frame", Frames.close(1000)],
    ["unread pings", Frames.ping("hello?")]
  ] as const) {
    live(`ends within seconds when its peer ends TCP, with ${what} before that`, () =>
      Effect.gen(function* () {
        const server = yield* testServer(PATIENT)
        const { peer } = yield* speaker(server.port, "fault=stall")
        yield* peer.writeAndEnd(bytes)
        const { frames, rest } = yield* peer.allUntilEnd
        expect([frames, rest.length]).toEqual([[], 0])
        expect(yield* server.logged("connection closed")).toMatchObject({
          reason: "PeerVanished",
          code: null,
          messagesIn: 0
        })
      })
    )
  }

  live("ends within seconds when its peer resets TCP behind more than is ever read", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ ...PATIENT, maxPayload: "128MiB" })
      const { peer } = yield* speaker(server.port, "fault=stall")
      // As much as one write hands to the kernel, which is more than Node reads ahead.
      yield* Effect.forkScoped(Effect.ignore(peer.write(MUCH)))
      yield* turn
      yield* peer.reset
      expect(yield* server.logged("connection closed")).toMatchObject({ reason: "PeerVanished", code: null })
    })
  )

  live("ends when its peer resets TCP", () =>
    Effect.gen(function* () {
      const server = yield* testServer(PATIENT)
      const { peer } = yield* speaker(server.port, "fault=stall")
      yield* peer.write(Frames.text("unread"))
      yield* peer.reset
      expect(yield* server.logged("connection closed")).toMatchObject({ reason: "PeerVanished", code: null })
    })
  )
})

describe("a mute connection", () => {
  live("reads on: a peer who goes on writing never comes to a halt", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ ...PATIENT, maxPayload: "128MiB" })
      const { peer } = yield* speaker(server.port, "fault=mute")
      yield* peer.write(MUCH)
      yield* eventually(
        "all is read",
        Effect.map(server.connections.list, ([connection]) => connection?.messagesIn === 1)
      )
      expect(yield* stateOf(server)).toBe("open")
    })
  )

  live("says its Close frame at a stop, though it has kept its peer's to itself", () =>
    Effect.gen(function* () {
      const server = yield* testServer(PATIENT)
      const { peer } = yield* speaker(server.port, "fault=mute")
      yield* peer.write(Buffer.concat([Frames.text("a"), Frames.close(4005, "bye")]))
      yield* eventually(
        "that is read",
        Effect.map(server.connections.list, ([connection]) => connection?.messagesIn === 1)
      )
      yield* server.connections.stopAll({ code: 4000, reason: "enough" })
      const { end, frames } = yield* peer.allUntilEnd
      expect([frames.map(Frames.describe), end]).toEqual([["close 4000 enough"], "fin"])
      yield* peer.end
      expect(yield* server.logged("connection closed")).toMatchObject({ reason: "StopSignal", code: 4000 })
    })
  )
})

for (const fault of ["stall", "mute"]) {
  describe(`${fault} on a real socket`, () => {
    live("answers no ping, and outlives a heartbeat of 0.3 seconds", () =>
      Effect.gen(function* () {
        const server = yield* testServer({ ...PATIENT, ...HEARTBEAT })
        const { peer } = yield* speaker(server.port, `fault=${fault}`)
        yield* peer.write(Buffer.concat([Frames.ping("hello?"), Frames.text("a")]))
        // Three times what would end it: that nothing happens is what the test is about.
        yield* Effect.sleep(1800)
        expect(yield* server.connections.count).toBe(1)
        yield* server.connections.stopAll()
        expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
          "close 1001 connection interrupted"
        ])
      })
    )

    live("obeys a shutdown", () =>
      Effect.gen(function* () {
        const server = yield* testServer(PATIENT)
        const { peer } = yield* speaker(server.port, `fault=${fault}`)
        yield* peer.write(Frames.text("a"))
        const shutdown = yield* Effect.fork(server.shutdown)
        const { end, frames } = yield* lastWords(peer)
        expect(frames.map(Frames.describe)).toEqual(["close 1001 server shutting down"])
        expect(end).toBe("fin")
        yield* Fiber.join(shutdown)
        expect(yield* server.logged("connection closed")).toMatchObject({ reason: "ServerShutdown", fault })
      })
    )
  })
}
