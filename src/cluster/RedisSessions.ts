/**
 * One connection to Redis after the other, for as long as a server lives; and the word of it that operators get.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { withPort } from "../config/Network.js"
import * as Metrics from "../telemetry/Metrics.js"
import { type Access, type Address, connect, type RedisConnection, RedisFailed } from "./RedisClient.js"

/** The first and the longest wait before Redis is tried once more, in milliseconds. */
const FIRST_WAIT = 50
const LONGEST_WAIT = 1000

/** How long all must be well, in milliseconds, for the waits to begin anew. */
const STEADY = 5000

/** What is done with a connection. */
export interface SessionsOptions {
  readonly at: Address
  readonly access: Access
  /** What the server is called. */
  readonly server: string
  /** Uses a connection until it fails; `well` is to be run once the others are seen through it. */
  readonly use: (
    redis: RedisConnection,
    well: Effect.Effect<void>
  ) => Effect.Effect<never, RedisFailed, Scope.Scope>
  /** It is known whether Redis is there. */
  readonly onKnown: () => void
}

/** Has connections, each of which is used until it fails. */
export const keep = ({ access, at: given, onKnown, server, use }: SessionsOptions): Effect.Effect<never> =>
  Effect.gen(function* () {
    /** Nodes of a Redis Cluster: the one that the URL names may be the one that fails. */
    let nodes: ReadonlyArray<Address> = []
    let isAway = false

    const where = ({ host, port }: Address) => ({ redis: withPort(host, port), server })
    const well = (at: Address, redis: RedisConnection) =>
      Effect.gen(function* () {
        onKnown()
        Metrics.redisIsUp(true)
        const line = isAway
          ? "Redis is back: other servers are seen again"
          : "other servers are seen through Redis"
        isAway = false
        yield* Effect.annotateLogs(Effect.logInfo(line), where(at))
        nodes = yield* redis.nodes
      })
    const away = (at: Address, problem: string) =>
      Effect.suspend(() => {
        onKnown()
        Metrics.redisIsUp(false)
        if (isAway) return Effect.void
        isAway = true
        const line = Effect.logWarning("Redis is away: other servers are not seen until it is back")
        return Effect.annotateLogs(line, { ...where(at), problem })
      })
    const session = (at: Address): Effect.Effect<RedisFailed> =>
      Effect.flatMap(connect(at, access), (redis) => use(redis, well(at, redis))).pipe(
        Effect.scoped,
        Effect.catchAllDefect((defect) => Effect.fail(new RedisFailed({ problem: String(defect) }))),
        Effect.flip
      )

    let at = given
    let wait = FIRST_WAIT
    for (let attempt = 1; ; attempt++) {
      const begun = performance.now()
      const { moved, problem } = yield* session(at)
      if (moved === undefined) yield* away(at, problem)
      const known = [given, ...nodes]
      // A node may not know by what name it is reached.
      at =
        moved === undefined
          ? (known[attempt % known.length] ?? given)
          : { ...moved, host: moved.host || at.host }
      if (performance.now() - begun > STEADY) wait = FIRST_WAIT
      // Not all servers at once.
      yield* Effect.sleep(wait * (1 - Math.random() / 4))
      wait = Math.min(wait * 2, LONGEST_WAIT)
    }
  })
