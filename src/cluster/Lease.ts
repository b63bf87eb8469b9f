/**
 * Who is there: a sorted set in Redis, in which each server has a lease that it renews. Its members are `ID JSON`, and
 * their scores when the lease ends, in milliseconds by the clock of Redis: servers needn't agree on the time.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type About, isServerId, readAbout } from "./Envelope.js"
import { RedisFailed, type RedisConnection, script } from "./RedisClient.js"

/** How long a lease lasts, in milliseconds: one who died is to be gone after 15 seconds at the latest. */
export const LEASE = 12_000

/** How often it is renewed, in milliseconds. */
export const RENEWAL = 3000

/** A server with a lease. */
export interface Leased extends About {
  readonly id: string
  /** When the lease ends. */
  readonly until: number
}

/** Names of the keys and channels of a fleet. */
export interface Names {
  /** The sorted set. */
  readonly servers: string
  /** Where it is told who has come, gone or changed. */
  readonly all: string
  /** Where it is told what happens to connections. */
  readonly events: string
  /** Where a server hears what is for it alone. */
  readonly to: (id: string) => string
}

/** Channels belong to no database: so that those of different ones stay apart, its number is in their names. */
export const names = (prefix: string, database: number): Names => {
  const suffix = database === 0 ? "" : `@${database}`
  return {
    servers: `${prefix}:servers`,
    all: `${prefix}:all${suffix}`,
    events: `${prefix}:events${suffix}`,
    to: (id) => `${prefix}:to:${id}${suffix}`
  }
}

/**
 * Finds who is there, and removes the caller's lease if it says something else, and those that have ended. None lasts
 * longer than if it had been renewed just now: a stranger's, or one by a clock that was ahead of this.
 */
const look = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine = ARGV[1] .. ' '
local living, gone, late = {}, {}, {}
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
  local till = math.min(tonumber(all[i + 1]), now + ${LEASE})
  local isMine = string.sub(all[i], 1, #mine) == mine
  if till <= now or (isMine and all[i] ~= ARGV[2]) then
    table.insert(gone, all[i])
  elseif not isMine then
    table.insert(living, all[i])
    table.insert(living, string.format('%.0f', till))
    if till < tonumber(all[i + 1]) then table.insert(late, till); table.insert(late, all[i]) end
  end
end
for i = 1, #gone do redis.call('ZREM', KEYS[1], gone[i]) end
for i = 1, #late, 2 do redis.call('ZADD', KEYS[1], late[i], late[i + 1]) end
`

/** ARGV: the id, the member, the channel for all. */
const renewal = script(`${look}
local isNew = redis.call('ZADD', KEYS[1], now + ${LEASE}, ARGV[2])
redis.call('PEXPIRE', KEYS[1], ${LEASE})
if isNew == 1 then redis.call('PUBLISH', ARGV[3], ARGV[1]) end
return { string.format('%.0f', now), living }`)

/** ARGV: the id, nothing, the channel for all. */
const departure = script(`${look}
redis.call('PUBLISH', ARGV[3], ARGV[1])
return 1`)

const readFound = Schema.decodeUnknownOption(
  Schema.Tuple(Schema.NumberFromString, Schema.Array(Schema.String))
)

const leased = (member: string, until: number): Leased | undefined => {
  const [, id = "", json = ""] = /^(\S+) (.*)$/s.exec(member) ?? []
  const about = readAbout(json)
  return isServerId(id) && Either.isRight(about) ? { ...about.right, id, until } : undefined
}

/** Who was there at a time. */
export interface Found {
  /** By the clock of Redis. */
  readonly now: number
  readonly others: ReadonlyArray<Leased>
  /** How many entries can't be read. */
  readonly unreadable: number
}

const foundIn = (now: number, living: ReadonlyArray<string>): Found => {
  const others: Array<Leased> = []
  for (let at = 0; at < living.length; at += 2) {
    const one = leased(living[at] ?? "", Number(living[at + 1]))
    if (one !== undefined) others.push(one)
  }
  return { now, others, unreadable: living.length / 2 - others.length }
}

/** Renews the lease of a server, and finds the others. */
export const renew = (
  redis: RedisConnection,
  { all, servers }: Names,
  id: string,
  about: About
): Effect.Effect<Found, RedisFailed> =>
  Effect.flatMap(redis.run(renewal, servers, [id, `${id} ${JSON.stringify(about)}`, all]), (reply) =>
    Option.match(readFound(reply), {
      onNone: () => Effect.fail(new RedisFailed({ problem: "it gave an answer that can't be read" })),
      onSome: ([now, living]) => Effect.succeed(foundIn(now, living))
    })
  )

/** Gives it back. */
export const leave = (
  redis: RedisConnection,
  { all, servers }: Names,
  id: string
): Effect.Effect<void, RedisFailed> => Effect.asVoid(redis.run(departure, servers, [id, "", all]))
