/**
 * Handshakes that go wrong as their URL asks, and such as ask for what can't be.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import * as FaultPlan from "../../src/faults/FaultPlan.js"
import { noOpenssl, selfSigned } from "../support/certificate.js"
import { eventually } from "../support/eventually.js"
import { atOnce, speaker } from "../support/faultyPeer.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import { rejected } from "../support/metrics.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"
import { liveWithTool } from "../support/skip.js"
import { testServer } from "../support/server.js"

const OPTIONS = { handshakeTimeout: 500 }

/** The answer to a handshake that is refused, with what stands in its body. */
const refusalOf = (port: number, query: string, headers: Http.Headers = {}) =>
  Effect.gen(function* () {
    const peer = yield* RawClient.open({ port })
    yield* peer.write(Http.request({ path: `/echo?${query}`, headers }))
    const { body, headers: got, status } = yield* peer.response
    expect(got["content-type"]).toBe("application/json")
    expect(yield* peer.ended).toBe("fin")
    const parsed: Record<string, unknown> = JSON.parse(body)
    return { status, retryAfter: got["retry-after"], ...parsed }
  })

/** Somebody who comes later is answered: what came before has been read by then. */
const othersAreServed = (port: number) =>
  Effect.gen(function* () {
    const { peer } = yield* speaker(port, "")
    yield* peer.write(Frames.text("others are served"))
    expect((yield* peer.nextMessage).text).toBe("others are served")
    yield* peer.write(Frames.close(1000))
    yield* lastWords(peer)
  })

describe("refuse", () => {
  for (const [query, status, retryAfter] of [
    ["fault=refuse", 503, undefined],
    ["fault=refuse&status=429&retry-after=7", 429, "7"],
    ["fault=refuse&status=400", 400, undefined],
    ["fault=refuse&status=599&retry-after=0", 599, "0"]
  ] as const) {
    live(`answers with the status, as JSON, and counts as rejected: ${query}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        // A client may ask for a status that the server has for nothing else, and must not make a label of it.
        const label = status === 599 ? "other" : status
        const before = yield* rejected(label)
        expect(yield* refusalOf(server.port, query)).toMatchObject({
          status,
          retryAfter,
          error: "Fault",
          message: expect.stringContaining("as was asked for")
        })
        expect(yield* rejected(label)).toBe(before + 1)
        yield* server.logged("handshake refused", { status, error: "Fault" })
        expect(yield* server.connections.count).toBe(0)
      })
    )
  }
})

describe("hang", () => {
  live("answers nothing, whatever comes, and is dropped at the handshake timeout", () =>
    Effect.gen(function* () {
      const { connections, port } = yield* testServer(OPTIONS)
      const start = performance.now()
      const peer = yield* atOnce(port, "fault=hang", [Frames.text("a")])
      yield* peer.write(Frames.ping("hello?"))
      const { frames, rest } = yield* peer.allUntilEnd
      expect([frames, rest.length]).toEqual([[], 0])
      const took = performance.now() - start
      expect(took).toBeGreaterThan(450)
      expect(took).toBeLessThan(OPTIONS.handshakeTimeout + 1500)
      expect(yield* connections.count).toBe(0)
    })
  )

  live("answers what was asked before it, and then nothing", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer(OPTIONS)
      const peer = yield* RawClient.open({ port })
      const hang = Http.request({ path: "/echo?fault=hang" })
      const start = performance.now()
      yield* peer.write(`GET /livez HTTP/1.1\r\nHost: a\r\n\r\n${hang}`)
      expect((yield* peer.response).body).toBe("ok")
      const { rest } = yield* peer.allUntilEnd
      expect(rest).toHaveLength(0)
      expect(performance.now() - start).toBeGreaterThan(450)
    })
  )

  liveWithTool(noOpenssl, "is dropped with TLS, too", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* selfSigned
      const { port } = yield* testServer({ ...OPTIONS, tlsCert: cert, tlsKey: key })
      const peer = yield* atOnce(port, "fault=hang", [], { tls: true })
      expect((yield* peer.allUntilEnd).rest).toHaveLength(0)
    })
  )

  live("is dropped at a shutdown in between, and holds it up no moment", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ handshakeTimeout: "20 seconds" })
      const peer = yield* atOnce(server.port, "fault=hang")
      const pipelined = yield* RawClient.open({ port: server.port })
      yield* pipelined.write(
        `GET /livez HTTP/1.1\r\nHost: a\r\n\r\n${Http.request({ path: "/echo?fault=hang" })}`
      )
      expect((yield* pipelined.response).status).toBe(200)
      yield* othersAreServed(server.port)
      const start = performance.now()
      yield* server.shutdown
      // Long before its time is over.
      expect(performance.now() - start).toBeLessThan(5000)
      for (const one of [peer, pipelined]) expect((yield* one.allUntilEnd).rest).toHaveLength(0)
    })
  )

  for (const [how, leave] of [
    ["ends", (peer: RawClient.RawClient) => peer.end],
    ["resets", (peer: RawClient.RawClient) => peer.reset]
  ] as const) {
    live(`is over when its peer ${how} TCP`, () =>
      Effect.gen(function* () {
        const server = yield* testServer({ handshakeTimeout: "30 seconds" })
        const peer = yield* atOnce(server.port, "fault=hang")
        yield* othersAreServed(server.port)
        yield* leave(peer)
        expect((yield* peer.allUntilEnd).rest).toHaveLength(0)
        yield* server.shutdown
      })
    )
  }

  live("takes no place that a connection could have", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ maxConnections: 1 })
      yield* atOnce(server.port, "fault=hang")
      yield* othersAreServed(server.port)
    })
  )
})

describe("a fault that can't be read", () => {
  for (const [query, parts] of [
    ["fault=explode", ["fault", '"explode"', FaultPlan.kinds.join(", ")]],
    ["fault", ["fault", '""', "throttle"]],
    ["fault=close&code=1005", ["code", '"1005"', "3000-4999"]],
    ["fault=reset&after=soon", ["after", '"soon"', "3msg"]],
    ["fault=drop", ["rate is missing", "0 to 1"]],
    ["fault=throttle&rate=1%20GB", ["rate", '"1 GB"', "10KiB"]],
    ["fault=reset&fault=stall", ["fault is given more than once"]]
  ] as const) {
    live(`is refused with 400, that names it and says what is accepted: ${query}`, () =>
      Effect.gen(function* () {
        const { port } = yield* testServer()
        const before = yield* rejected(400)
        const refusal = yield* refusalOf(port, query)
        expect(refusal).toMatchObject({ status: 400, error: "InvalidFault" })
        for (const part of parts) expect(refusal).toHaveProperty("message", expect.stringContaining(part))
        expect(yield* rejected(400)).toBe(before + 1)
      })
    )
  }

  live("comes second to what is wrong with the handshake itself", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer()
      const headers = { Origin: "https://foreign.example" }
      expect(yield* refusalOf(port, "fault=explode", headers)).toMatchObject({ status: 403 })
      expect(yield* refusalOf(port, "fault=hang", headers)).toMatchObject({ status: 403 })
    })
  )
})

describe("with faults off", () => {
  for (const query of [
    "fault=reset",
    "fault=hang",
    "fault=refuse&status=404",
    "fault=explode",
    "fault=drop&rate=2"
  ]) {
    live(`asking for one is refused with 403, that says how to allow it: ${query}`, () =>
      Effect.gen(function* () {
        const { port } = yield* testServer({ faults: false })
        expect(yield* refusalOf(port, query)).toMatchObject({
          status: 403,
          error: "FaultsDisabled",
          message: expect.stringContaining("--faults on")
        })
      })
    )
  }

  live("asking for none is a handshake like any other", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer({ faults: false })
      const { peer } = yield* speaker(port, "after=3msg&code=1")
      yield* peer.write(Frames.text("a"))
      expect((yield* peer.nextMessage).text).toBe("a")
    })
  )
})

describe("a shutdown", () => {
  live("waits for no hanging handshake, and says goodbye to those that are open", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ handshakeTimeout: "30 seconds" })
      const hanging = yield* atOnce(server.port, "fault=hang")
      const { peer } = yield* speaker(server.port, "fault=delay&time=1h")
      yield* peer.write(Frames.text("a"))
      yield* eventually(
        "that is read",
        Effect.map(server.connections.list, ([connection]) => connection?.messagesIn === 1)
      )
      const shutdown = yield* Effect.fork(server.shutdown)
      expect(Frames.describe(yield* peer.nextFrame)).toBe("text a")
      const close = yield* peer.nextFrame
      expect(Frames.describe(close)).toBe("close 1001 server shutting down")
      yield* peer.answerClose([close])
      yield* Fiber.join(shutdown)
      expect((yield* hanging.allUntilEnd).rest).toHaveLength(0)
    })
  )
})
