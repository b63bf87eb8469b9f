/**
 * Many servers, seen as one: also through messages between them.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { type Fleet, NoAnswer } from "../../src/cluster/Fleet.js"
import { gather, type Member } from "../../src/cluster/Gather.js"
import * as Message from "../../src/cluster/Message.js"
import { check, GOING_AWAY } from "../../src/protocol/CloseCode.js"
import { ConnectionId, ConnectionNotFound } from "../../src/protocol/ConnectionId.js"
import { refusal } from "../../src/protocol/Handshake.js"
import type { ConnectionInfo } from "../../src/registry/ConnectionInfo.js"

const infoOf = (id: string): ConnectionInfo => ({
  id: ConnectionId(id),
  remote: "[::1]:1234",
  path: "/echo",
  subprotocol: null,
  openedAt: 1,
  lastMessageAt: null,
  messagesIn: 2,
  messagesOut: 3,
  bytesIn: 4,
  bytesOut: 5,
  bufferedBytes: 6,
  state: "open"
})

/** A server with these connections, and what was done to them. */
const server = (ids: ReadonlyArray<string>, done: Array<string> = []): Fleet => {
  const sorted = ids.toSorted()
  const one = <A>(id: string, then: () => A) =>
    Effect.suspend(() => (ids.includes(id) ? Effect.sync(then) : Effect.fail(new ConnectionNotFound({ id }))))
  return {
    page: ({ after = "", limit }) =>
      Effect.sync(() => {
        const left = sorted.filter((id) => id > after)
        const page = left.slice(0, limit).map(infoOf)
        return {
          total: ids.length,
          connections: page,
          next: left.length > limit ? (page.at(-1)?.id ?? null) : null,
          unanswered: []
        }
      }),
    get: (id) => one(id, () => infoOf(id)),
    stop: (id, { code = GOING_AWAY, reason = "" } = {}) =>
      Effect.zipRight(
        check(code, reason),
        one(id, () => void done.push(`stop ${id} ${code} ${reason}`))
      ),
    stopAll: ({ code = GOING_AWAY, reason = "" } = {}) =>
      Effect.map(check(code, reason), () => {
        done.push(...ids.map((id) => `stop ${id} ${code} ${reason}`))
        return { stopped: ids.length, unanswered: [] }
      }),
    applyFault: (id, plan) =>
      plan === "{}"
        ? Effect.fail(refusal(400, "InvalidFault", "no fault"))
        : one(id, () => void done.push(`fault ${id} ${plan}`))
  }
}

const overJson = <A, I>(schema: Schema.Schema<A, I>, it: A): A =>
  Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(it)))

/** The same, with messages as JSON between. */
const far = (name: string, fleet: Fleet): Fleet<NoAnswer> =>
  Message.remote(name, (request) =>
    Effect.map(Message.answer(fleet, overJson(Message.Request, request)), (answer) =>
      overJson(Message.Answer, answer)
    )
  )

const silent: Fleet<NoAnswer> = Message.remote("silent", () =>
  Effect.fail(new NoAnswer({ server: "silent" }))
)

const TAGS = ["aaaaaa", "bbbbbb", "cccccc"] as const

const member = (tag: string, fleet: Fleet<NoAnswer>): Member => ({ name: tag, tags: [tag], fleet })

/** Servers with so many connections each, whose ids are among one another. */
const servers = (numbers: ReadonlyArray<ReadonlyArray<number>>, done: Array<string> = []) =>
  numbers.map((ids, at) => {
    const tag = TAGS[at] ?? ""
    const own = server(
      ids.map((id) => `${String(id).padStart(5, "0")}${tag}`),
      done
    )
    return member(tag, far(tag, own))
  })

const set = FC.uniqueArray(FC.integer({ min: 0, max: 300 }), { maxLength: 20 })

describe("many servers", () => {
  it.effect.prop(
    "have pages in which each connection stands once, in the order of the ids",
    [FC.tuple(set, set, set), FC.integer({ min: 1, max: 20 })],
    ([numbers, limit]) =>
      Effect.gen(function* () {
        const fleet = gather(() => servers(numbers))
        const ids = numbers.flatMap((some, at) =>
          some.map((id) => `${String(id).padStart(5, "0")}${TAGS[at]}`)
        )
        const listed: Array<string> = []
        for (let after: string | null = ""; after !== null;) {
          const page: Effect.Effect.Success<ReturnType<Fleet["page"]>> = yield* fleet.page({ limit, after })
          expect(page.total).toBe(ids.length)
          expect(page.connections.length).toBeLessThanOrEqual(limit)
          if (page.next !== null) expect(page.connections).toHaveLength(limit)
          listed.push(...page.connections.map(({ id }) => id))
          after = page.next
        }
        expect(listed).toEqual(ids.toSorted())
      })
  )

  it.effect("do what is asked about one connection where that is", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      const fleet = gather(() => servers([[1], [2]], done))
      expect(yield* fleet.get("00002bbbbbb")).toEqual(infoOf("00002bbbbbb"))
      yield* fleet.stop("00001aaaaaa", { code: 4001, reason: "enough" })
      yield* fleet.stop("00002bbbbbb")
      yield* fleet.applyFault("00002bbbbbb", '{"fault":"reset"}')
      expect(done).toEqual([
        "stop 00001aaaaaa 4001 enough",
        "stop 00002bbbbbb 1001 ",
        'fault 00002bbbbbb {"fault":"reset"}'
      ])
    })
  )

  it.effect("say what is wrong as one would", () =>
    Effect.gen(function* () {
      const fleet = gather(() => servers([[1], [2]]))
      for (const id of ["00003bbbbbb", "00001cccccc", "", "x"]) {
        expect(yield* Effect.flip(fleet.get(id))).toEqual(new ConnectionNotFound({ id }))
        expect(yield* Effect.flip(fleet.stop(id))).toEqual(new ConnectionNotFound({ id }))
        expect(yield* Effect.flip(fleet.applyFault(id, "x"))).toEqual(new ConnectionNotFound({ id }))
      }
      expect(yield* Effect.flip(fleet.stop("00001aaaaaa", { code: 1005 }))).toMatchObject({
        _tag: "InvalidClose",
        message: expect.stringContaining("1005")
      })
      expect(yield* Effect.flip(fleet.applyFault("00001aaaaaa", "{}"))).toMatchObject({
        _tag: "Refusal",
        status: 400,
        error: "InvalidFault"
      })
    })
  )

  it.effect("are all stopped, and counted, but none with a code that can't be sent", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      const fleet = gather(() => servers([[1, 2], [3], []], done))
      expect(yield* Effect.flip(fleet.stopAll({ code: 999 }))).toMatchObject({ _tag: "InvalidClose" })
      expect(done).toEqual([])
      expect(yield* fleet.stopAll({ code: 4000, reason: "all" })).toEqual({ stopped: 3, unanswered: [] })
      expect(done).toHaveLength(3)
    })
  )

  it.effect("are told without the one that doesn't answer, which is named", () =>
    Effect.gen(function* () {
      const fleet = gather(() => [...servers([[1, 2]]), member("dddddd", silent)])
      expect(yield* fleet.page({ limit: 10 })).toMatchObject({ total: 2, unanswered: ["dddddd"], next: null })
      expect(yield* fleet.stopAll()).toEqual({ stopped: 2, unanswered: ["dddddd"] })
      const all: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        fleet.get("1dddddd"),
        fleet.stop("1dddddd"),
        fleet.applyFault("1dddddd", "x")
      ]
      for (const asked of all)
        expect(yield* Effect.flip(asked)).toMatchObject({ _tag: "NoAnswer", server: "silent" })
    })
  )

  it.effect("may be many themselves", () =>
    Effect.gen(function* () {
      const inner = gather(() => [...servers([[1], [2]]), member("dddddd", silent)])
      const fleet = gather(() => [
        { name: "many", tags: [...TAGS, "dddddd"], fleet: far("many", inner) },
        member("eeeeee", far("one", server(["00003eeeeee"])))
      ])
      expect(yield* fleet.page({ limit: 10 })).toMatchObject({ total: 3, unanswered: ["dddddd"] })
      expect((yield* fleet.get("00002bbbbbb")).id).toBe("00002bbbbbb")
      expect(yield* Effect.flip(fleet.get("00002dddddd"))).toMatchObject({
        _tag: "NoAnswer",
        server: "silent"
      })
    })
  )
})

describe("an answer that is none to what was asked", () => {
  it.effect("counts as none", () =>
    Effect.gen(function* () {
      const odd = Message.remote("odd", () => Effect.succeed({ _tag: "Stopped", stopped: 1, unanswered: [] }))
      const all: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        odd.get("x"),
        odd.stop("x"),
        odd.applyFault("x", "y"),
        odd.page({ limit: 1 })
      ]
      for (const asked of all)
        expect(yield* Effect.flip(asked)).toMatchObject({ _tag: "NoAnswer", server: "odd" })
      const other = Message.remote("odd", () => Effect.succeed({ _tag: "Done" }))
      expect(yield* Effect.flip(other.stopAll())).toMatchObject({ _tag: "NoAnswer" })
    })
  )
})
