/**
 * Who is let in to the admin API.
 */
import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import * as Access from "../../src/admin/Access.js"

const TOKEN = "s3cret-token"

interface Facts {
  readonly address?: string | undefined
  readonly target?: string
  readonly httpVersion?: string
  readonly headers?: ReadonlyArray<readonly [string, string]>
}

const local: ReadonlyArray<readonly [string, string]> = [["Host", "localhost:8080"]]

const statusOf = (facts: Facts, policy: Partial<Access.Policy> = {}): number =>
  Access.decide(
    {
      address: "address" in facts ? facts.address : "127.0.0.1",
      target: facts.target ?? "/connections",
      httpVersion: facts.httpVersion ?? "1.1",
      rawHeaders: (facts.headers ?? local).flat()
    },
    { scheme: "http", token: undefined, ...policy }
  )?.status ?? 200

const withHost = (host: string): Facts => ({ headers: [["Host", host]] })
const and = (name: string, value: string): Facts => ({ headers: [...local, [name, value]] })

describe("without a token", () => {
  it("a request of HTTP/1.0 is kept out, which a proxy sends that tells nothing", () => {
    expect(statusOf({ httpVersion: "1.0" })).toBe(403)
  })

  it.each(["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])("a peer at %s is let in", (address) => {
    expect(statusOf({ address })).toBe(200)
  })

  it.each([
    "10.0.0.1",
    "192.168.1.1",
    "::ffff:10.0.0.1",
    "2001:db8::1",
    "fe80::1",
    "0.0.0.0",
    "::",
    undefined
  ])("a peer at %s is kept out", (address) => {
    expect(statusOf({ address })).toBe(403)
  })

  it.each([
    "localhost",
    "localhost:8080",
    "LOCALHOST:1",
    "localhost.",
    "app.localhost:8080",
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.8.8.8",
    "[::1]",
    "[::1]:8080",
    "[::ffff:127.0.0.1]:8080"
  ])("a request for %s is let in", (host) => {
    expect(statusOf(withHost(host))).toBe(200)
  })

  it.each([
    "evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "10.0.0.1:8080",
    "0.0.0.0",
    "[::]",
    "[2001:db8::1]:8080",
    "2130706433",
    "0x7f000001",
    "",
    "localhost evil.example",
    "localhost, evil.example",
    "user@localhost",
    "localhost:8080:1",
    "[::1",
    "::1"
  ])("a request for %j is kept out", (host) => {
    expect(statusOf(withHost(host))).toBe(403)
  })

  it("a request that names no host, or two, is kept out unless both are of this machine", () => {
    expect(statusOf({ headers: [] })).toBe(403)
    expect(statusOf(and("Host", "evil.example"))).toBe(403)
    expect(statusOf({ headers: [["Host", "evil.example"], ...local] })).toBe(403)
  })

  it("the host of an absolute target counts", () => {
    expect(statusOf({ target: "http://localhost:8080/connections" })).toBe(200)
    expect(statusOf({ target: "http://evil.example/connections" })).toBe(403)
    expect(statusOf({ target: "http://evil.example@localhost/connections" })).toBe(403)
    expect(statusOf({ ...withHost("evil.example"), target: "http://localhost/connections" })).toBe(403)
  })

  it.each([
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "x-forwarded-anything",
    "X-Real-IP",
    "Via"
  ])("a request with %s is kept out, even if it is empty", (name) => {
    expect(statusOf(and(name, "127.0.0.1"))).toBe(403)
    expect(statusOf(and(name, ""))).toBe(403)
  })

  it("a token that is sent anyway changes nothing", () => {
    expect(statusOf(and("Authorization", "Bearer x"))).toBe(200)
    expect(statusOf({ ...and("Authorization", "Bearer x"), address: "10.0.0.1" })).toBe(403)
  })
})

describe("with a token", () => {
  const token = Redacted.make(TOKEN)
  const bearer = (value: string) => statusOf(and("Authorization", value), { token })

  it.each([`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER   ${TOKEN} `])("%j is let in", (value) => {
    expect(bearer(value)).toBe(200)
  })

  it.each([
    "",
    "Bearer",
    "Bearer ",
    TOKEN,
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Bearer ${TOKEN.toUpperCase()}`,
    `Basic ${TOKEN}`,
    `Bearer ${TOKEN} ${TOKEN}`,
    `Bearer ${TOKEN}, Bearer ${TOKEN}`
  ])("%j is kept out", (value) => {
    expect(bearer(value)).toBe(401)
  })

  it("nobody is let in without one, nor with two", () => {
    expect(statusOf({}, { token })).toBe(401)
    const twice: Facts = {
      headers: [
        ["Authorization", `Bearer ${TOKEN}`],
        ["Authorization", `Bearer ${TOKEN}`]
      ]
    }
    expect(statusOf(twice, { token })).toBe(401)
  })

  it("neither the peer, nor the host, nor a proxy matters", () => {
    const headers = [
      ["Host", "stats.example"],
      ["X-Forwarded-For", "10.0.0.1"],
      ["Authorization", `Bearer ${TOKEN}`]
    ] as const
    expect(statusOf({ address: "10.0.0.1", headers }, { token })).toBe(200)
  })

  it("the refusal doesn't tell the token, and how to send it", () => {
    const refused = Access.decide(
      { address: "::1", target: "/", httpVersion: "1.1", rawHeaders: [] },
      { scheme: "http", token }
    )
    expect(JSON.stringify(refused)).not.toContain(TOKEN)
    expect(refused?.headers["www-authenticate"]).toBe('Bearer realm="answerback"')
    expect(refused?.message).toContain("Authorization: Bearer TOKEN")
  })
})

describe("a page", () => {
  const token = Redacted.make(TOKEN)
  const from = (
    origin: string,
    host = "localhost:8080",
    scheme: "http" | "https" = "http"
  ): ReadonlyArray<number> =>
    [undefined, token].map((token) =>
      statusOf(
        {
          headers: [
            ["Host", host],
            ["Origin", origin],
            ["Authorization", `Bearer ${TOKEN}`]
          ]
        },
        { token, scheme }
      )
    )

  it("of the server itself is let in", () => {
    expect(from("http://localhost:8080")).toEqual([200, 200])
    expect(from("https://localhost:8080", "localhost:8080", "https")).toEqual([200, 200])
  })

  it.each([
    "http://evil.example",
    "http://localhost",
    "http://localhost:8081",
    "https://localhost:8080",
    "null",
    ""
  ])("of %j is kept out, even with the token", (origin) => {
    expect(from(origin)).toEqual([403, 403])
  })
})
