/**
 * A server of many processes among others that share a Redis: the others see one server.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { ask, follow } from "../support/admin.js"
import { eventually } from "../support/eventually.js"
import { becomes, idsOf, lists, page } from "../support/fleet.js"
import * as Frames from "../support/frames.js"
import { childrenOf } from "../support/processes.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { noRedis, redisServer } from "../support/Redis.js"
import { liveWithTool } from "../support/skip.js"

describe("a server of two workers, beside one of one process, through Redis", () => {
  liveWithTool(noRedis, "is listed, stopped and followed with it, and neither is told of twice", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const env = { ANSWERBACK_REDIS_URL: redis.url }
      const many = yield* Program.start({ env, args: ["--workers", "2"] })
      const one = yield* Program.start({ env })
      yield* becomes(many.port, "ok")
      yield* becomes(one.port, "ok")
      const ofMany = yield* Effect.replicateEffect(RawClient.connect({ port: many.port }), 4)
      const ofOne = yield* Effect.replicateEffect(RawClient.connect({ port: one.port }), 3)
      for (const { port } of [many, many, one]) yield* lists(port, 7)
      const ids = yield* idsOf(one.port, 2)
      expect(ids).toEqual(yield* idsOf(many.port, 3))
      expect(new Set(ids.map((id) => id.slice(-6))).size).toBe(3)

      const followers = [yield* follow(many.port), yield* follow(many.port), yield* follow(one.port)]
      for (const id of ids.slice(0, 2)) {
        const answer = yield* ask({ port: one.port }, `DELETE /connections/${id}?code=4001`)
        expect([answer.status, answer.json]).toEqual([202, { id }])
      }
      const rest = yield* ask({ port: many.port }, "DELETE /connections?code=4002")
      expect([rest.status, rest.json]).toEqual([202, { stopped: 5 }])
      for (const peer of [...ofMany, ...ofOne]) {
        const frame = yield* peer.nextFrame
        expect([4001, 4002]).toContain(Frames.closeOf(frame)?.code)
        yield* peer.answerClose([frame])
      }
      for (const { port } of [many, one]) yield* lists(port, 0)
      for (const { count, received } of followers) {
        yield* count(14)
        const closed = received.filter(({ event }) => event === "closed").map(({ data }) => data["id"])
        expect(new Set(closed)).toEqual(new Set(ids))
        expect(closed).toHaveLength(ids.length)
        expect(received.filter(({ event }) => event === "lagged")).toEqual([])
      }
    })
  )

  liveWithTool(
    noRedis,
    "goes on with its own, all of them, while Redis is away, and says so at either worker",
    () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        const env = { ANSWERBACK_REDIS_URL: redis.url }
        const many = yield* Program.start({ env, args: ["--workers", "2"] })
        const one = yield* Program.start({ env })
        yield* Effect.replicateEffect(RawClient.connect({ port: many.port }), 4)
        yield* RawClient.connect({ port: one.port })
        for (const { port } of [many, one]) yield* lists(port, 5)
        yield* redis.kill
        for (const { port } of [many, many, one]) yield* becomes(port, "degraded")
        for (const { port } of [many, many]) yield* lists(port, 4)
        yield* redis.start
        for (const { port } of [many, many, one]) yield* becomes(port, "ok")
        for (const { port } of [many, many, one]) yield* lists(port, 5)
      })
  )

  liveWithTool(noRedis, "has other tags when a worker is replaced, and leaves the list when it ends", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const env = { ANSWERBACK_REDIS_URL: redis.url }
      const many = yield* Program.start({ env, args: ["--workers", "2", "--close-timeout", "200ms"] })
      const one = yield* Program.start({ env })
      process.kill(childrenOf(many.pid)[0] ?? 0, "SIGKILL")
      yield* many.log.logged("worker replaced")
      yield* Effect.replicateEffect(RawClient.connect({ port: many.port }), 4)
      yield* lists(one.port, 4)
      for (const id of yield* idsOf(many.port)) {
        yield* eventually(
          "it can be looked up at the other",
          Effect.map(ask({ port: one.port }, `GET /connections/${id}`), ({ status }) => status === 200)
        )
      }
      const { code } = yield* Program.stop(many)
      expect(code).toBe(0)
      const seen = yield* page(one.port)
      expect([seen.total, seen.unanswered]).toEqual([0, undefined])
    })
  )
})
