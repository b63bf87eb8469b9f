/**
 * Joining others through Redis, whatever it is that joins: also what stands for several processes, which come and go.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { describe, expect } from "vitest"
import { Cluster, type Own } from "../../src/cluster/Cluster.js"
import type { Fleet } from "../../src/cluster/Fleet.js"
import type { Event } from "../../src/cluster/Message.js"
import * as Redis from "../../src/cluster/Redis.js"
import { ConnectionNotFound } from "../../src/protocol/ConnectionId.js"
import { Events } from "../../src/registry/Events.js"
import { eventually } from "../support/eventually.js"
import { noRedis, redisServer } from "../support/Redis.js"
import { liveWithTool } from "../support/skip.js"

/** Nobody's connections; which were asked to stop. */
const nobody = () => {
  const stopped: Array<string> = []
  const fleet: Fleet = {
    page: () => Effect.succeed({ total: 0, connections: [], next: null, unanswered: ["worker 3"] }),
    get: (id) => Effect.fail(new ConnectionNotFound({ id })),
    stop: (id) => Effect.sync(() => void stopped.push(id)),
    stopAll: () => Effect.succeed({ stopped: 7, unanswered: ["worker 3"] }),
    applyFault: () => Effect.void
  }
  return { fleet, stopped }
}

const join = (url: string, own: Partial<Own>) =>
  Effect.gen(function* () {
    const { join } = yield* Cluster
    return yield* join({
      fleet: nobody().fleet,
      tags: () => [],
      events: new Events<Event>(),
      families: () => [],
      ...own
    })
  }).pipe(
    Effect.provide(Redis.layer({ url: Redacted.make(new URL(url)), prefix: "answerback" })),
    Effect.provide(Layer.mergeAll(Logger.remove(Logger.defaultLogger)))
  )

describe("what joins others", () => {
  liveWithTool(noRedis, "is asked about the connections of the processes that it has at the time", () =>
    Effect.gen(function* () {
      const { url } = yield* redisServer()
      let tags = ["aaaaaa", "bbbbbb"]
      const { fleet, stopped } = nobody()
      yield* join(url, { fleet, tags: () => tags })
      const other = yield* join(url, {})
      yield* other.fleet.stop("1aaaaaa")
      yield* other.fleet.stop("1bbbbbb")
      expect((yield* Effect.flip(other.fleet.stop("1cccccc")))._tag).toBe("ConnectionNotFound")
      const start = performance.now()
      for (const tag of ["cccccc", "dddddd", "eeeeee"]) {
        tags = ["aaaaaa", tag]
        yield* eventually(
          "the new process is known",
          other.fleet.stop(`1${tag}`).pipe(
            Effect.as(true),
            Effect.orElseSucceed(() => false)
          )
        )
      }
      // Sooner than with the renewals that come anyway.
      expect(performance.now() - start).toBeLessThan(5000)
      expect((yield* Effect.flip(other.fleet.stop("1bbbbbb")))._tag).toBe("ConnectionNotFound")
      expect(stopped).toEqual(["1aaaaaa", "1bbbbbb", "1cccccc", "1dddddd", "1eeeeee"])
    })
  )

  liveWithTool(noRedis, "may itself miss an answer, and say so", () =>
    Effect.gen(function* () {
      const { url } = yield* redisServer()
      yield* join(url, {})
      const other = yield* join(url, {})
      expect(yield* other.fleet.page({ limit: 10 })).toEqual({
        total: 0,
        connections: [],
        next: null,
        unanswered: ["worker 3", "worker 3"]
      })
      expect(yield* other.fleet.stopAll()).toEqual({ stopped: 14, unanswered: ["worker 3", "worker 3"] })
    })
  )
})
