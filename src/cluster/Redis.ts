/**
 * Servers that share a Redis, and are seen as one.
 *
 * Connections stay with the server that holds them, and Redis isn't told of them: it knows who is there, and carries
 * what servers ask of one another. So it has next to nothing to do, however many connections there are, and nothing of
 * theirs waits for it. While it is away each server is alone.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { hostname } from "node:os"
import { Cluster, GOODBYE, type Joined, newEpoch, type Own } from "./Cluster.js"
import { type About, type Ask, type Batch, isServerId, readBatch, type Reply } from "./Envelope.js"
import { gather } from "./Gather.js"
import * as Lease from "./Lease.js"
import * as Message from "./Message.js"
import { Others } from "./Others.js"
import { type RedisConnection, type RedisFailed, target } from "./RedisClient.js"
import { RedisClock } from "./RedisClock.js"
import * as Sessions from "./RedisSessions.js"
import { SharedEvents } from "./SharedEvents.js"

/**
 * Which servers.
 *
 * @example
 * ```ts
 * import type { RedisOptions } from "answerback/Redis"
 * import { Config, Redacted } from "effect"
 *
 * // The URL holds a password: it is never logged.
 * export const options: Config.Config<RedisOptions> = Config.map(Config.url("REDIS_URL"), (url) => ({
 *   url: Redacted.make(url),
 *   prefix: "chat"
 * }))
 * ```
 */
export interface RedisOptions {
  /** `redis://` or, for TLS, `rediss://`, maybe with a user, a password, and the number of a database. */
  readonly url: Redacted.Redacted<URL>
  /** What the names of keys and channels begin with. */
  readonly prefix: string
}

/** How long the start of a server waits for Redis, in milliseconds. */
const AT_START = 2500

/** How often it is looked whether the server has other tags, in milliseconds. */
const LOOK = 500

/** How long after a renewal there is no other, in milliseconds, whoever comes or goes. */
const APART = 10

/** How often it is told that something can't be read, in milliseconds. */
const COMPLAINT = 10_000

const serverId = Effect.map(Effect.all([newEpoch, newEpoch]), (parts) =>
  parts.map((part) => part.padStart(6, "0")).join("")
)

const join = ({ prefix, url }: RedisOptions, own: Own): Effect.Effect<Joined, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { host, port, ...access } = target(Redacted.value(url))
    const names = Lease.names(prefix, access.database)
    const id = yield* serverId
    const name = `${hostname()}/${process.pid}/${id}`
    const run = yield* FiberSet.makeRuntime<never, void>()
    const changes = yield* Queue.sliding<void>(1)
    const clock = new RedisClock()
    const shared = new SharedEvents(id, own.events)
    /** What there is of Redis, and whether the others are seen through it. */
    let redis: RedisConnection | undefined
    let isUp = false
    let isLeaving = false
    const isStaying = () => !isLeaving

    let complainedAt = Number.NEGATIVE_INFINITY
    let ignored = 0
    const complain = (where: string, problem: string): void => {
      ignored += 1
      if (performance.now() - complainedAt < COMPLAINT) return
      complainedAt = performance.now()
      const line = Effect.logWarning("what came from Redis can't be read, and is ignored")
      const short = problem.replaceAll(/\s+/g, " ").slice(0, 200)
      run(Effect.annotateLogs(line, { where, problem: short, ignored }))
      ignored = 0
    }

    const publishBatch = async (batch: Batch): Promise<boolean> =>
      (await redis?.publish(names.events, JSON.stringify(batch))) !== undefined
    const answer = (asker: string, ask: Ask): Effect.Effect<Reply> => {
      if (ask._tag !== "Follow") return Message.answer(own.fleet, ask)
      return Effect.sync(() => ({
        _tag: "Following",
        ...shared.answer(ask, (batch) => others.tell(asker, batch))
      }))
    }
    const others = new Others({
      id,
      name,
      clock,
      send: async (to, text) => ((await redis?.publish(names.to(to), text)) ?? 0) > 0,
      run,
      answer,
      onTold: (batch) => shared.told(batch)
    })

    const tooLong = "it is too long"
    const onOwn = (text: string | undefined): void => {
      const problem = text === undefined ? tooLong : others.receive(text)
      if (problem !== undefined) complain(names.to(id), problem)
    }
    const onChange = (text: string | undefined): void => {
      if (text === id) return
      if (isServerId(text)) Queue.unsafeOffer(changes, undefined)
      else complain(names.all, "it names no server")
    }
    const onEvents = (text: string | undefined): void => {
      if (text === undefined) return complain(names.events, tooLong)
      const batch = readBatch(text)
      if (batch._tag === "Left") complain(names.events, batch.left.message)
      else if (batch.right.from !== id) shared.take(batch.right)
    }

    let announced: ReadonlyArray<string> = []
    const hasChanged = (): boolean => {
      const tags = own.tags()
      return tags.length !== announced.length || tags.some((tag, at) => tag !== announced[at])
    }
    const renew = (redis: RedisConnection): Effect.Effect<void, RedisFailed> =>
      Effect.gen(function* () {
        announced = own.tags()
        const about: About = { name, tags: announced, follows: shared.isFollowing }
        const read = clock.read()
        const found = yield* Lease.renew(redis, names, id, about)
        read(found.now)
        others.found(found)
        if (others.areFollowing) shared.keep()
        shared.look()
        if (found.unreadable > 0) complain(names.servers, `${found.unreadable} of its members are no servers`)
      })
    const untilDue = Effect.gen(function* () {
      const due = performance.now() + Lease.RENEWAL
      // A lease that is given back must not come back.
      while (isStaying()) {
        const left = due - performance.now()
        if (left <= 0 || hasChanged()) return
        const change = yield* Effect.timeoutOption(Queue.take(changes), Math.min(LOOK, left))
        if (change._tag === "Some" && isStaying()) return
      }
      return yield* Effect.never
    })

    /** Lets those tell what happens there, and what has happened meanwhile, who haven't yet. */
    const catchUp = Effect.suspend(() =>
      Effect.forEach(
        shared.isFollowing ? others.ids.filter((other) => shared.isUnknown(other)) : [],
        (other) =>
          Effect.suspend(() => others.ask(other, { _tag: "Follow", ...shared.asking(other) })).pipe(
            Effect.map((reply) =>
              reply._tag === "Following" ? shared.settle(other, reply) : shared.settleWithout(other)
            ),
            Effect.catchAll(() =>
              Effect.sync(() => {
                shared.settleWithout(other)
                // It wasn't for that one to answer.
                if (!isUp) shared.interrupted()
              })
            )
          ),
        { concurrency: "unbounded", discard: true }
      )
    )
    const areToldOf = yield* Deferred.make<void>()
    const begin = Effect.gen(function* () {
      if (redis === undefined || !isUp || !isStaying()) return
      yield* redis.subscribe(names.events, onEvents)
      yield* renew(redis)
      yield* catchUp
    }).pipe(Effect.ignore, Effect.ensuring(Deferred.succeed(areToldOf, undefined)))
    // Whoever follows first may go before all is arranged for the next.
    const follow = Effect.suspend(() => {
      if (!shared.isFollowing) {
        shared.follow()
        run(begin)
      }
      return Deferred.await(areToldOf)
    })

    const first = yield* Deferred.make<void>()
    const sessions = Sessions.keep({
      at: { host, port },
      access,
      server: name,
      onKnown: () => Deferred.unsafeDone(first, Effect.void),
      use: (connection, well) =>
        Effect.gen(function* () {
          redis = connection
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              redis = undefined
              isUp = false
              others.abandon()
              shared.interrupted()
            })
          )
          yield* connection.subscribe(names.to(id), onOwn)
          yield* connection.subscribe(names.all, onChange)
          if (shared.isFollowing) yield* connection.subscribe(names.events, onEvents)
          yield* renew(connection)
          isUp = true
          yield* well
          yield* Effect.forkScoped(catchUp)
          yield* Effect.forkScoped(shared.publishing(() => others.areFollowing, publishBatch))
          const renewals = Effect.gen(function* () {
            yield* untilDue
            yield* renew(connection)
            yield* Effect.forkScoped(catchUp)
            yield* Effect.sleep(APART)
          })
          return yield* Effect.raceFirst(connection.lost, Effect.forever(renewals))
        })
    })
    yield* Effect.forkScoped(sessions)
    // Before the connection ends.
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        isLeaving = true
        if (redis === undefined || !isUp) return Effect.void
        return Effect.zipRight(shared.publishAll(publishBatch), Lease.leave(redis, names, id))
      }).pipe(Effect.ignore, Effect.disconnect, Effect.interruptible, Effect.timeoutOption(GOODBYE))
    )
    yield* Effect.timeoutOption(Deferred.await(first), AT_START)

    const self = { name, fleet: own.fleet }
    return {
      fleet: gather(() => {
        const here = { ...self, tags: own.tags() }
        return isUp ? [here, ...others.members] : [here]
      }),
      events: shared.events,
      follow,
      epoch: yield* newEpoch,
      health: () => (isUp ? "ok" : "degraded"),
      admission: undefined,
      scrape: undefined,
      intake: undefined
    }
  })

/**
 * Servers that share a Redis.
 *
 * @example
 * ```ts
 * import { echo, WebSocketServer } from "answerback"
 * import * as Redis from "answerback/Redis"
 * import { Layer, Redacted } from "effect"
 *
 * const Fleet = Redis.layer({
 *   url: Redacted.make(new URL("redis://localhost:6379")),
 *   prefix: "answerback"
 * })
 *
 * // Its admin API lists and stops the connections of all servers that share this Redis.
 * export const Server = WebSocketServer.layer(echo, { port: 8080 }).pipe(Layer.provide(Fleet))
 * ```
 */
export const layer = (options: RedisOptions): Layer.Layer<Cluster> =>
  Layer.succeed(Cluster, { join: (own) => join(options, own) })
