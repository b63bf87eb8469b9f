/**
 * The opening handshake (RFC 6455 section 4).
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { ServerOptions } from "../../src/index.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { testServer } from "../support/server.js"

/** A foreign page, and the server's own: `Host` is what makes it that. */
const FOREIGN = "http://evil.example"

const ask = (request: Http.RequestOptions, options: ServerOptions = {}) =>
  Effect.gen(function* () {
    const server = yield* testServer(options)
    const peer = yield* RawClient.open({ port: server.port })
    yield* peer.write(Http.request(request))
    return { peer, response: yield* peer.response }
  })

/** That it is a WebSocket now is shown by an echo. */
const expectEcho = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.text("hello"))
    expect((yield* peer.nextMessage).text).toBe("hello")
  })

const accepted = (
  name: string,
  request: Http.RequestOptions,
  expected: Http.Expected = {},
  options: ServerOptions = {}
) =>
  live(name, () =>
    Effect.gen(function* () {
      const { peer, response } = yield* ask(request, options)
      expect(response.status).toBe(101)
      expect(Http.lacking(response.headers, expected)).toEqual({})
      yield* expectEcho(peer)
    })
  )

const refused = (
  name: string,
  status: number,
  request: Http.RequestOptions,
  expected: Http.Expected = {},
  options: ServerOptions = {}
) =>
  live(name, () =>
    Effect.gen(function* () {
      const { peer, response } = yield* ask(request, options)
      expect(response.status).toBe(status)
      expect(Http.lacking(response.headers, expected)).toEqual({})
      // Whatever is sent now is no frame: the connection has not become a WebSocket, or is gone.
      yield* peer.end
      const { end, frames, rest } = yield* peer.allUntilEnd
      expect({ end, frames, rest: rest.toString() }).toEqual({ end: "fin", frames: [], rest: "" })
    })
  )

describe("4.2.2: a handshake is accepted", () => {
  accepted(
    "1.3, 4.2.2: with 101, Upgrade, Connection and the value of Sec-WebSocket-Accept that the RFC computes",
    {},
    {
      upgrade: /^websocket$/i,
      connection: /^upgrade$/i,
      "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    }
  )
  accepted(
    "4.2.2: without extension and subprotocol when none is asked for, and without a body",
    {},
    {
      "sec-websocket-extensions": undefined,
      "sec-websocket-protocol": undefined,
      "transfer-encoding": undefined
    }
  )
  for (const upgrade of ["WebSocket", "WEBSOCKET", "wEbSoCkEt"]) {
    accepted(`4.2.1: with "Upgrade: ${upgrade}": the value is compared without case`, {
      headers: { Upgrade: upgrade }
    })
  }
  accepted("4.2.1: with websocket as one of several protocols in Upgrade", {
    headers: { Upgrade: "example/1, websocket" }
  })
  for (const connection of [
    "upgrade",
    "UPGRADE",
    "keep-alive, Upgrade",
    "Upgrade,keep-alive",
    "foo ,\tuPgRaDe , bar"
  ]) {
    accepted(`4.2.1: with "Connection: ${connection}": one token of it is Upgrade, in any case`, {
      headers: { Connection: connection }
    })
  }
  accepted("4.2.1: with Connection in two header lines", {
    headers: { Connection: ["keep-alive", "Upgrade"] }
  })
  accepted("4.2.1: with header names in any case", {
    headers: {
      host: "127.0.0.1",
      UPGRADE: "websocket",
      connectioN: "Upgrade",
      "sec-websocket-KEY": Http.SAMPLE_KEY,
      "SEC-websocket-version": "13"
    }
  })
  accepted("4.2.1: with header fields that it doesn't know", {
    headers: { "Sec-WebSocket-Unheard-Of": "1", Cookie: "a=b", "X-Long": "x".repeat(4000) }
  })
  accepted("3: with a query", { path: "/echo?name=value&flag" })
  accepted("4.1: with a request target in absolute form", { path: "http://127.0.0.1/echo" })

  live("4.1: in a request that comes one byte at a time", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.open({ port: server.port })
      yield* peer.writeChunked(Buffer.from(Http.request()), [1])
      expect((yield* peer.responseHead).status).toBe(101)
      yield* expectEcho(peer)
    })
  )

  live("4.1: and frames that come in the TCP segment of the handshake are not lost", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const peer = yield* RawClient.open({ port: server.port })
      const half = Frames.text("second")
      yield* peer.write(
        Buffer.concat([Buffer.from(Http.request()), Frames.text("first"), half.subarray(0, 5)])
      )
      expect((yield* peer.responseHead).status).toBe(101)
      expect((yield* peer.nextMessage).text).toBe("first")
      yield* peer.write(half.subarray(5))
      expect((yield* peer.nextMessage).text).toBe("second")
    })
  )
})

describe("4.2.1: a handshake is refused", () => {
  for (const [problem, key] of [
    ["without a key", null],
    ["with an empty key", ""],
    ["with a key that is no base64", "not base64, not base64!!"],
    ["with a key of 15 bytes", Buffer.alloc(15).toString("base64")],
    ["with a key of 17 bytes", Buffer.alloc(17).toString("base64")],
    ["with a key without its padding", Http.SAMPLE_KEY.slice(0, 22)],
    ["with two keys", [Http.SAMPLE_KEY, Http.SAMPLE_KEY]]
  ] as const) {
    refused(`4.2.1: ${problem}: 400`, 400, { headers: { "Sec-WebSocket-Key": key } })
  }
  for (const version of ["99", "8", "7", "0", "12", "14", "thirteen", "", null]) {
    const named = version === null ? "without a version" : `with version "${version}"`
    refused(
      `4.4: ${named}: 426, with the version that is spoken`,
      426,
      { headers: { "Sec-WebSocket-Version": version } },
      { "sec-websocket-version": "13", upgrade: "websocket" }
    )
  }
  refused(
    "4.4: and the 426 names Upgrade in Connection, as whoever sends Upgrade must (RFC 9110 section 7.8)",
    426,
    { headers: { "Sec-WebSocket-Version": "99" } },
    { upgrade: "websocket", connection: /\bupgrade\b/i }
  )
  refused("4.2.1: without Host: 400 (RFC 9112 section 3.2)", 400, { headers: { Host: null } })
  refused("4.2.1: for an unknown path: 404", 404, { path: "/nowhere" })
  refused("4.2.1: for the path with a slash behind: 404", 404, { path: "/echo/" })
  refused("4.2.1: for the path in another case: 404", 404, { path: "/ECHO" })
  refused("4.1: with POST: 405, and what is allowed", 405, { method: "POST" }, { allow: "GET" })
  refused("4.1: with PUT and a body: 405", 405, {
    method: "PUT",
    headers: { "Content-Length": "4" },
    body: "body"
  })
})

describe("4.2.1: what is no handshake is not upgraded", () => {
  const upgradeRequired = { upgrade: "websocket" }
  const plain = {
    Upgrade: null,
    Connection: "close",
    "Sec-WebSocket-Key": null,
    "Sec-WebSocket-Version": null
  }
  refused(
    "4.2.1: a plain GET: 426, with Upgrade (RFC 9110 section 15.5.22)",
    426,
    { headers: plain },
    upgradeRequired
  )
  refused("4.2.1: a plain GET for an unknown path: 404", 404, { path: "/nowhere", headers: plain })
  refused("4.2.1: a GET without Upgrade: 426", 426, { headers: { Upgrade: null } }, upgradeRequired)
  refused(
    "4.2.1: an Upgrade without Connection: 426",
    426,
    { headers: { Connection: null } },
    upgradeRequired
  )
  refused(
    "4.2.1: an Upgrade that Connection doesn't name: 426",
    426,
    { headers: { Connection: "keep-alive" } },
    upgradeRequired
  )
  refused("4.2.1: an Upgrade to something else: 426", 426, { headers: { Upgrade: "h2c" } }, upgradeRequired)
  refused(
    "4.2.1: an Upgrade to what only begins like websocket: 426",
    426,
    { headers: { Upgrade: "websockets" } },
    upgradeRequired
  )
  refused("4.2.1: a handshake in HTTP/1.0: 426", 426, { httpVersion: "1.0" }, upgradeRequired)
})

describe("4.2.2: the subprotocol", () => {
  const subprotocols = ["v2.chat", "v1.chat"]
  const offer = (value: string | ReadonlyArray<string>): Http.RequestOptions => ({
    headers: { "Sec-WebSocket-Protocol": value }
  })
  accepted(
    "4.2.2: is the server's favourite of those offered",
    offer("v1.chat, v2.chat"),
    { "sec-websocket-protocol": "v2.chat" },
    { subprotocols }
  )
  accepted(
    "4.2.2: is the only one in common",
    offer("v0.chat,v1.chat"),
    { "sec-websocket-protocol": "v1.chat" },
    { subprotocols }
  )
  accepted(
    "4.2.2: may be offered in several header lines",
    offer(["v0.chat", "v1.chat"]),
    { "sec-websocket-protocol": "v1.chat" },
    { subprotocols }
  )
  accepted(
    "4.2.2: is not chosen when none is in common",
    offer("other"),
    { "sec-websocket-protocol": undefined },
    { subprotocols }
  )
  accepted("4.2.2: is not chosen when the server has none", offer("v1.chat"), {
    "sec-websocket-protocol": undefined
  })
  accepted(
    "4.2.2: is compared with case",
    offer("V1.CHAT"),
    { "sec-websocket-protocol": undefined },
    { subprotocols }
  )
  accepted(
    "4.2.2: is not chosen when none is offered",
    {},
    { "sec-websocket-protocol": undefined },
    { subprotocols }
  )
  refused("4.1: is refused when it is no token: 400", 400, offer("v1.chat, a b"), {}, { subprotocols })
  refused("4.1: is refused when it is empty: 400", 400, offer("v1.chat,,v2.chat"), {}, { subprotocols })
  refused(
    "4.1: is refused when it is offered twice: 400",
    400,
    offer("v1.chat, v1.chat"),
    {},
    { subprotocols }
  )
})

describe("10.2: the origin", () => {
  const from = (origin: string, host = "127.0.0.1"): Http.RequestOptions => ({
    headers: { Host: host, Origin: origin }
  })
  refused("10.2: is refused when it is foreign: 403", 403, from(FOREIGN))
  refused(
    "10.2: is refused when its port is another: 403",
    403,
    from("http://localhost:8081", "localhost:8080")
  )
  refused(
    "10.2: is refused when its scheme is another: 403",
    403,
    from("https://localhost:8080", "localhost:8080")
  )
  refused("10.2: is refused when it is null: 403", 403, from("null"))
  refused("10.2: is refused when it is unreadable: 403", 403, from("nonsense"))
  refused(
    "10.2: is refused when it is not in the list, though it is the server's own: 403",
    403,
    from("http://localhost:8080", "localhost:8080"),
    {},
    { origins: ["https://example.com"] }
  )
  refused(
    "10.2: is refused when it only ends like one that is allowed: 403",
    403,
    from("https://evilexample.com"),
    {},
    { origins: ["https://*.example.com"] }
  )
  accepted("10.2: is accepted when it is the server's own", from("http://localhost:8080", "localhost:8080"))
  accepted(
    "10.2: is accepted when it is in the list",
    from("https://example.com"),
    {},
    { origins: ["https://other.example", "https://example.com"] }
  )
  accepted(
    "10.2: is accepted when it is a subdomain of one in the list",
    from("https://a.b.example.com"),
    {},
    { origins: ["https://*.example.com"] }
  )
  accepted("10.2: is accepted, whatever it is, when any is allowed", from(FOREIGN), {}, { origins: ["*"] })
  accepted("10.2: is accepted when it is null and any is allowed", from("null"), {}, { origins: ["*"] })

  live("10.2: that is refused is told which flag would allow it", () =>
    Effect.gen(function* () {
      const { response } = yield* ask(from(FOREIGN))
      expect(response.body).toContain("--origin")
      expect(response.body).toContain(FOREIGN)
    })
  )
})
