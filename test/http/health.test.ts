/**
 * What a load balancer asks for.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { testServer } from "../support/server.js"

const answers = [
  { method: "GET", path: "/livez", status: 200, body: "ok" },
  { method: "GET", path: "/readyz?verbose", status: 200, body: "ok" },
  { method: "GET", path: "http://localhost/livez", status: 200, body: "ok" },
  { method: "POST", path: "/livez", status: 405, body: "MethodNotAllowed" },
  { method: "GET", path: "/LIVEZ", status: 404, body: "NotFound" },
  { method: "GET", path: "/livez/", status: 404, body: "NotFound" },
  { method: "GET", path: "/nothing", status: 404, body: "NotFound" },
  { method: "GET", path: "/", status: 200, body: "answerback console" },
  { method: "POST", path: "/", status: 405, body: "MethodNotAllowed" },
  { method: "OPTIONS", path: "*", status: 404, body: "NotFound" }
]

describe("plain HTTP", () => {
  for (const { body, method, path, status } of answers) {
    live(`answers ${method} ${path} with ${status}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        const peer = yield* RawClient.open({ port: server.port })
        yield* peer.write(
          Http.request({
            method,
            path,
            headers: {
              Upgrade: null,
              Connection: "close",
              "Sec-WebSocket-Key": null,
              "Sec-WebSocket-Version": null
            }
          })
        )
        const response = yield* peer.response
        expect(response.status).toBe(status)
        expect(response.body).toContain(body)
        if (status === 405) expect(response.headers["allow"]).toBe("GET, HEAD")
      })
    )
  }
})
