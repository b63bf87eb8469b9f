/**
 * Handshakes that come to nothing: nobody notices, and nothing is left of them.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"
import { testServer, type TestServer } from "../support/server.js"

const handshake = (headers: Http.Headers = {}): Buffer => Buffer.from(Http.request({ headers }))

/** The server echoes, and when it shuts down nothing of it holds that up: the leak check sees the rest. */
const isUnharmed = (server: TestServer) =>
  Effect.gen(function* () {
    const peer = yield* RawClient.connect({ port: server.port })
    yield* peer.write(Frames.text("still here"))
    expect((yield* peer.nextMessage).text).toBe("still here")
    yield* peer.write(Frames.close(1000))
    yield* lastWords(peer)
    yield* server.logged("connection closed", { reason: "PeerClosed" })
    yield* server.shutdown
  })

describe("nothing is left of a handshake", () => {
  live("that is refused for its version", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.open({ port: server.port })
      yield* peer.write(handshake({ "Sec-WebSocket-Version": "99" }))
      expect((yield* peer.responseHead).status).toBe(426)
      expect(yield* peer.ended).toBe("fin")
      yield* isUnharmed(server)
    })
  )

  live("that is refused by the library, for its extensions", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ compression: true })
      const peer = yield* RawClient.open({ port: server.port })
      yield* peer.write(handshake({ "Sec-WebSocket-Extensions": "permessage-deflate; nonsense" }))
      const response = yield* peer.response
      expect(response.status).toBe(400)
      expect(JSON.parse(response.body)).toMatchObject({ error: "InvalidExtensions" })
      expect(yield* peer.ended).toBe("fin")
      yield* isUnharmed(server)
    })
  )

  for (const [when, bytes] of [
    ["before it has begun", ""],
    ["while it waits for the rest", handshake().subarray(0, 40)],
    ["as soon as it is complete", handshake()],
    ["as soon as it is refused", handshake({ "Sec-WebSocket-Version": "99" })],
    ["with messages right behind it", Buffer.concat([handshake(), Frames.text("a"), Frames.text("b")])]
  ] as const) {
    live(`whose peer resets TCP ${when}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        for (let i = 0; i < 10; i++) {
          const peer = yield* RawClient.open({ port: server.port })
          yield* peer.write(bytes)
          yield* peer.reset
        }
        yield* isUnharmed(server)
      })
    )

    live(`whose peer ends TCP ${when}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        for (let i = 0; i < 10; i++) {
          const peer = yield* RawClient.open({ port: server.port })
          yield* peer.writeAndEnd(bytes)
        }
        yield* isUnharmed(server)
      })
    )
  }
})

describe("an Upgrade that is not wanted", () => {
  live("is ignored, and the request answered, where HTTP has an answer (RFC 9110 section 7.8)", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.open({ port: server.port })
      yield* peer.write(
        Http.request({
          path: "/livez",
          headers: { Host: "localhost", Upgrade: "h2c", Connection: "Upgrade" }
        })
      )
      const response = yield* peer.response
      expect([response.status, response.body]).toEqual([200, "ok"])
      yield* isUnharmed(server)
    })
  )
})

describe("a plain request for the endpoint", () => {
  for (const [wish, version, headers, connection] of [
    ["is kept", "1.1", {}, "Upgrade"],
    ["is ended, if the client wants that", "1.1", { Connection: "close" }, "Upgrade, close"],
    ["is ended, if the client speaks HTTP/1.0", "1.0", {}, "Upgrade, close"]
  ] as const) {
    live(`is told to upgrade, and its connection ${wish}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        const peer = yield* RawClient.open({ port: server.port })
        const lines = Object.entries({ Host: "localhost", ...headers }).map(
          ([name, value]) => `${name}: ${value}`
        )
        yield* peer.write(Buffer.from([`GET /echo HTTP/${version}`, ...lines, "", ""].join("\r\n")))
        const response = yield* peer.response
        expect(response).toMatchObject({ status: 426, headers: { connection, upgrade: "websocket" } })
        if (connection !== "Upgrade") expect(yield* peer.ended).toBe("fin")
      })
    )
  }
})
