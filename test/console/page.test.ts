/**
 * What GET / answers: one page, that nothing else may come into.
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { encodingFor } from "../../src/http/Console.js"
import { Faults } from "../../src/index.js"
import { live } from "../support/live.js"
import { serverWith, testServer } from "../support/server.js"

/** Asks with headers of its own; `fetch` would unpack the body. */
const ask = (
  port: number,
  init: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {}
) =>
  Effect.promise(async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      ...init,
      headers: {
        connection: "close",
        "accept-encoding": "identity",
        ...Object.fromEntries(new Headers(init.headers))
      }
    })
    return {
      status: response.status,
      headers: response.headers,
      body: Buffer.from(await response.arrayBuffer())
    }
  })

const hashesOf = (html: string, element: string): ReadonlyArray<string> =>
  [...html.matchAll(new RegExp(`<${element}>(.*?)</${element}>`, "gs"))].map(
    ([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`
  )

describe("the console", () => {
  live("is one page that may load nothing, run only its own script, and be shown by no other page", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer()
      const { body, headers, status } = yield* ask(port)
      const html = body.toString("utf8")
      expect(status).toBe(200)
      expect(headers.get("content-type")).toBe("text/html; charset=utf-8")
      const policy = headers.get("content-security-policy") ?? ""
      const directives = new Map(
        policy.split("; ").map((directive) => {
          const [name = "", ...values] = directive.split(" ")
          return [name, values.join(" ")]
        })
      )
      expect(Object.fromEntries(directives)).toEqual({
        "default-src": "'none'",
        "script-src": hashesOf(html, "script").join(" "),
        "style-src": hashesOf(html, "style").join(" "),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'"
      })
      expect(hashesOf(html, "script")).toHaveLength(1)
      expect(html).not.toMatch(/ (style|src|on\w+)=["']/)
      expect(html).not.toContain("sourceMappingURL")
      expect(headers.get("x-content-type-options")).toBe("nosniff")
      expect(headers.get("referrer-policy")).toBe("no-referrer")
    })
  )

  live("comes compressed as the client takes it, in less than 80 KB, and is the same page", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer()
      const plain = yield* ask(port)
      expect(plain.headers.get("content-encoding")).toBeNull()
      for (const encoding of ["gzip", "br"]) {
        const { body, headers } = yield* ask(port, { headers: { "accept-encoding": encoding } })
        expect(headers.get("content-encoding")).toBe(encoding)
        expect(headers.get("vary")).toBe("Accept-Encoding")
        expect(Number(headers.get("content-length"))).toBeLessThan(80_000)
        expect(headers.get("etag")).toBe(plain.headers.get("etag"))
        expect(body.equals(plain.body)).toBe(true)
      }
    })
  )

  live("is not sent again to who has it", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer()
      const etag = (yield* ask(port)).headers.get("etag") ?? ""
      expect(etag).toMatch(/^W\/"[\w-]{22}"$/)
      for (const known of [etag, `"other", ${etag}`, "*"]) {
        const { body, headers, status } = yield* ask(port, { headers: { "if-none-match": known } })
        expect({ status, length: body.length }).toEqual({ status: 304, length: 0 })
        expect(headers.get("etag")).toBe(etag)
        expect(headers.get("cache-control")).toBe("no-cache")
      }
      expect((yield* ask(port, { headers: { "if-none-match": '"other"' } })).status).toBe(200)
    })
  )

  live("answers HEAD with its headers alone, and other methods with 405", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer()
      const whole = yield* ask(port)
      const head = yield* ask(port, { method: "HEAD" })
      expect(head.status).toBe(200)
      expect(head.body).toHaveLength(0)
      expect(head.headers.get("content-length")).toBe(String(whole.body.length))
      const post = yield* ask(port, { method: "POST" })
      expect({ status: post.status, allow: post.headers.get("allow") }).toEqual({
        status: 405,
        allow: "GET, HEAD"
      })
    })
  )

  live("is told the endpoint, who may ask for faults, and the largest message, whatever they are", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer({ path: `/a"<b>&$&`, faults: false, maxPayload: "2MiB" })
      const html = (yield* ask(port)).body.toString("utf8")
      const content = /<meta name="answerback" content="([^"]*)"/.exec(html)?.[1] ?? ""
      expect(content).not.toContain("<")
      const text = content.replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&amp;", "&")
      expect(JSON.parse(text)).toEqual({
        endpoint: new URL(`/a"<b>&$&`, "http://localhost").pathname,
        faults: "nobody",
        maxPayload: 2 * 1024 ** 2
      })
    })
  )

  for (const [askers, whose, provided] of [
    ["operators", "a program that decides on faults itself", Faults.layer()],
    ["nobody", "a program without faults", undefined]
  ] as const)
    live(`is told that ${askers} may ask for faults of ${whose}`, () =>
      Effect.gen(function* () {
        const { port } = yield* serverWith(() => Effect.void, {}, provided)
        expect((yield* ask(port)).body.toString("utf8")).toContain(`&quot;faults&quot;:&quot;${askers}&quot;`)
      })
    )

  live("is not there with the option off", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer({ console: false })
      const { body, status } = yield* ask(port)
      expect(status).toBe(404)
      expect(JSON.parse(body.toString("utf8"))).toMatchObject({ error: "NotFound" })
    })
  )
})

it.each([
  [undefined, "identity"],
  ["", "identity"],
  ["gzip", "gzip"],
  ["gzip, deflate, br", "br"],
  ["GZIP;q=0.5", "gzip"],
  ["br;q=0, gzip", "gzip"],
  ["br;q=0, *", "gzip"],
  ["*", "br"],
  ["deflate", "identity"],
  ["br; q=0.1", "br"]
])("of the encodings %j the best is %s", (accepted, best) => {
  expect(encodingFor(accepted)).toBe(best)
})
