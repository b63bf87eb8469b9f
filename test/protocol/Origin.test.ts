/**
 * Which pages may connect (RFC 6455 section 10.2).
 */
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Origin from "../../src/protocol/Origin.js"

/** What `Origin.isAllowed` compares with: this server, as the peer asked for it. */
const own = (host: string | undefined, scheme: "http" | "https" = "http") => ({ scheme, host })

const policy = (...patterns: ReadonlyArray<string>): Origin.Policy =>
  patterns.map((text) => {
    const pattern = Origin.parsePattern(text)
    if (pattern === undefined) throw new Error(`not a pattern: ${text}`)
    return pattern
  })

const isAllowed = (patterns: ReadonlyArray<string>, origin: string | undefined): boolean =>
  Origin.isAllowed(policy(...patterns), origin, own("server.test"))

describe("without a list of origins", () => {
  it.each([
    ["http://example.com", "http", "example.com"],
    ["http://example.com:80", "http", "example.com"],
    ["http://example.com", "http", "example.com:80"],
    ["http://example.com:8080", "http", "example.com:8080"],
    ["https://example.com", "https", "example.com"],
    ["https://example.com:443", "https", "example.com"],
    ["https://example.com", "https", "example.com:443"],
    ["http://EXAMPLE.com", "http", "example.COM"],
    ["HTTP://example.com", "http", "example.com"],
    ["http://127.0.0.1:9", "http", "127.0.0.1:9"],
    ["http://[::1]", "http", "[::1]"],
    ["http://[::1]:8080", "http", "[::1]:8080"],
    ["http://[::FFFF:1]:80", "http", "[::ffff:1]"]
  ] as const)("%s is the same origin as %s with Host %s", (origin, scheme, host) => {
    expect(Origin.isAllowed(Origin.sameOrigin, origin, own(host, scheme))).toBe(true)
  })

  it.each([
    ["another scheme", "https://example.com", "http", "example.com"],
    ["another scheme on the same port", "https://example.com:80", "http", "example.com"],
    ["another port", "http://example.com:8080", "http", "example.com"],
    ["the default port of another scheme", "http://example.com:443", "http", "example.com"],
    ["another host", "http://example.org", "http", "example.com"],
    ["a subdomain", "http://www.example.com", "http", "example.com"],
    ["a parent domain", "http://example.com", "http", "www.example.com"],
    ["a host that begins with this one", "http://example.com.evil.test", "http", "example.com"],
    ["a host that ends with this one", "http://evil-example.com", "http", "example.com"],
    ["this host as a user name", "http://example.com@evil.test", "http", "example.com"],
    ["another IPv6 address", "http://[::2]", "http", "[::1]"],
    ["the loopback by another name", "http://localhost", "http", "127.0.0.1"],
    ["null, from a sandbox or a file", "null", "http", "example.com"],
    ["an extension", "chrome-extension://example.com", "http", "example.com"],
    ["an empty header", "", "http", "example.com"],
    ["a path behind it", "http://example.com/", "http", "example.com"],
    ["two origins", "http://example.com http://evil.test", "http", "example.com"],
    ["two headers", "http://example.com, http://example.com", "http", "example.com"]
  ] as const)("is foreign: %s", (_, origin, scheme, host) => {
    expect(Origin.isAllowed(Origin.sameOrigin, origin, own(host, scheme))).toBe(false)
  })

  it.each([undefined, "", "null", "example.com/path", "user@example.com", "[::1"])(
    "no origin is the same as that of a Host that can't be read: %s",
    (host) => {
      for (const origin of ["http://example.com", "null", "", "http://"])
        expect(Origin.isAllowed(Origin.sameOrigin, origin, own(host))).toBe(false)
    }
  )

  it("a peer that sends no origin is no browser, and may connect", () => {
    expect(Origin.isAllowed(Origin.sameOrigin, undefined, own("example.com"))).toBe(true)
    expect(Origin.isAllowed(Origin.sameOrigin, undefined, own(undefined))).toBe(true)
  })
})

describe("an exact origin", () => {
  it.each([
    ["https://example.com", "https://example.com"],
    ["https://example.com", "https://example.com:443"],
    ["https://example.com:443", "https://example.com"],
    ["http://example.com:80", "http://example.com"],
    ["HTTPS://Example.COM", "https://example.com"],
    ["https://example.com", "HTTPS://EXAMPLE.com"],
    ["http://localhost:5173", "http://localhost:5173"],
    ["http://[::1]:5173", "http://[::1]:5173"],
    ["http://[2001:DB8::1]", "http://[2001:db8::1]"],
    ["chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"],
    ["moz-extension://0b2c-11", "moz-extension://0b2c-11"],
    ["capacitor://localhost", "capacitor://localhost"],
    ["tauri://localhost", "tauri://localhost"],
    ["vscode-webview://1a2b", "vscode-webview://1a2b"]
  ])("%s lets %s in", (pattern, origin) => {
    expect(isAllowed([pattern], origin)).toBe(true)
  })

  it.each([
    ["https://example.com", "http://example.com", "the scheme must match"],
    ["https://example.com", "http://example.com:443", "the scheme must match, not only the port"],
    ["https://example.com", "https://example.com:8443", "the port must match"],
    ["https://example.com:8443", "https://example.com", "the port must match"],
    ["https://example.com", "https://www.example.com", "a subdomain is another origin"],
    ["https://example.com", "https://evil-example.com", "the whole host must match"],
    ["https://example.com", "https://example.com.evil.test", "the whole host must match"],
    ["https://example.com", "https://example.comevil", "the whole host must match"],
    ["https://example.com", "https://example.com@evil.test", "no user names"],
    ["https://example.com", "https://exampleXcom", "a dot is no wild card"],
    ["https://example.com", "https://example.com/", "an origin has no path"],
    ["https://example.com", "null", "null is foreign to everyone"],
    ["capacitor://localhost", "http://localhost", "the scheme must match"],
    ["chrome-extension://abc", "chrome-extension://abd", "the host must match"]
  ])("%s keeps %s out: %s", (pattern, origin) => {
    expect(isAllowed([pattern], origin)).toBe(false)
  })

  it("in a list replaces the server's own", () => {
    expect(isAllowed(["https://example.com"], "http://server.test")).toBe(false)
    expect(isAllowed([], "http://server.test")).toBe(true)
  })

  it("is one of those in the list", () => {
    const list = ["https://one.test", "https://two.test", "https://*.three.test"]
    for (const name of ["one", "two", "a.three"]) expect(isAllowed(list, `https://${name}.test`)).toBe(true)
    for (const name of ["four", "three", "a.one"]) expect(isAllowed(list, `https://${name}.test`)).toBe(false)
  })
})

describe("https://*.example.com", () => {
  it.each([
    "https://www.example.com",
    "https://a.b.example.com",
    "https://WWW.EXAMPLE.COM",
    "https://www.example.com:443",
    "https://evil-example.example.com"
  ])("lets %s in", (origin) => {
    expect(isAllowed(["https://*.example.com"], origin)).toBe(true)
  })

  it.each([
    ["https://example.com", "the star stands for at least one label"],
    ["https://.example.com", "a label isn't empty"],
    ["https://evil-example.com", "the suffix begins with a dot"],
    ["https://evilexample.com", "the suffix begins with a dot"],
    ["https://www.example.com.evil.test", "the host ends with the suffix"],
    ["https://example.com.evil.test", "the host ends with the suffix"],
    ["https://evil.test/.example.com", "a path is no host"],
    ["https://evil.test?.example.com", "a query is no host"],
    ["https://evil.test#.example.com", "a fragment is no host"],
    ["https://evil.test\\.example.com", "browsers take a backslash for a slash"],
    ["https://evil.test@www.example.com", "no user names"],
    ["https://evil.test:443.example.com", "a port is a number"],
    ["https://evil.test .example.com", "no blanks"],
    ["https://evil.test\n.example.com", "no line ends"],
    ["http://www.example.com", "the scheme must match"],
    ["http://www.example.com:443", "the scheme must match, not only the port"],
    ["wss://www.example.com", "the scheme must match"],
    ["https://www.example.com:8443", "the port must match"],
    ["https://*.example.com", "a pattern is no origin"],
    ["null", "null is foreign to everyone"]
  ])("keeps %j out: %s", (origin) => {
    expect(isAllowed(["https://*.example.com"], origin)).toBe(false)
  })

  it("with a port is for that port", () => {
    expect(isAllowed(["https://*.example.com:8443"], "https://a.example.com:8443")).toBe(true)
    expect(isAllowed(["https://*.example.com:8443"], "https://a.example.com")).toBe(false)
    expect(isAllowed(["http://*.example.com:80"], "http://a.example.com")).toBe(true)
  })
})

describe("*", () => {
  it.each(["https://example.com", "null", "", "file://", "not an origin", undefined])(
    "lets %j in",
    (origin) => {
      expect(isAllowed(["*"], origin)).toBe(true)
      expect(isAllowed(["https://example.com", "*"], origin)).toBe(true)
    }
  )
})

describe("a pattern", () => {
  it.each([
    "",
    " ",
    "null",
    "example.com",
    "https://",
    "https://*",
    "https://*.",
    "*.example.com",
    "https://*.*.example.com",
    "https://www.*.com",
    "https://ex*mple.com",
    "https://*example.com",
    "*://example.com",
    "https://example.com/",
    "https://example.com/path",
    "https://example.com?query",
    "https://user@example.com",
    "https://example.com:",
    "https://example.com:port",
    "https://one.test,https://two.test",
    "https://one.test https://two.test",
    " https://example.com",
    "https:/example.com",
    "//example.com"
  ])("is not %j", (text) => {
    expect(Origin.parsePattern(text)).toBeUndefined()
  })
})

describe("whatever a peer or a person writes", () => {
  const anything = FC.oneof(
    FC.string({ unit: "binary" }),
    FC.string({
      unit: FC.constantFrom("h", "t", "p", "s", ":", "/", "*", ".", "[", "]", "@", "é", "\0", "1", " ")
    }),
    FC.webUrl(),
    FC.constantFrom(
      "null",
      "*",
      "",
      "__proto__",
      "https://*.example.com",
      "http://[::1]:80",
      "://",
      "constructor://x"
    )
  )

  it.prop(
    "it is read or refused, and nothing is thrown",
    [anything, anything, anything],
    ([text, origin, host]) => {
      const pattern = Origin.parsePattern(text)
      const patterns = pattern === undefined ? [] : [pattern]
      expect([true, false]).toContain(Origin.isAllowed(patterns, origin, own(host)))
      expect([true, false]).toContain(Origin.isAllowed(patterns, undefined, own(undefined, "https")))
    }
  )

  it.prop(
    "an origin that a browser writes is let in by itself, and by no other of them",
    [
      FC.webAuthority({ withPort: true }),
      FC.webAuthority({ withPort: true }),
      FC.constantFrom("http", "https")
    ],
    ([one, other, scheme]) => {
      const [a, b] = [new URL(`${scheme}://${one}`).origin, new URL(`${scheme}://${other}`).origin]
      expect(isAllowed([a], a)).toBe(true)
      expect(isAllowed([a], b)).toBe(a === b)
    }
  )
})
