/**
 * Servers that share a Redis, each a process of its own, which may die or hang.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { readFileSync } from "node:fs"
import { describe, expect } from "vitest"
import { ask, follow } from "../support/admin.js"
import { becomes, idsOf, lists, page } from "../support/fleet.js"
import * as Frames from "../support/frames.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { noRedis, redisServer, type TestRedis } from "../support/Redis.js"
import { liveWithTool } from "../support/skip.js"

const PATIENCE = 2000

const programs = (redis: TestRedis, count: number, args: ReadonlyArray<string> = []) =>
  Effect.all(
    Array.from({ length: count }, () => Program.start({ env: { ANSWERBACK_REDIS_URL: redis.url }, args })),
    { concurrency: "unbounded" }
  )

/** Runs an effect, and tells how many milliseconds it took. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = performance.now()
    const value = yield* effect
    return [value, performance.now() - start] as const
  })

const chat = (peer: RawClient.RawClient, text: string) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.text(text))
    expect((yield* peer.nextMessage).text).toBe(text)
  })

/** Commands that Redis has run, those of scripts among them. */
const commands = (redis: TestRedis) =>
  Effect.map(redis.cli("info", "commandstats"), (text) => {
    const counts = [...text.matchAll(/^cmdstat_([\w|]+):calls=(\d+)/gm)].filter(([, name]) => name !== "info")
    const renewals = counts.find(([, name]) => name === "evalsha")?.[2]
    return {
      calls: counts.reduce((sum, [, , calls]) => sum + Number(calls), 0),
      renewals: Number(renewals ?? 0)
    }
  })

/** The id of the connection that the last opened, as the server itself lists it. */
const holding = (port: number, known: ReadonlyArray<string>) =>
  Effect.map(idsOf(port), (ids) => ids.find((id) => !known.includes(id)) ?? "")

describe("a server that shares a Redis", () => {
  liveWithTool(noRedis, "and is killed, is gone from stops at once, and from lists within 15 seconds", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const [one, other, dying] = yield* programs(redis, 3)
      if (one === undefined || other === undefined || dying === undefined) return
      // Idle: their number makes no difference, or 10,000 would be here.
      for (const { port } of [one, other])
        yield* Effect.forEach(Array.from({ length: 100 }), () => RawClient.connect({ port }), {
          concurrency: 20
        })
      const known = yield* idsOf(one.port)
      yield* RawClient.connect({ port: dying.port })
      yield* lists(one.port, 201)
      const id = yield* holding(one.port, known)
      yield* dying.signal("SIGKILL")
      yield* dying.exit
      const [gone, atOnce] = yield* timed(ask({ port: one.port }, `DELETE /connections/${id}`))
      expect(gone).toMatchObject({ status: 504, json: { error: "NoAnswer" } })
      expect(atOnce).toBeLessThan(1000)
      const rest = yield* page(one.port, "limit=1")
      expect(rest.total).toBe(200)
      expect(rest.unanswered?.[0]).toContain(`/${dying.pid}/`)

      const died = performance.now()
      yield* redis.cli("config", "resetstat")
      const twiceEach = commands(redis).pipe(
        Effect.filterOrFail(
          ({ renewals }) => renewals >= 4,
          () => new Error("there were less than four renewals")
        ),
        Effect.retry(Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurs(50)))
      )
      const [{ calls }, elapsed] = yield* timed(twiceEach)
      expect(calls / (elapsed / 1000)).toBeLessThan(10)
      yield* lists(one.port, 200, 15_000)
      expect(performance.now() - died).toBeLessThan(15_000)
      expect((yield* ask({ port: one.port }, `GET /connections/${id}`)).status).toBe(404)
    })
  )

  liveWithTool(noRedis, "and hangs, is waited for once, and does nothing that it was asked too late", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const [one, hanging, third] = yield* programs(redis, 3)
      if (one === undefined || hanging === undefined || third === undefined) return
      yield* RawClient.connect({ port: one.port })
      const known = yield* idsOf(one.port)
      const peer = yield* RawClient.connect({ port: hanging.port })
      yield* lists(one.port, 2)
      yield* lists(third.port, 2)
      const id = yield* holding(one.port, known)

      yield* hanging.signal("SIGSTOP")
      const [first, slow] = yield* timed(page(one.port))
      expect(first.total).toBe(1)
      expect(first.unanswered).toHaveLength(1)
      expect(first.unanswered?.[0]).toContain(`/${hanging.pid}/`)
      expect(slow).toBeGreaterThan(PATIENCE - 100)
      expect(slow).toBeLessThan(2 * PATIENCE)
      for (let again = 0; again < 5; again++) {
        const [next, fast] = yield* timed(page(one.port))
        expect(next.unanswered).toEqual(first.unanswered)
        expect(fast).toBeLessThan(1000)
      }
      const requests = [
        ask({ port: third.port }, `DELETE /connections/${id}`),
        ask({ port: third.port }, `POST /connections/${id}/faults`, { body: '{"fault":"reset"}' }),
        ask({ port: one.port }, `DELETE /connections/${id}`)
      ]
      for (const answer of yield* Effect.all(requests, { concurrency: "unbounded" })) {
        expect(answer).toMatchObject({ status: 504, json: { error: "NoAnswer" } })
        expect(JSON.stringify(answer.json)).toContain(`/${hanging.pid}/`)
      }

      yield* hanging.signal("SIGCONT")
      // What it is asked now it answers after what it was asked before.
      for (const { port } of [third, one]) yield* lists(port, 2)
      yield* chat(peer, "still here")
      expect((yield* page(one.port)).connections.map(({ state }) => state)).toEqual(["open", "open"])
      expect(yield* ask({ port: one.port }, `DELETE /connections/${id}`)).toMatchObject({ status: 202 })
      expect(Frames.describe(yield* peer.nextFrame)).toBe("close 1001 connection interrupted")
    })
  )

  liveWithTool(
    noRedis,
    "and ends in order, tells its last, leaves the list within 3 seconds, and ends in time",
    () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        const [one, ending] = yield* programs(redis, 2, ["--drain-timeout", "2s"])
        if (one === undefined || ending === undefined) return
        const follower = yield* follow(one.port)
        // It doesn't answer its Close frame: it is destroyed when the time is up.
        yield* RawClient.connect({ port: ending.port })
        yield* lists(one.port, 1)
        const { code, elapsed } = yield* Program.stop(ending)
        expect(code).toBe(0)
        expect(elapsed).toBeLessThan(2600)
        const [, gone] = yield* timed(lists(one.port, 0))
        expect(gone).toBeLessThan(3000)
        const received = yield* follower.count(3)
        expect(received.map(({ event }) => event)).toEqual(["opened", "stopping", "closed"])
        expect(received[2]?.data).toMatchObject({ reason: "ServerShutdown" })
        // Redis being away doesn't hold up the end.
        yield* redis.signal("SIGSTOP")
        const last = yield* Program.stop(one)
        expect(last.code).toBe(0)
        expect(last.elapsed).toBeLessThan(1500)
      })
  )

  liveWithTool(noRedis, "is given a password by the environment that nobody sees", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer({ args: ["--requirepass", "hush-hush"], cli: ["-a", "hush-hush"] })
      const env = {
        ANSWERBACK_REDIS_URL: `redis://:hush-hush@127.0.0.1:${redis.port}`,
        ANSWERBACK_REDIS_PREFIX: "mine"
      }
      const program = yield* Program.start({ env, args: ["--log-level", "trace"] })
      yield* becomes(program.port, "ok")
      expect(readFileSync(`/proc/${program.pid}/cmdline`, "utf8")).not.toContain("hush")
      yield* redis.kill
      yield* becomes(program.port, "degraded")
      yield* redis.start
      yield* becomes(program.port, "ok")
      yield* Program.stop(program)
      expect(program.stdout() + program.stderr()).not.toContain("hush")
      for (const url of [
        "http://me:hush-hush@host",
        "redis://me:hush-hush@host?x",
        "redis://me:hush-hush@:1/x"
      ]) {
        const { code, stderr, stdout } = yield* Program.run({ env: { ANSWERBACK_REDIS_URL: url } })
        expect(code).toBe(2)
        expect(stderr).toMatch(
          /^answerback: ANSWERBACK_REDIS_URL .*can't be read: accepted is a URL such as redis:/
        )
        expect(stdout + stderr).not.toContain("hush")
      }
    })
  )
})
