/**
 * What happens, as those hear of it who follow it by HTTP.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { follow, type Received } from "../support/admin.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { testServer, type TestServer } from "../support/server.js"

const numberOf = ({ id }: Received): number => Number(id.split("-")[1])

/** Makes events large, since a socket and the kernel take megabytes of them. */
const LONG_PATH = `/${"x".repeat(8000)}`

/** Somebody comes and goes: three events. */
const visit = (server: TestServer, path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* RawClient.connect({ port: server.port, path })
      yield* peer.write(Frames.close(1000))
      yield* peer.answerClose((yield* peer.allUntilEnd).frames)
    })
  )

const visits = (server: TestServer, count: number, path = "/echo") =>
  Effect.gen(function* () {
    yield* Effect.forEach(Array.from({ length: count }), () => visit(server, path), {
      concurrency: 50,
      discard: true
    })
    yield* eventually(
      "all to have ended",
      Effect.map(server.connections.count, (open) => open === 0)
    )
  })

describe("GET /events", () => {
  live("tells of a connection that it has opened, is stopping and has closed, each with its JSON", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const follower = yield* follow(server.port)
      expect(follower.status).toBe(200)
      expect(follower.headers["content-type"]).toBe("text/event-stream")
      expect(follower.headers["cache-control"]).toBe("no-store")
      const peer = yield* RawClient.connect({ port: server.port })
      const remote = `127.0.0.1:${yield* peer.localPort}`
      yield* peer.write(Frames.text("abc"))
      yield* peer.nextFrame
      yield* server.connections.stopAll({ code: 4001 })
      yield* peer.answerClose([yield* peer.nextFrame])
      const [opened, stopping, closed, ...more] = yield* follower.count(3)
      const [listed] = [opened?.data]
      expect(listed).toMatchObject({
        state: "open",
        messagesIn: 0,
        remote
      })
      const same = {
        id: listed?.["id"],
        openedAt: listed?.["openedAt"],
        messagesIn: 1,
        bytesIn: 3,
        messagesOut: 1
      }
      expect([opened?.event, stopping?.event, closed?.event]).toEqual(["opened", "stopping", "closed"])
      expect(stopping?.data).toMatchObject({ ...same, state: "stopping", reason: "StopSignal" })
      expect(closed?.data).toMatchObject({ ...same, state: "stopping", reason: "StopSignal", code: 4001 })
      expect(more).toEqual([])
      yield* server.logged("connection closed", { reason: "StopSignal", code: 4001 })
    })
  )

  live("goes on where a follower was, who tells the last id", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const follower = yield* follow(server.port)
          yield* visits(server, 2)
          return [...(yield* follower.count(6))]
        })
      )
      yield* visits(server, 2)
      const second = yield* follow(server.port, { "Last-Event-ID": first[3]?.id ?? "" })
      const missed = [...(yield* second.count(8))]
      expect(missed.map(numberOf)).toEqual([5, 6, 7, 8, 9, 10, 11, 12])
      expect(missed.slice(0, 2)).toEqual(first.slice(4))
      yield* visits(server, 1)
      expect((yield* second.count(11)).map(({ event }) => event)).not.toContain("lagged")
    })
  )

  live("tells a follower who was away for too long how many are lost", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const known = yield* Effect.scoped(
        Effect.gen(function* () {
          const follower = yield* follow(server.port)
          yield* visits(server, 1)
          return [...(yield* follower.count(3))]
        })
      )
      yield* visits(server, 400)
      const follower = yield* follow(server.port, { "Last-Event-ID": known[2]?.id ?? "" })
      const [lagged, ...others] = [...(yield* follower.count(1001))]
      expect(lagged).toMatchObject({ event: "lagged", data: { lost: 200 } })
      expect(others.map(numberOf)).toEqual(Array.from({ length: 1000 }, (_, at) => at + 204))
      // Who goes on from there has been told.
      const again = yield* follow(server.port, { "Last-Event-ID": lagged?.id ?? "" })
      expect((yield* again.count(1000))[0]).toEqual(others[0])
    })
  )

  for (const id of ["another-3", "nonsense", "another-99999999999999999999", "-1"]) {
    live(`takes a follower of another server, who says ${id}, for one who missed all`, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        yield* visits(server, 2)
        const follower = yield* follow(server.port, { "Last-Event-ID": id })
        // Though nothing happens.
        expect(yield* follower.count(1)).toMatchObject([{ event: "lagged", data: { lost: 6 } }])
        yield* visits(server, 1)
        expect((yield* follower.count(4)).map(({ event }) => event)).toEqual([
          "lagged",
          "opened",
          "stopping",
          "closed"
        ])
      })
    )
  }

  live("tells a follower who hasn't read for a while how many are lost, to the last", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ path: LONG_PATH })
      const follower = yield* follow(server.port)
      yield* follower.pause
      const rounds = 8
      yield* Effect.repeatN(visits(server, 100, LONG_PATH), rounds - 1)
      yield* follower.resume
      const all = rounds * 300
      yield* eventually(
        "the last event",
        Effect.sync(() => follower.received.some((event) => numberOf(event) === all))
      )
      const lost = follower.received
        .filter(({ event }) => event === "lagged")
        .reduce((sum, { data }) => sum + Number(data["lost"]), 0)
      const got = follower.received.filter(({ event }) => event !== "lagged")
      expect(lost).toBeGreaterThan(0)
      expect(got.length + lost).toBe(all)
    })
  )

  live("drops a follower who doesn't read for send-timeout, and keeps one to whom nothing is sent", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ path: LONG_PATH, sendTimeout: 400, handshakeTimeout: 2000 })
      const quiet = yield* follow(server.port)
      const stuck = yield* follow(server.port)
      yield* stuck.pause
      yield* Effect.repeatN(visits(server, 100, LONG_PATH), 6)
      const before = quiet.comments()
      yield* eventually(
        "signs of life",
        Effect.sync(() => quiet.comments() > before + 10)
      )
      // It learns of its end when it reads again.
      yield* stuck.resume
      expect(yield* stuck.ended).toBe("cut")
    })
  )

  live("ends when draining starts", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const follower = yield* follow(server.port)
      const peer = yield* RawClient.connect({ port: server.port })
      yield* follower.count(1)
      const shutdown = yield* Effect.fork(server.shutdown)
      expect(yield* follower.ended).toBe("end")
      yield* peer.answerClose([yield* peer.nextFrame])
      yield* Fiber.join(shutdown)
    })
  )

  live("ends as it should also when there is no connection to wait for", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const followers = yield* Effect.replicateEffect(follow(server.port), 5)
      yield* server.shutdown
      expect(yield* Effect.forEach(followers, ({ ended }) => ended)).toEqual(followers.map(() => "end"))
    })
  )

  live("leaves nothing behind of a follower who goes", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      yield* Effect.scoped(follow(server.port))
      const client = yield* RawClient.open({ port: server.port })
      yield* client.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
      yield* client.reset
    })
  )
})
