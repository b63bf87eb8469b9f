/**
 * How many connections may be open, and what those over it are told.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import type { ServerOptions } from "../../src/index.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { get } from "../support/get.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import { rejected } from "../support/metrics.js"
import * as RawClient from "../support/RawClient.js"
import { testServer, type TestServer } from "../support/server.js"

const expectEcho = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.text("served"))
    expect((yield* peer.nextMessage).text).toBe("served")
  })

/** Closes a connection as a client does, and waits until TCP has ended on both sides. */
const leave = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.close(1000))
    yield* peer.ended
    yield* peer.end
  })

/** Asks for a connection from behind a proxy. */
const from = ({ port }: TestServer, client: string) =>
  RawClient.connect({ port, headers: { "X-Forwarded-For": client } })

/** The answer to a handshake that is refused. */
const refusal = (server: TestServer, client?: string) =>
  Effect.gen(function* () {
    const peer = yield* RawClient.open({ port: server.port })
    yield* peer.write(Http.request({ headers: client === undefined ? {} : { "X-Forwarded-For": client } }))
    const { body, headers, status } = yield* peer.response
    return { status, headers, body: JSON.parse(body) as unknown }
  })

/** So many handshakes at once; tells those that were accepted, and what the others were answered. */
const storm = (
  server: TestServer,
  count: number
): Effect.Effect<
  {
    readonly accepted: ReadonlyArray<RawClient.RawClient>
    readonly refused: ReadonlyArray<number | undefined>
  },
  never,
  Scope.Scope
> =>
  Effect.map(
    Effect.partition(
      Array.from({ length: count }),
      () =>
        Effect.mapError(RawClient.connect({ port: server.port, patience: 30_000 }), (error) =>
          error._tag === "ConnectFailed" ? error.response?.status : undefined
        ),
      { concurrency: "unbounded" }
    ),
    ([refused, accepted]) => ({ refused, accepted })
  )

describe("max-connections", () => {
  live("is exact: of 1,000 handshakes at once 100 are accepted, and 100 more when those have ended", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ maxConnections: 100 })
      for (let round = 0; round < 2; round++) {
        const { accepted, refused } = yield* storm(server, 1000)
        expect(accepted).toHaveLength(100)
        expect(refused).toEqual(Array(900).fill(503))
        expect(yield* server.connections.count).toBe(100)
        yield* Effect.forEach(accepted, expectEcho, { concurrency: 10 })
        yield* Effect.forEach(accepted, leave, { concurrency: "unbounded" })
      }
    })
  )

  live("gives a place back at once, to one that comes right after another has left", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ maxConnections: 1 })
      for (let i = 0; i < 200; i++) {
        const peer = yield* RawClient.connect({ port: server.port })
        if (i % 2 === 0) yield* leave(peer)
        else yield* peer.reset
      }
    })
  )

  live("tells the others when to come back, in JSON, in a metric and at debug", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ maxConnections: 1 })
      yield* RawClient.connect({ port: server.port })
      const before = yield* rejected(503)
      const answer = yield* refusal(server)
      expect(answer.status).toBe(503)
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0)
      expect(answer.headers["content-type"]).toBe("application/json")
      expect(answer.body).toMatchObject({
        error: "TooManyConnections",
        message: expect.stringContaining("--max-connections")
      })
      expect(yield* rejected(503)).toBe(before + 1)
      const line = yield* server.logged("handshake refused", { status: 503 })
      expect(line).toMatchObject({ level: "debug", error: "TooManyConnections" })
      expect(line["remote"]).toMatch(/^127\.0\.0\.1:\d+$/)
      expect(yield* get({ port: server.port }, "/livez")).toMatchObject({ status: 200 })
    })
  )

  live("counts no handshake that is refused for something else, or whose peer has gone", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ maxConnections: 1 })
      for (let i = 0; i < 20; i++) {
        const peer = yield* RawClient.open({ port: server.port })
        if (i % 2 === 0) {
          yield* peer.write(Http.request({ headers: { Origin: "https://elsewhere.example" } }))
          expect((yield* peer.responseHead).status).toBe(403)
        } else {
          yield* peer.write(Http.request({}))
          yield* peer.reset
        }
      }
      yield* eventually(
        "those who had gone were gone",
        Effect.map(server.connections.count, (count) => count === 0)
      )
      yield* expectEcho(yield* RawClient.connect({ port: server.port }))
    })
  )
})

describe("max-connections-per-address", () => {
  const behindProxy: ServerOptions = {
    maxConnectionsPerAddress: 2,
    trustedProxies: ["127.0.0.1", "10.0.0.0/8"]
  }

  live("is exact, and the others get 429", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ maxConnectionsPerAddress: 10 })
      const { accepted, refused } = yield* storm(server, 100)
      expect(accepted).toHaveLength(10)
      expect(refused).toEqual(Array(90).fill(429))
      const answer = yield* refusal(server)
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0)
      expect(answer.body).toMatchObject({ error: "TooManyConnectionsFromAddress" })
    })
  )

  live("counts the client behind a trusted proxy, who stands in the log", () =>
    Effect.gen(function* () {
      const server = yield* testServer(behindProxy)
      const first = yield* from(server, "203.0.113.7")
      yield* from(server, "198.51.100.1, 203.0.113.7, 10.0.0.1")
      expect((yield* refusal(server, "203.0.113.7")).status).toBe(429)
      yield* expectEcho(yield* from(server, "203.0.113.8"))
      yield* leave(first)
      expect(yield* server.logged("connection closed")).toMatchObject({ remote: "203.0.113.7" })
      yield* expectEcho(yield* from(server, "203.0.113.7"))
    })
  )

  live("counts an IPv6 client with its /64", () =>
    Effect.gen(function* () {
      const server = yield* testServer(behindProxy)
      yield* from(server, "2001:db8:0:1::1")
      yield* from(server, "2001:db8:0:1:ffff::2")
      expect((yield* refusal(server, "2001:db8:0:1::3")).status).toBe(429)
      yield* expectEcho(yield* from(server, "2001:db8:0:2::1"))
    })
  )

  live("believes nobody who isn't trusted", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ maxConnectionsPerAddress: 1, trustedProxies: ["10.0.0.0/8"] })
      const peer = yield* from(server, "203.0.113.7")
      expect((yield* refusal(server, "203.0.113.8")).status).toBe(429)
      yield* leave(peer)
      const line = yield* server.logged("connection closed")
      expect(line["remote"]).toMatch(/^127\.0\.0\.1:\d+$/)
    })
  )
})

describe("a request that can't be read", () => {
  for (const [what, status, bytes] of [
    ["isn't HTTP", 400, "EHLO example.com\r\n\r\n"],
    ["has too large a head", 431, Http.request({ headers: { Cookie: "c".repeat(17_000) } })],
    ["isn't finished in time", 408, Http.request({}).slice(0, -2)]
  ] as const)
    live(`is answered ${status} when it ${what}, and counts as a handshake that was refused`, () =>
      Effect.gen(function* () {
        const server = yield* testServer({ handshakeTimeout: 500 })
        const before = yield* rejected(status)
        const peer = yield* RawClient.open({ port: server.port })
        yield* peer.write(bytes)
        const answer = yield* peer.response
        expect(answer.status).toBe(status)
        const line = yield* server.logged("handshake refused", { status })
        expect(JSON.parse(answer.body)).toMatchObject({ error: line["error"] })
        expect(line["remote"]).toBe(`127.0.0.1:${yield* peer.localPort}`)
        expect(yield* rejected(status)).toBe(before + 1)
      })
    )
})
