/**
 * What becomes of servers when their Redis goes away, is slow, refuses or is full: each serves its own, says so, and
 * catches up.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { ask, follow } from "../support/admin.js"
import { eventually } from "../support/eventually.js"
import { becomes, idsOf, lists, page, readiness } from "../support/fleet.js"
import * as Frames from "../support/frames.js"
import { freePort } from "../support/freePort.js"
import { scrape } from "../support/metrics.js"
import * as RawClient from "../support/RawClient.js"
import { noRedis, redisServer, sharing, sharingMany, type TestRedis } from "../support/Redis.js"
import type { TestServer } from "../support/server.js"
import { liveWithTool } from "../support/skip.js"

const AWAY = "Redis is away: other servers are not seen until it is back"
const BACK = "Redis is back: other servers are seen again"

/** What the contract allows, in milliseconds. */
const SOON = 10_000

const connectTo = (server: TestServer) => RawClient.connect({ port: server.port })

const chat = (peer: RawClient.RawClient, text: string) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.text(text))
    expect((yield* peer.nextMessage).text).toBe(text)
  })

const countOf = (server: TestServer, message: string) =>
  server.logs.filter((line) => line["message"] === message).length

/** Goes away, and comes back. */
interface Absence {
  readonly begin: (redis: TestRedis) => Effect.Effect<unknown>
  readonly end: (redis: TestRedis) => Effect.Effect<unknown>
  readonly problem: RegExp
}

const absences: Readonly<Record<string, Absence>> = {
  "is killed, and started again with nothing in it": {
    begin: ({ kill }) => kill,
    end: ({ start }) => start,
    problem: /ECONN|closed/i
  },
  "hangs, and goes on": {
    begin: ({ signal }) => signal("SIGSTOP"),
    end: ({ signal }) => signal("SIGCONT"),
    problem: /no answer .* within 2000 ms/
  },
  "is made a replica, which is read-only, and a primary again": {
    begin: ({ cli }) => cli("replicaof", "127.0.0.1", "1"),
    end: ({ cli }) => cli("replicaof", "no", "one"),
    problem: /READONLY|MASTERDOWN/
  },
  "is full, and is given room": {
    begin: ({ cli }) => cli("config", "set", "maxmemory", "1"),
    end: ({ cli }) => cli("config", "set", "maxmemory", "0"),
    problem: /OOM/
  },
  "holds something else under the name, and doesn't any more": {
    begin: ({ cli }) => cli("set", "answerback:servers", "mine"),
    end: ({ cli }) => cli("del", "answerback:servers"),
    problem: /WRONGTYPE/
  }
}

describe("when Redis", () => {
  for (const [name, { begin, end, problem }] of Object.entries(absences)) {
    liveWithTool(noRedis, `${name}, each server goes on alone, and then they see one another again`, () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        const servers = yield* sharingMany(2, redis)
        const [one, other] = servers
        if (one === undefined || other === undefined) return
        const peers = yield* Effect.forEach(servers, connectTo)
        const follower = yield* follow(one.port)
        yield* lists(one.port, 2)
        expect((yield* scrape(one.port)).get("answerback_redis_up")).toBe(1)

        yield* begin(redis)
        for (const server of servers) {
          expect(yield* becomes(server.port, "degraded")).toBeLessThan(SOON)
          const line = yield* server.logged(AWAY, { level: "warn" })
          expect(line).toMatchObject({ redis: `127.0.0.1:${redis.port}` })
          expect(line["problem"]).toMatch(problem)
        }
        expect((yield* scrape(one.port)).get("answerback_redis_up")).toBe(0)
        const start = performance.now()
        for (const peer of peers) yield* chat(peer, "still here")
        const own = yield* page(one.port)
        expect(own.total).toBe(1)
        expect(own.unanswered).toBeUndefined()
        expect(yield* page(other.port)).toMatchObject({ total: 1 })
        const [id] = yield* idsOf(other.port)
        expect((yield* ask({ port: one.port }, `DELETE /connections/${id}`)).status).toBe(404)
        // Nothing of it waited for Redis.
        expect(performance.now() - start).toBeLessThan(1000)
        // It happens unseen by the other, and is caught up with.
        yield* connectTo(other)
        expect(follower.received).toHaveLength(0)

        yield* end(redis)
        for (const server of servers) {
          expect(yield* becomes(server.port, "ok")).toBeLessThan(SOON)
          yield* server.logged(BACK, { level: "info" })
        }
        for (const { port } of servers) yield* lists(port, 3)
        expect((yield* follower.count(1)).map(({ event }) => event)).toEqual(["opened"])
        for (const server of servers) {
          expect(countOf(server, AWAY)).toBe(1)
          expect(countOf(server, BACK)).toBe(1)
        }
      })
    )
  }

  liveWithTool(noRedis, "isn't there yet, a server starts at once, and joins the others when it comes", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const start = performance.now()
      const servers = yield* sharingMany(2, { url: `redis://127.0.0.1:${port}` })
      expect(performance.now() - start).toBeLessThan(5000)
      for (const server of servers) {
        expect(yield* readiness(server.port)).toBe("degraded")
        yield* connectTo(server)
        yield* lists(server.port, 1)
      }
      yield* redisServer({ port })
      for (const server of servers) {
        expect(yield* becomes(server.port, "ok")).toBeLessThan(SOON)
        yield* lists(server.port, 2)
      }
    })
  )

  liveWithTool(noRedis, "hangs, it holds up neither the start of a server nor its end for long", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const early = yield* sharing(redis)
      yield* redis.signal("SIGSTOP")
      const start = performance.now()
      const late = yield* sharing(redis)
      expect(performance.now() - start).toBeLessThan(5000)
      expect(yield* readiness(late.port)).toBe("degraded")
      for (const server of [early, late]) {
        const before = performance.now()
        yield* server.shutdown
        expect(performance.now() - before).toBeLessThan(1000)
      }
      yield* redis.signal("SIGCONT")
    })
  )

  liveWithTool(noRedis, "was away for more events than are kept, who follows is told how many are lost", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const [one, other] = yield* sharingMany(2, redis)
      if (one === undefined || other === undefined) return
      const follower = yield* follow(one.port)
      yield* redis.kill
      yield* becomes(other.port, "degraded")
      yield* Effect.forEach(Array.from({ length: 350 }), () => Effect.scoped(connectTo(other)), {
        concurrency: 20
      })
      // The server sees them end later than they do.
      yield* eventually(
        "all have been told of",
        Effect.sync(() => other.logs.filter(({ message }) => message === "connection closed").length === 350)
      )
      yield* redis.start
      const [lagged, ...rest] = yield* follower.count(1001)
      expect(lagged).toMatchObject({ event: "lagged", data: { lost: 50 } })
      expect(rest).toHaveLength(1000)
    })
  )

  liveWithTool(
    noRedis,
    "is away for one of them only, that one catches up with what the other told meanwhile",
    () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        const allow = (user: string, ...rules: ReadonlyArray<string>) =>
          redis.cli("acl", "setuser", user, ">x", "~*", "&*", "+@all", ...rules)
        const servers = yield* Effect.forEach(["one", "other"], (user) =>
          Effect.zipRight(allow(user, "on"), sharing({ url: `redis://${user}:x@127.0.0.1:${redis.port}` }))
        )
        const [one, other] = servers
        if (one === undefined || other === undefined) return
        const [here, there] = [yield* follow(one.port), yield* follow(other.port)]
        yield* allow("one", "off")
        yield* redis.cli("client", "kill", "user", "one")
        yield* becomes(one.port, "degraded")
        yield* Effect.scoped(connectTo(other))
        // It has been published.
        yield* there.count(3)
        yield* Effect.scoped(connectTo(one))
        yield* here.count(3)
        expect(yield* readiness(other.port)).toBe("ok")
        yield* allow("one", "on")
        // It goes on while that one comes back.
        const visits = Effect.forEach(Array.from({ length: 60 }), () => Effect.scoped(connectTo(other)), {
          concurrency: 2
        })
        const back = Effect.gen(function* () {
          yield* becomes(one.port, "ok")
          const start = performance.now()
          yield* here.count(6)
          // It doesn't wait for the next renewal.
          expect(performance.now() - start).toBeLessThan(2000)
        })
        yield* Effect.all([back, visits], { concurrency: "unbounded" })
        for (const follower of [here, there]) {
          const received = yield* follower.count(186)
          expect(received).toHaveLength(186)
          expect(new Set(received.map(({ data, event }) => `${event} ${String(data["id"])}`)).size).toBe(186)
          expect(received.map(({ event }) => event)).not.toContain("lagged")
        }
      })
  )
})
