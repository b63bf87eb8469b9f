/**
 * What becomes of a request for the endpoint (RFC 6455 section 4.2).
 */
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Handshake from "../../src/protocol/Handshake.js"
import * as Origin from "../../src/protocol/Origin.js"

type Headers = Handshake.Request["headers"]

/** The handshake of RFC 6455 section 1.2, but for its origin. */
const good: Headers = {
  host: "server.example.com",
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13"
}

const open: Handshake.Policy = { scheme: "http", origins: Origin.sameOrigin, subprotocols: [] }

const decide = (
  headers: Headers,
  policy: Partial<Handshake.Policy> = {},
  line: Partial<Omit<Handshake.Request, "headers">> = {}
): Handshake.Decision =>
  Handshake.decide(
    { method: "GET", httpVersion: "1.1", ...line, headers: { ...good, ...headers } },
    { ...open, ...policy }
  )

const accepted = (subprotocol?: string) => ({ _tag: "Accept", subprotocol })

describe("a handshake is accepted", () => {
  it("as RFC 6455 section 1.2 writes it", () => {
    expect(decide({})).toEqual(accepted())
  })

  it.each([
    ["Upgrade, in any case", { upgrade: "WebSocket" }],
    ["Connection, in any case", { connection: "UPGRADE" }],
    ["Connection, among others", { connection: "keep-alive, Upgrade" }],
    ["Connection, with blanks", { connection: " keep-alive ,\tupgrade " }]
  ] as const)("with the token in %s (RFC 6455 section 4.2.1)", (_, headers) => {
    expect(decide(headers)).toEqual(accepted())
  })

  it("without an origin: not a browser (RFC 6455 section 4.2.1)", () => {
    expect(decide({ origin: undefined })).toEqual(accepted())
  })

  it("from a page of this server", () => {
    expect(decide({ origin: "http://server.example.com" })).toEqual(accepted())
  })

  it("from a page that the list names", () => {
    const origins = ["https://app.example"].flatMap((text) => Origin.parsePattern(text) ?? [])
    expect(decide({ origin: "https://app.example" }, { origins })).toEqual(accepted())
  })

  it("with extensions: they are not decided here (RFC 6455 section 9.1)", () => {
    expect(decide({ "sec-websocket-extensions": "permessage-deflate; client_max_window_bits" })).toEqual(
      accepted()
    )
  })
})

describe("the subprotocol (RFC 6455 section 4.2.2)", () => {
  const policy = { subprotocols: ["v2.chat", "v1.chat"] }

  it.each([
    ["the only one in common", "v1.chat", "v1.chat"],
    ["the one that the server prefers, not the first that the client names", "v1.chat, v2.chat", "v2.chat"],
    ["found without blanks between them", "x,v1.chat", "v1.chat"],
    ["none, without one in common", "soap, wamp", undefined],
    ["none, if only case differs", "V1.CHAT", undefined],
    ["none, if one is only part of another", "v1.chat.more", undefined]
  ])("is %s", (_, offered, chosen) => {
    expect(decide({ "sec-websocket-protocol": offered }, policy)).toEqual(accepted(chosen))
  })

  it("is none, if the client names none", () => {
    expect(decide({}, policy)).toEqual(accepted())
  })

  it("is none, if the server has none", () => {
    expect(decide({ "sec-websocket-protocol": "v1.chat" })).toEqual(accepted())
  })

  it("can be offered in several headers (RFC 6455 section 11.3.4)", () => {
    expect(decide({ "sec-websocket-protocol": ["v1.chat", "v2.chat"] }, policy)).toEqual(accepted("v2.chat"))
  })

  it.each([
    ["twice", "chat, chat"],
    ["with a blank in it", "two words"],
    ["with a character that separates", "chat;v=1"],
    ["with a letter outside of ASCII", "tchätt"]
  ])("offered %s is answered 400 (RFC 6455 section 4.1)", (_, offered) => {
    expect(decide({ "sec-websocket-protocol": offered }, policy)).toMatchObject({
      status: 400,
      error: "InvalidSubprotocol"
    })
  })

  it.each(["chat", "v1.chat", "!#$%&'*+-.^_`|~09azAZ"])("can be called %s", (name) => {
    expect(Handshake.isSubprotocol(name)).toBe(true)
  })

  it.each(["", " ", "two words", "a,b", "a/b", "a=b", '"a"', "a\n", "ä", "a@b", "(a)"])(
    "can't be called %j",
    (name) => {
      expect(Handshake.isSubprotocol(name)).toBe(false)
    }
  )
})

describe("a request is no handshake, and answered 426 with what it would have to upgrade to", () => {
  it.each([
    ["without Upgrade", { upgrade: undefined }, {}],
    ["to another protocol", { upgrade: "h2c" }, {}],
    ["to a protocol whose name begins alike", { upgrade: "websockets" }, {}],
    ["without Connection", { connection: undefined }, {}],
    ["that keeps Upgrade for this hop out of Connection", { connection: "keep-alive" }, {}],
    ["in HTTP/1.0 (RFC 9110 section 7.8)", {}, { httpVersion: "1.0" }],
    ["by POST", { upgrade: undefined, connection: undefined }, { method: "POST" }]
  ] as const)("%s", (_, headers, line) => {
    const decision = decide(headers, {}, line)
    expect(decision).toMatchObject({ _tag: "Refusal", status: 426, error: "UpgradeRequired" })
    // RFC 9110 section 15.5.22; Upgrade must be named in Connection (section 7.8).
    expect(decision).toMatchObject({ headers: { upgrade: "websocket", connection: "Upgrade" } })
  })
})

describe("a handshake is refused", () => {
  it.each(["POST", "HEAD", "OPTIONS", "PUT", "get"])("by %s, with 405 (RFC 6455 section 4.1)", (method) => {
    expect(decide({}, {}, { method })).toMatchObject({
      status: 405,
      error: "MethodNotAllowed",
      headers: { allow: "GET" }
    })
  })

  it.each([["8"], ["99"], ["013"], ["13, 8"], [""], [undefined]])(
    "in version %j, with 426 and the one that is spoken (RFC 6455 section 4.4)",
    (version) => {
      const decision = decide({ "sec-websocket-version": version })
      expect(decision).toMatchObject({
        status: 426,
        error: "UnsupportedVersion",
        headers: { "sec-websocket-version": "13", upgrade: "websocket", connection: "Upgrade" }
      })
      if (decision._tag === "Refusal" && version !== undefined && version !== "")
        expect(decision.message).toContain(version)
    }
  )

  it.each([
    ["missing", undefined],
    ["empty", ""],
    ["no base64", "!!!!!!!!!!!!!!!!!!!!!!=="],
    ["of 15 bytes", Buffer.alloc(15).toString("base64")],
    ["of 17 bytes", Buffer.alloc(17).toString("base64")],
    ["of 16 bytes in the alphabet of URLs", "--__--__--__--__--__-w=="],
    ["without padding", "dGhlIHNhbXBsZSBub25jZQ"],
    ["followed by more", "dGhlIHNhbXBsZSBub25jZQ== "],
    ["there twice", ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="]]
  ])("whose key is %s, with 400 (RFC 6455 section 4.2.1)", (_, key) => {
    expect(decide({ "sec-websocket-key": key })).toMatchObject({ status: 400, error: "InvalidKey" })
  })

  it("that doesn't name its Host, with 400 (RFC 6455 section 4.2.1, RFC 9112 section 3.2)", () => {
    expect(decide({ host: undefined })).toMatchObject({ status: 400, error: "MissingHost" })
  })

  it("from a foreign origin, with 403 and the flag that would allow it (RFC 6455 section 10.2)", () => {
    const decision = decide({ origin: "https://foreign.example" })
    expect(decision).toMatchObject({ status: 403, error: "OriginNotAllowed" })
    expect(decision).toMatchObject({ message: expect.stringContaining("--origin 'https://foreign.example'") })
    expect(decision).toMatchObject({ message: expect.stringContaining("ANSWERBACK_ORIGIN") })
  })

  it("from the page of the same host by another scheme, with 403", () => {
    expect(decide({ origin: "https://server.example.com" })).toMatchObject({ status: 403 })
    expect(decide({ origin: "https://server.example.com" }, { scheme: "https" })).toEqual(accepted())
  })

  it.each(["null", "", "no origin", "it's"])(
    "from origin %j, which only '*' would allow, with 403",
    (origin) => {
      expect(decide({ origin })).toMatchObject({
        status: 403,
        message: expect.stringContaining("--origin '*'")
      })
      expect(decide({ origin }, { origins: [{ _tag: "Any" }] })).toEqual(accepted())
    }
  )

  it("for what comes first: method, version, key, origin, subprotocol", () => {
    const bad: Headers = {
      "sec-websocket-version": "8",
      "sec-websocket-key": "short",
      origin: "https://foreign.example",
      "sec-websocket-protocol": "a, a"
    }
    const order = ["version", "key", "origin", "protocol"].map((_, repaired) => {
      const names = Object.keys(bad).slice(repaired)
      const decision = decide(Object.fromEntries(names.map((name) => [name, bad[name]])))
      return decision._tag === "Refusal" ? decision.status : undefined
    })
    expect(order).toEqual([426, 400, 403, 400])
    expect(decide(bad, {}, { method: "PUT" })).toMatchObject({ status: 405 })
  })
})

describe("other refusals", () => {
  it("name the path and the endpoint", () => {
    expect(Handshake.notFound("/chat", ["/echo"])).toMatchObject({
      status: 404,
      message: expect.stringMatching(/\/chat.*\/echo/)
    })
  })

  it("tell a client that the server drains, and when to come again", () => {
    expect(Handshake.draining).toMatchObject({
      status: 503,
      headers: { "retry-after": expect.stringMatching(/^\d+$/) }
    })
  })
})

describe("whatever a peer sends", () => {
  const value = FC.oneof(
    FC.string({ unit: "binary" }),
    FC.constantFrom("websocket", "Upgrade", "13", "null", "*", "http://server.example.com", "chat", ","),
    FC.constant(undefined),
    FC.array(FC.string(), { maxLength: 3 })
  )
  const names = [
    "host",
    "upgrade",
    "connection",
    "origin",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol"
  ] as const

  it.prop(
    "it is accepted, or refused with a status of an error and with words",
    [FC.dictionary(FC.constantFrom(...names), value), FC.string(), FC.constantFrom("1.1", "1.0", "2.0")],
    ([headers, method, httpVersion]) => {
      for (const line of [{}, { method, httpVersion }]) {
        const decision = decide(headers, { subprotocols: ["chat"] }, line)
        if (decision._tag === "Accept") continue
        expect([400, 403, 405, 426]).toContain(decision.status)
        expect(decision.message).not.toBe("")
      }
    },
    { fastCheck: { numRuns: 500 } }
  )

  it.prop(
    "a subprotocol is chosen only if both sides named it",
    [FC.array(FC.constantFrom("a", "b", "c", "d"))],
    ([offered]) => {
      const list = [...new Set(offered)]
      const decision = decide(list.length === 0 ? {} : { "sec-websocket-protocol": list.join(", ") }, {
        subprotocols: ["c", "a", "x"]
      })
      expect(decision).toEqual(accepted(list.includes("c") ? "c" : list.includes("a") ? "a" : undefined))
    }
  )
})
