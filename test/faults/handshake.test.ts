/**
 * Faults of the handshake, and what is said to who asks for a fault that can't be read.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { type Connection, FaultPlan, Faults } from "../../src/index.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"
import { serverWith, testServer, type TestServer } from "../support/server.js"

const asked = (server: TestServer, query: string) =>
  Effect.gen(function* () {
    const peer = yield* RawClient.open({ port: server.port })
    yield* peer.write(Http.request({ path: `/echo?${query}` }))
    return peer
  })

describe("refuse", () => {
  live("is the status that was asked for, with Retry-After and JSON, and counted", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      for (const [query, status, retryAfter] of [
        ["fault=refuse", 503, undefined],
        ["fault=refuse&status=400", 400, undefined],
        ["fault=refuse&status=429&retry-after=7", 429, "7"],
        ["fault=refuse&status=599", 599, undefined]
      ] as const) {
        const peer = yield* asked(server, query)
        const { body, headers, status: seen } = yield* peer.response
        expect(seen).toBe(status)
        expect(headers["retry-after"]).toBe(retryAfter)
        expect(JSON.parse(body)).toMatchObject({ error: "Fault" })
        expect(yield* peer.ended).toBe("fin")
        yield* server.logged("handshake refused", { status, error: "Fault" })
      }
    })
  )
})

describe("hang", () => {
  live("is never answered, and dropped at the handshake timeout", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ handshakeTimeout: 500 })
      const start = performance.now()
      const peer = yield* asked(server, "fault=hang")
      const { frames, rest } = yield* peer.allUntilEnd
      expect(frames).toEqual([])
      expect(rest).toHaveLength(0)
      expect(performance.now() - start).toBeGreaterThan(450)
      expect(performance.now() - start).toBeLessThan(1500)
    })
  )

  live("ends when the peer has had enough, or the server shuts down", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ handshakeTimeout: "off" })
      const impatient = yield* asked(server, "fault=hang")
      yield* impatient.end
      yield* impatient.ended
      const patient = yield* asked(server, "fault=hang")
      const other = yield* RawClient.connect({ port: server.port })
      yield* other.write(Frames.text("others are served"))
      expect((yield* other.nextMessage).text).toBe("others are served")
      yield* Effect.forkScoped(server.shutdown)
      yield* lastWords(other)
      const { rest } = yield* patient.allUntilEnd
      expect(rest).toHaveLength(0)
    })
  )

  live("has its time, too, behind another request", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ handshakeTimeout: 500 })
      const peer = yield* RawClient.open({ port: server.port })
      const plain = Http.request({ path: "/livez", headers: { Upgrade: null, Connection: null } })
      yield* peer.write(plain + Http.request({ path: "/echo?fault=hang" }))
      expect((yield* peer.response).status).toBe(200)
      expect((yield* peer.allUntilEnd).rest).toHaveLength(0)
    })
  )
})

describe("a fault that can't be read", () => {
  live("is answered 400, as JSON that names the parameter, the value and what is accepted", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      for (const [query, ...words] of [
        ["fault=explode", "fault", '"explode"', "close, reset"],
        ["fault=reset&after=soon", "after", '"soon"', "3msg"],
        ["fault=drop", "rate", "missing", "0 to 1"]
      ] as const) {
        const { body, headers, status } = yield* (yield* asked(server, query)).response
        expect(status).toBe(400)
        expect(headers["content-type"]).toBe("application/json")
        expect(JSON.parse(body)).toMatchObject({ error: "InvalidFault" })
        for (const word of words)
          expect(JSON.parse(body)).toMatchObject({ message: expect.stringContaining(word) })
      }
    })
  )

  live("is answered 403 where faults are off, and so is one that can be", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ faults: false })
      for (const query of ["fault=explode", "fault=reset", "fault=refuse", "fault=hang"]) {
        const { body, status } = yield* (yield* asked(server, query)).response
        expect(status).toBe(403)
        expect(JSON.parse(body)).toMatchObject({
          error: "FaultsDisabled",
          message: expect.stringContaining("--faults on")
        })
      }
      const peer = yield* RawClient.connect({ port: server.port, path: "/echo?after=3msg&code=1" })
      yield* peer.write(Frames.text("no fault"))
      expect((yield* peer.nextMessage).text).toBe("no fault")
    })
  )
})

describe("a program", () => {
  const greet = (text: string) => (connection: Connection) =>
    Effect.zipRight(Effect.ignore(connection.send(text)), connection.stopSignal.await)

  live("doesn't let its clients ask for faults, unless it wants to", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(greet("hello"))
      const peer = yield* RawClient.connect({ port: server.port, path: "/echo?fault=reset" })
      expect((yield* peer.nextMessage).text).toBe("hello")
    })
  )

  live("plans faults by code, with a handler of its own", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(
        greet("hello"),
        {},
        Faults.layer(({ headers }) =>
          headers["x-fault"] === undefined
            ? undefined
            : FaultPlan.make({ fault: "close", code: 4001, after: "1msg" })
        )
      )
      const broken = yield* RawClient.connect({ port: server.port, headers: { "X-Fault": "yes" } })
      expect((yield* lastWords(broken)).frames.map(Frames.describe)).toEqual(["text hello", "close 4001"])
      const whole = yield* RawClient.connect({ port: server.port })
      expect((yield* whole.nextMessage).text).toBe("hello")
    })
  )
})
