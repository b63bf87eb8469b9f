/**
 * Clients that go before they have read their answer.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { noHandshake } from "../support/get.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { testServer } from "../support/server.js"

describe("an upgrade that leads to a large answer", () => {
  for (const path of ["/docs", "/"]) {
    live(`gets all of it: ${path}`, () =>
      Effect.gen(function* () {
        const { port } = yield* testServer()
        const client = yield* RawClient.open({ port })
        yield* client.write(Http.request({ path }))
        const { body, headers, status } = yield* client.response
        expect([status, String(Buffer.byteLength(body))]).toEqual([200, headers["content-length"]])
        expect(yield* client.ended).toBe("fin")
      })
    )

    live(`doesn't hold up a large answer that is under way: ${path}`, () =>
      Effect.gen(function* () {
        const { port } = yield* testServer()
        const client = yield* RawClient.open({ port })
        yield* client.write(Http.request({ path, headers: noHandshake }) + Http.request())
        expect((yield* client.response).status).toBe(200)
        expect((yield* client.responseHead).status).toBe(101)
      })
    )
  }
})

describe("a client that goes before it has read its answer", () => {
  for (const path of ["/docs", "/", "/openapi.json", "/livez"]) {
    live(`leaves nothing behind: ${path}`, () =>
      Effect.gen(function* () {
        const { port } = yield* testServer()
        const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
        for (let round = 0; round < 5; round++) {
          const client = yield* RawClient.open({ port })
          yield* client.pause
          yield* client.write(request.repeat(20))
          yield* client.reset
          const slow = yield* RawClient.open({ port })
          yield* slow.write(request.repeat(20))
          yield* slow.responseHead
          yield* slow.reset
        }
      })
    )
  }
})
