/**
 * The examples do what they say.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { describe, expect, it } from "vitest"
import { live } from "../support/live.js"
import { endingPolitely, started } from "./example.js"

/** In milliseconds: programs take their time to start where many do. */
const PATIENCE = 180_000

/** Asks by HTTP. */
const ask = (url: string, method = "GET") =>
  Effect.promise(async () => {
    const response = await fetch(url, { method, headers: { connection: "close" } })
    const text = await response.text()
    return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as unknown) }
  })

const closed = (code: number, reason: string) => ({ code, reason, wasClean: true, unread: 0 })

const EXAMPLES = new URL("../../examples/", import.meta.url)
const README = fs.readFileSync(new URL("../../README.md", import.meta.url), "utf8")
const files = fs.readdirSync(EXAMPLES)

describe("each example", () => {
  it.each(files)("says in its first lines what it shows and how to run it: %s", (file) => {
    const [, head = ""] =
      /^\/\*\*\n(.*?)\n \*\/\n/s.exec(fs.readFileSync(new URL(file, EXAMPLES), "utf8")) ?? []
    expect(head).toContain(`node examples/${file}`)
    expect(head.split("\n").length).toBeGreaterThanOrEqual(5)
  })

  it.each(files)("is in the list of the README: %s", (file) => {
    expect(README).toContain(`(examples/${file})`)
  })
})

describe("examples/echo.ts", () => {
  live(
    "sends back what comes",
    () =>
      Effect.gen(function* () {
        const example = yield* started("echo")
        const session = yield* example.connect("/echo")
        expect(yield* session.exchange(["hello", "world"])).toEqual(["hello", "world"])
        yield* endingPolitely(example, [session])
      }),
    PATIENCE
  )
})

describe("examples/revoke.ts", () => {
  live(
    "closes the connections of a user whose session is revoked, and no others",
    () =>
      Effect.gen(function* () {
        const example = yield* started("revoke")
        const [phone, laptop, bob] = yield* Effect.all([
          example.connect("/inbox?user=ann"),
          example.connect("/inbox?user=ann"),
          example.connect("/inbox?user=bob")
        ])
        expect(yield* phone.exchange(["eggs"], 2)).toEqual(["hello, ann", "noted: eggs"])
        expect(yield* laptop.exchange([], 1)).toEqual(["hello, ann"])
        expect(yield* bob.exchange([], 1)).toEqual(["hello, bob"])
        expect(yield* ask(`${example.url}/sessions/ann`, "DELETE")).toEqual({
          status: 200,
          body: { stopped: 2 }
        })
        expect(yield* phone.closed).toEqual(closed(4001, "session revoked"))
        expect(yield* laptop.closed).toEqual(closed(4001, "session revoked"))
        expect(yield* bob.exchange(["still here"])).toEqual(["noted: still here"])
        expect(yield* ask(`${example.url}/sessions/ann`, "DELETE")).toEqual({
          status: 200,
          body: { stopped: 0 }
        })
        yield* endingPolitely(example, [bob])
      }),
    PATIENCE
  )

  live(
    "lets in nobody whom it doesn't know",
    () =>
      Effect.gen(function* () {
        const example = yield* started("revoke")
        expect((yield* Effect.flip(example.connect("/inbox"))).message).toContain("401")
        yield* example.end
      }),
    PATIENCE
  )
})

describe("examples/http-api.ts", () => {
  live(
    "tells who is connected, and stops whom it is told to",
    () =>
      Effect.gen(function* () {
        const example = yield* started("http-api")
        const [one, other] = yield* Effect.all([example.connect("/time"), example.connect("/time")])
        const [time] = yield* one.exchange([], 1)
        expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        const { body } = yield* ask(`${example.url}/connections`)
        const described = { id: expect.any(String), remote: expect.any(String), path: "/time" }
        expect(body).toMatchObject([described, described])
        const [, first] = /"id":"(\w+)"/.exec(JSON.stringify(body)) ?? []
        expect((yield* ask(`${example.url}/connections/${first}`, "DELETE")).status).toBe(204)
        expect(yield* one.closed).toMatchObject({
          code: 4000,
          reason: "stopped by an operator",
          wasClean: true
        })
        expect((yield* ask(`${example.url}/connections/${first}`, "DELETE")).status).toBe(404)
        expect((yield* ask(`${example.url}/openapi.json`)).status).toBe(200)
        yield* endingPolitely(example, [other])
      }),
    PATIENCE
  )
})

describe("examples/chat.ts", () => {
  live(
    "tells all in a room what one of them says, and nobody else",
    () =>
      Effect.gen(function* () {
        const example = yield* started("chat")
        const ann = yield* example.connect("/chat?room=tea&name=Ann")
        expect(yield* ann.exchange([], 1)).toEqual(["Ann has come"])
        const bob = yield* example.connect("/chat?room=tea&name=Bob")
        const eve = yield* example.connect("/chat?room=coffee&name=Eve")
        expect(yield* ann.exchange([], 1)).toEqual(["Bob has come"])
        expect(yield* bob.exchange(["milk?"], 2)).toEqual(["Bob has come", "Bob: milk?"])
        expect(yield* ann.exchange(["please"], 2)).toEqual(["Bob: milk?", "Ann: please"])
        expect(yield* bob.exchange([], 1)).toEqual(["Ann: please"])
        yield* bob.close(1000, "")
        expect(yield* ann.exchange([], 1)).toEqual(["Bob has left"])
        expect(yield* eve.exchange(["hello?"], 2)).toEqual(["Eve has come", "Eve: hello?"])
        yield* endingPolitely(example, [ann, eve])
      }),
    PATIENCE
  )

  live(
    "lets in nobody without a name",
    () =>
      Effect.gen(function* () {
        const example = yield* started("chat")
        expect((yield* Effect.flip(example.connect("/chat?room=tea"))).message).toContain("400")
        yield* example.end
      }),
    PATIENCE
  )
})

describe("examples/json.ts", () => {
  const deposit = (amount: unknown) => JSON.stringify({ _tag: "Deposit", amount })
  const withdraw = (amount: unknown) => JSON.stringify({ _tag: "Withdraw", amount })
  const parsed = (messages: ReadonlyArray<unknown>) =>
    messages.map((message): unknown => JSON.parse(String(message)))

  live(
    "answers what it understands, and closes for the rest",
    () =>
      Effect.gen(function* () {
        const example = yield* started("json")
        const session = yield* example.connect("/account?token=s3cret")
        const at = expect.stringMatching(/Z$/)
        expect(parsed(yield* session.exchange([deposit(5), withdraw(2), withdraw(4)]))).toEqual([
          { _tag: "Balance", balance: 5, at },
          { _tag: "Balance", balance: 3, at },
          { _tag: "Refused", reason: "there isn't as much" }
        ])
        const other = yield* example.connect("/account?token=s3cret")
        expect(parsed(yield* other.exchange([deposit(1), deposit(-1)], 1))).toEqual([
          { _tag: "Balance", balance: 4, at }
        ])
        expect(yield* other.closed).toEqual(closed(1008, "message isn't as expected"))
        yield* endingPolitely(example, [session])
      }),
    PATIENCE
  )

  live(
    "wants a token",
    () =>
      Effect.gen(function* () {
        const example = yield* started("json")
        expect((yield* Effect.flip(example.connect("/account?token=guess"))).message).toContain("401")
        yield* example.end
      }),
    PATIENCE
  )
})

describe("examples/rpc.ts", () => {
  live(
    "answers its own client, and closes politely",
    () =>
      Effect.gen(function* () {
        const example = yield* started("rpc")
        expect(yield* example.run("Ann")).toBe("Hello, Ann!\n2\n1\n0\n")
        const idle = yield* example.connect("/rpc")
        yield* endingPolitely(example, [idle])
      }),
    PATIENCE
  )
})
