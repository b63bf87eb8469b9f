/**
 * The admin API: each route with its answers.
 */
import { Validator } from "@seriousme/openapi-schema-validator"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { AdminApi } from "../../src/admin/AdminApi.js"
import { ask } from "../support/admin.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"
import { serverWith, testServer, type TestServer } from "../support/server.js"
import { ConnectionId, echo } from "../../src/index.js"

const idOf = ({ connections }: TestServer, index = 0) =>
  Effect.map(connections.list, (list) => list[index]?.id ?? ConnectionId("nobody"))

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

describe("GET /connections", () => {
  live("tells of each connection what it is and what it has done", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ subprotocols: ["v1"] })
      const peer = yield* RawClient.connect({
        port: server.port,
        headers: { "Sec-WebSocket-Protocol": "v1" }
      })
      const silent = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("héllo"))
      yield* peer.nextFrame
      const { headers, json, status } = yield* ask(server, "GET /connections")
      expect(status).toBe(200)
      expect(headers).toMatchObject({ "content-type": "application/json", "cache-control": "no-store" })
      expect(json).toEqual({
        total: 2,
        connections: [
          {
            id: yield* idOf(server),
            remote: `127.0.0.1:${yield* peer.localPort}`,
            path: "/echo",
            subprotocol: "v1",
            openedAt: expect.stringMatching(isoTime),
            lastMessageAt: expect.stringMatching(isoTime),
            messagesIn: 1,
            messagesOut: 1,
            bytesIn: 6,
            bytesOut: 6,
            bufferedBytes: 0,
            state: "open"
          },
          {
            id: yield* idOf(server, 1),
            remote: `127.0.0.1:${yield* silent.localPort}`,
            path: "/echo",
            subprotocol: null,
            openedAt: expect.stringMatching(isoTime),
            lastMessageAt: null,
            messagesIn: 0,
            messagesOut: 0,
            bytesIn: 0,
            bytesOut: 0,
            bufferedBytes: 0,
            state: "open"
          }
        ],
        next: null
      })
    })
  )

  live("gives pages that stay right while connections come and go", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peers = yield* Effect.replicateEffect(RawClient.connect({ port: server.port }), 5)
      const ids = (yield* server.connections.list).map(({ id }) => id)
      const first = yield* ask(server, "GET /connections?limit=2")
      expect(first.json).toMatchObject({
        total: 5,
        connections: [{ id: ids[0] }, { id: ids[1] }],
        next: ids[1]
      })
      // The one after which the next page begins goes, and so does one of that page; another comes.
      yield* Effect.forEach([1, 2], (at) => peers[at]?.reset ?? Effect.void)
      yield* eventually(
        "two to be gone",
        Effect.map(server.connections.count, (count) => count === 3)
      )
      yield* RawClient.connect({ port: server.port })
      const second = yield* ask(server, `GET /connections?limit=2&after=${ids[1]}`)
      expect(second.json).toMatchObject({
        total: 4,
        connections: [{ id: ids[3] }, { id: ids[4] }],
        next: ids[4]
      })
      const third = yield* ask(server, `GET /connections?limit=2&after=${ids[4]}`)
      expect(third.json).toMatchObject({ total: 4, connections: [{}], next: null })
      const beyond = yield* ask(server, "GET /connections?after=zzzz")
      expect(beyond.json).toEqual({ total: 4, connections: [], next: null })
    })
  )

  live("gives 100 if nothing is said, and a thousand at most", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      yield* Effect.replicateEffect(RawClient.connect({ port: server.port }), 101)
      const page = yield* ask(server, "GET /connections")
      expect(page.json).toMatchObject({ total: 101, connections: { length: 100 } })
      const all = yield* ask(server, "GET /connections?limit=1000")
      expect(all.json).toMatchObject({ total: 101, connections: { length: 101 }, next: null })
    })
  )
})

describe("a parameter that can't be read is refused, and nothing is done", () => {
  for (const [line, error, words] of [
    ["GET /connections?limit=0", "InvalidRequest", /limit "0".*1 to 1000/],
    ["GET /connections?limit=1001", "InvalidRequest", /limit "1001".*1 to 1000/],
    ["GET /connections?limit=ten", "InvalidRequest", /limit "ten".*1 to 1000/],
    ["GET /connections?limit=", "InvalidRequest", /limit "".*1 to 1000/],
    ["GET /connections?limit=-1", "InvalidRequest", /limit "-1".*1 to 1000/],
    ["GET /connections?limit=1.5", "InvalidRequest", /limit "1.5".*1 to 1000/],
    ["GET /connections?limit=1&limit=2", "InvalidRequest", /limit is given more than once/],
    ["DELETE /connections?code=abc", "InvalidRequest", /code "abc".*1000-1003/],
    ["DELETE /connections?code=", "InvalidRequest", /code "".*1000-1003/],
    ["DELETE /connections?code=1000&code=1001", "InvalidRequest", /code is given more than once/],
    ["DELETE /connections?code=1005", "InvalidClose", /1005.*1000-1003/],
    ["DELETE /connections?code=1006", "InvalidClose", /1006/],
    ["DELETE /connections?code=999", "InvalidClose", /999/],
    ["DELETE /connections?code=5000", "InvalidClose", /5000/],
    ["DELETE /connections?code=65536", "InvalidRequest", /65536/],
    [`DELETE /connections?reason=${"x".repeat(124)}`, "InvalidClose", /124 bytes.*123/],
    [`DELETE /connections?reason=${"%C3%A9".repeat(62)}`, "InvalidClose", /124 bytes.*123/],
    ["DELETE /connections/ID?code=1005", "InvalidClose", /1005/],
    ["DELETE /connections/ID?code=x", "InvalidRequest", /code "x"/]
  ] as const) {
    live(line.slice(0, 60), () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        const peer = yield* RawClient.connect({ port: server.port })
        const answer = yield* ask(server, line.replace("ID", yield* idOf(server)))
        expect(answer.status).toBe(400)
        expect(answer.json).toEqual({ error, message: expect.stringMatching(words) })
        yield* peer.write(Frames.text("still here"))
        expect(Frames.describe(yield* peer.nextFrame)).toBe("text still here")
      })
    )
  }
})

describe("GET /connections/{id}", () => {
  live("looks one up, and no other", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.connect({ port: server.port })
      const id = yield* idOf(server)
      const found = yield* ask(server, `GET /connections/${id}`)
      const listed = yield* ask(server, "GET /connections")
      expect(found.status).toBe(200)
      expect(listed.json).toMatchObject({ connections: [found.json] })
      for (const other of ["nobody", id.toUpperCase(), `${id}x`, "%20", "%ZZ", "a%2Fb", "x".repeat(5000)]) {
        const answer = yield* ask(server, `GET /connections/${other}`)
        expect([answer.status, answer.json]).toEqual([
          404,
          {
            error: "ConnectionNotFound",
            message: `there is no open connection ${other.replace("%20", " ").replace("%2F", "/")}`
          }
        ])
      }
      yield* peer.reset
      yield* server.logged("connection closed")
      const gone = yield* ask(server, `GET /connections/${id}`)
      expect(gone.status).toBe(404)
      expect(gone.json).toEqual({
        error: "ConnectionNotFound",
        message: `there is no open connection ${id}`
      })
    })
  )
})

describe("DELETE", () => {
  live("of one stops it, with the code and the reason that are given", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peers = yield* Effect.replicateEffect(RawClient.connect({ port: server.port }), 3)
      const [first, second, third] = yield* Effect.forEach([0, 1, 2], (at) => idOf(server, at))
      const plain = yield* ask(server, `DELETE /connections/${first}`)
      expect([plain.status, plain.json]).toEqual([202, { id: first }])
      const told = yield* ask(server, `DELETE /connections/${second}?code=4001&reason=bye%20b%C3%BFe`)
      expect([told.status, told.json]).toEqual([202, { id: second }])
      const empty = yield* ask(server, `DELETE /connections/${third}?code=1000&reason=`)
      expect(empty.status).toBe(202)
      const seen = yield* Effect.forEach(peers, lastWords)
      expect(seen.map(({ frames }) => frames.map(Frames.describe))).toEqual([
        ["close 1001 connection interrupted"],
        ["close 4001 bye bÿe"],
        ["close 1000"]
      ])
      const again = yield* ask(server, `DELETE /connections/nobody?code=4001`)
      expect([again.status, again.json]).toEqual([
        404,
        { error: "ConnectionNotFound", message: "there is no open connection nobody" }
      ])
    })
  )

  live("of one that is stopping changes nothing", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.connect({ port: server.port })
      const id = yield* idOf(server)
      yield* ask(server, `DELETE /connections/${id}?code=4001`)
      const shown = yield* ask(server, `GET /connections/${id}`)
      expect(shown.json).toMatchObject({ state: "stopping" })
      const again = yield* ask(server, `DELETE /connections/${id}?code=4002`)
      expect([again.status, again.json]).toEqual([202, { id }])
      const all = yield* ask(server, "DELETE /connections")
      expect([all.status, all.json]).toEqual([202, { stopped: 0 }])
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
        "close 4001 connection interrupted"
      ])
    })
  )

  live("of all stops those that are open, and counts them", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peers = yield* Effect.replicateEffect(RawClient.connect({ port: server.port }), 20)
      yield* ask(server, `DELETE /connections/${yield* idOf(server)}`)
      const answer = yield* ask(server, "DELETE /connections?code=3000&reason=enough")
      expect([answer.status, answer.json]).toEqual([202, { stopped: 19 }])
      const seen = yield* Effect.forEach(peers, lastWords)
      expect(
        seen.filter(({ frames }) => frames.map(Frames.describe).join() === "close 3000 enough")
      ).toHaveLength(19)
    })
  )
})

describe("POST /connections/{id}/faults", () => {
  live("lets go wrong what is asked for", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.connect({ port: server.port })
      const id = yield* idOf(server)
      const stall = yield* ask(server, `POST /connections/${id}/faults`, { body: '{"fault":"stall"}' })
      expect([stall.status, stall.json]).toEqual([202, { id }])
      expect((yield* ask(server, `GET /connections/${id}`)).json).toMatchObject({ state: "stalled" })
      const close = yield* ask(server, `POST /connections/${id}/faults`, {
        body: '{"fault":"close","code":"4001","reason":"asked","after":"1msg"}',
        headers: { "Content-Type": "application/json" }
      })
      expect(close.status).toBe(202)
      yield* peer.write(Frames.text("one"))
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["text one", "close 4001 asked"])
      yield* server.logged("connection closed", { reason: "Fault", code: 4001 })
    })
  )

  for (const [body, words] of [
    ['{"fault":"reste"}', /fault "reste".*close, reset/],
    ['{"fault":"refuse"}', /refuse.*handshake/],
    ['{"fault":"hang"}', /hang.*handshake/],
    ['{"fault":"close","code":1005}', /code 1005.*1000-1003/],
    ['{"fault":"drop"}', /rate is missing/],
    ["{}", /fault is missing/],
    ["[]", /JSON object/],
    ["null", /JSON object/],
    ["fault=reset", /JSON object/],
    ["", /JSON object/]
  ] as const) {
    live(`refuses ${JSON.stringify(body)}, and says what is accepted`, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        yield* RawClient.connect({ port: server.port })
        const answer = yield* ask(server, `POST /connections/${yield* idOf(server)}/faults`, { body })
        expect(answer.status).toBe(400)
        expect(answer.json).toEqual({ error: "InvalidFault", message: expect.stringMatching(words) })
        expect(yield* server.connections.list).toMatchObject([{ state: "open" }])
      })
    )
  }

  live("refuses a body that is too large, and answers", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      yield* RawClient.connect({ port: server.port })
      const answer = yield* ask(server, `POST /connections/${yield* idOf(server)}/faults`, {
        body: JSON.stringify({ fault: "reset", x: "x".repeat(20_000) })
      })
      expect(answer.status).toBe(413)
      expect(answer.json).toMatchObject({ error: "PayloadTooLarge" })
    })
  )

  live("finds nobody with another id", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const answer = yield* ask(server, "POST /connections/nobody/faults", { body: '{"fault":"reset"}' })
      expect([answer.status, answer.json]).toMatchObject([404, { error: "ConnectionNotFound" }])
    })
  )

  live("is refused where faults are off, whatever it is, and where a program provides none", () =>
    Effect.gen(function* () {
      for (const server of [yield* testServer({ faults: false }), yield* serverWith(echo, {})]) {
        for (const body of ['{"fault":"reset"}', "nonsense", "too much".repeat(5000)]) {
          const answer = yield* ask(server, "POST /connections/nobody/faults", { body })
          expect([answer.status, answer.json]).toMatchObject([403, { error: "FaultsDisabled" }])
        }
      }
    })
  )
})

describe("the guard", () => {
  const paths = [
    "/connections",
    "/connections/nobody",
    "/connections/a/b",
    "/events",
    "/openapi.json",
    "/docs"
  ]
  const everything = paths.flatMap((path) =>
    ["GET", "DELETE", "POST", "OPTIONS"].map((method) => `${method} ${path}`)
  )

  live("comes before everything else, and is silent about what is there", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ adminToken: "s3cret" })
      for (const line of everything) {
        const { headers, json, status } = yield* ask(server, line)
        expect([line, status, headers["www-authenticate"]]).toEqual([line, 401, 'Bearer realm="answerback"'])
        expect(json).toMatchObject({ error: "Unauthorized" })
        const wrong = yield* ask(server, line, { headers: { Authorization: "Bearer s3cre" } })
        expect([line, wrong.status]).toEqual([line, 401])
        const foreign = yield* ask(server, line, {
          headers: { Authorization: "Bearer s3cret", Origin: "http://evil.example" }
        })
        expect([line, foreign.status]).toEqual([line, 403])
        expect(Object.keys(foreign.headers).filter((name) => name.startsWith("access-control"))).toEqual([])
      }
      expect(JSON.stringify(server.logs)).not.toContain("s3cre")
    })
  )

  live("lets in whoever has the token, under any host and through a proxy", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ adminToken: "s3cret" })
      const answer = yield* ask(server, "GET /connections", {
        headers: { Authorization: "Bearer s3cret", Host: "example.com", "X-Forwarded-For": "10.0.0.1" }
      })
      expect(answer.status).toBe(200)
      // As a proxy may ask.
      const absolute = yield* ask(server, "GET http://example.com/connections", {
        headers: { Authorization: "Bearer s3cret" }
      })
      expect(absolute.json).toEqual({ total: 0, connections: [], next: null })
    })
  )

  live("keeps out, without a token, what isn't of this machine", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      for (const headers of [
        { Host: "rebound.example" },
        { "X-Forwarded-For": "10.0.0.1" },
        { Forwarded: "for=x" }
      ]) {
        for (const line of everything) {
          const { json, status } = yield* ask(server, line, { headers })
          expect([line, status]).toEqual([line, 403])
          expect(json).toMatchObject({
            error: "Forbidden",
            message: expect.stringContaining("ANSWERBACK_ADMIN_TOKEN")
          })
        }
      }
      yield* server.logged("admin request refused", { level: "debug", status: 403, error: "Forbidden" })
    })
  )

  live("lets in its own pages", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const own = yield* ask(server, "GET /connections", {
        headers: { Host: `localhost:${server.port}`, Origin: `http://localhost:${server.port}` }
      })
      expect(own.status).toBe(200)
    })
  )

  live("leaves health, metrics and the endpoint open to all", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ adminToken: "s3cret" })
      for (const path of ["/livez", "/readyz", "/metrics"]) {
        const { status } = yield* ask(server, `GET ${path}`, { headers: { Host: "evil.example" } })
        expect([path, status]).toEqual([path, 200])
      }
      yield* RawClient.connect({ port: server.port })
    })
  )
})

describe("other methods and paths", () => {
  for (const [line, status, allow] of [
    ["POST /connections", 405, "GET, HEAD, DELETE"],
    ["PUT /connections/x", 405, "GET, HEAD, DELETE"],
    ["GET /connections/x/faults", 405, "POST"],
    ["DELETE /events", 405, "GET, HEAD"],
    ["POST /openapi.json", 405, "GET, HEAD"],
    ["POST /docs", 405, "GET, HEAD"],
    ["OPTIONS /connections", 405, "GET, HEAD, DELETE"],
    ["GET /connections/", 404, undefined],
    ["GET /connections/a/b", 404, undefined],
    ["GET /Connections", 404, undefined],
    ["GET /events/", 404, undefined],
    ["GET /docs/", 404, undefined]
  ] as const) {
    live(`${line} is answered ${status}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer()
        const answer = yield* ask(server, line)
        expect([answer.status, answer.headers["allow"]]).toEqual([status, allow])
        expect(answer.json).toMatchObject({ message: expect.stringContaining("/") })
      })
    )
  }

  live("HEAD is answered as GET is, without the body", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      for (const path of ["/connections", "/openapi.json", "/docs", "/events"]) {
        const client = yield* RawClient.open(server)
        yield* client.write(`HEAD ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
        const { rest } = yield* client.allUntilEnd
        const text = rest.toString("latin1")
        expect([path, text.split(" ")[1], text.endsWith("\r\n\r\n")]).toEqual([path, "200", true])
      }
    })
  )
})

describe("the description", () => {
  live("is valid OpenAPI, and names every route with its answers and how to be let in", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const { json, status } = yield* ask(server, "GET /openapi.json")
      expect(status).toBe(200)
      const { errors, valid } = yield* Effect.promise(() =>
        new Validator().validate(JSON.parse(JSON.stringify(json)))
      )
      expect([valid, errors]).toEqual([true, undefined])
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it has just been found to be so
      const { components, paths, security } = json as {
        readonly components: { readonly securitySchemes: unknown }
        readonly paths: Record<string, Record<string, { readonly responses: Record<string, unknown> }>>
        readonly security: unknown
      }
      const answers = Object.entries(paths).flatMap(([path, methods]) =>
        Object.entries(methods).map(
          ([method, { responses }]) => `${method} ${path} ${Object.keys(responses).join(" ")}`
        )
      )
      expect(answers.toSorted()).toEqual([
        "delete /connections 202 400 401 403",
        "delete /connections/{id} 202 400 401 403 404 504",
        "get /connections 200 400 401 403",
        "get /connections/{id} 200 400 401 403 404 504",
        "get /events 200 400 401 403",
        "post /connections/{id}/faults 202 400 401 403 404 413 504"
      ])
      expect(components.securitySchemes).toEqual({ token: { type: "http", scheme: "bearer" } })
      expect(security).toEqual([{}, { token: [] }])
      expect(JSON.stringify(json)).not.toContain("HttpApiDecodeError")
    })
  )

  it("makes a client that works", async () => {
    const program = Effect.gen(function* () {
      const server = yield* testServer({ adminToken: "s3cret" })
      const baseUrl = `http://127.0.0.1:${server.port}`
      const stranger = yield* HttpApiClient.make(AdminApi, { baseUrl })
      expect(yield* Effect.flip(stranger.list({ urlParams: { limit: 1 } }))).toMatchObject({
        _tag: "Unauthorized"
      })
      const client = yield* HttpApiClient.make(AdminApi, {
        baseUrl,
        transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken("s3cret"))
      })
      const peer = yield* RawClient.connect({ port: server.port })
      const page = yield* client.list({ urlParams: { limit: 1 } })
      expect(page).toEqual({ total: 1, connections: yield* server.connections.list, next: null })
      expect(yield* client.list({ urlParams: {} })).toEqual(page)
      const id = yield* idOf(server)
      const path = { id }
      expect(yield* client.get({ path })).toEqual((yield* server.connections.list)[0])
      expect(yield* client.applyFault({ path, payload: { fault: "mute" } })).toEqual({ id })
      const invalid = client.stop({ path, urlParams: { code: 1006 } })
      expect(yield* Effect.flip(invalid)).toMatchObject({ _tag: "InvalidClose" })
      expect(yield* client.stop({ path, urlParams: { code: 4001 } })).toEqual({ id })
      yield* lastWords(peer)
      yield* server.logged("connection closed")
      expect(yield* Effect.flip(client.get({ path }))).toMatchObject({ _tag: "ConnectionNotFound" })
      expect(yield* client.stopAll({ urlParams: {} })).toEqual({ stopped: 0 })
    })
    await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodeHttpClient.layer)))
  })
})
