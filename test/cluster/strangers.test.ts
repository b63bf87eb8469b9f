/**
 * What strangers put into Redis: it is ignored, said so once, and harms nobody.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { follow } from "../support/admin.js"
import { eventually } from "../support/eventually.js"
import { becomes, lists, page, readiness } from "../support/fleet.js"
import * as RawClient from "../support/RawClient.js"
import { noRedis, redisServer, sharingMany, type TestRedis } from "../support/Redis.js"
import { liveWithTool } from "../support/skip.js"

const IGNORED = "what came from Redis can't be read, and is ignored"
const STRANGER = "strangerstra"

const connection = {
  id: "x",
  remote: "r",
  path: "/",
  subprotocol: null,
  openedAt: 1,
  lastMessageAt: null,
  messagesIn: 0,
  messagesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  bufferedBytes: 0,
  state: "open"
}

/** What can't be read, or means nothing. */
const nonsense: ReadonlyArray<string> = [
  "",
  "{",
  "null",
  "[]",
  "\u0001\u0002",
  '{"from":"me"}',
  ...[
    { from: STRANGER, name: "n", packet: {} },
    { from: STRANGER, name: "n", packet: { ask: 1 } },
    { from: STRANGER, name: "n", packet: { ask: -1, it: { _tag: "StopAll" } }, until: 1e15 },
    { from: STRANGER, name: "n", packet: { ask: 1, it: { _tag: "Nonsense" } }, until: 1e15 },
    { from: STRANGER, name: "n", packet: { ask: 1, it: { _tag: "Stop", id: 5 } }, until: 1e15 },
    // Without a time by which it is to be done, or too late.
    { from: STRANGER, name: "n", packet: { ask: 1, it: { _tag: "StopAll" } } },
    { from: STRANGER, name: "n", packet: { ask: 1, it: { _tag: "StopAll" } }, until: 1 },
    { from: STRANGER, name: "n", packet: { answer: 1, it: { _tag: "Page", total: 5 } } },
    { from: STRANGER, name: "n", packet: { answer: 99, it: { _tag: "Done" } } },
    { from: STRANGER, name: "n", packet: { working: 7 } },
    { from: STRANGER, name: "n", packet: { tell: { from: STRANGER, since: 0, events: [{}] } } },
    { from: STRANGER, name: "x".repeat(10_000), packet: { working: 7 } },
    {
      from: STRANGER,
      since: 0,
      events: [{ number: 1, event: { _tag: "opened", connection: { ...connection, state: "odd" } } }]
    },
    { from: STRANGER, since: -1, events: [] },
    { from: "../..", since: 0, events: [] }
  ].map((value) => JSON.stringify(value))
]

/** Publishes all of it on these channels. */
const publishAll = (redis: TestRedis, channels: ReadonlyArray<string>) => {
  const script =
    "for _, text in ipairs(ARGV) do for _, name in ipairs(KEYS) do redis.call('publish', name, text) end end"
  return redis.cli("eval", script, String(channels.length), ...channels, ...nonsense)
}

describe("what a stranger writes to Redis", () => {
  liveWithTool(noRedis, "on any channel stops nobody, shows nowhere and is said once", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const servers = yield* sharingMany(2, redis)
      const [one, other] = servers
      if (one === undefined || other === undefined) return
      yield* RawClient.connect({ port: other.port })
      const follower = yield* follow(one.port)
      yield* lists(one.port, 1)
      const channels = (yield* redis.cli("pubsub", "channels")).trim().split("\n")
      // One each, that for all, and the events, which one follows.
      expect(channels).toHaveLength(4)
      yield* publishAll(redis, channels)
      // It is heard after all that.
      yield* RawClient.connect({ port: other.port })
      const [event] = yield* follower.count(1)
      expect(event).toMatchObject({ event: "opened" })
      for (const server of servers) {
        yield* lists(server.port, 2)
        expect(yield* readiness(server.port)).toBe("ok")
        const lines = server.logs.filter(({ level }) => level !== "info" && level !== "debug")
        expect(lines.map(({ level, message }) => [level, message])).toEqual([["warn", IGNORED]])
      }
      expect((yield* page(one.port)).connections.map(({ state }) => state)).toEqual(["open", "open"])
      expect(follower.received).toHaveLength(1)
    })
  )

  liveWithTool(noRedis, "that is too large isn't read", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const [server] = yield* sharingMany(1, redis)
      if (server === undefined) return
      const channel = (yield* redis.cli("pubsub", "channels", "*:to:*")).trim()
      const script = `return redis.call('publish', KEYS[1], string.rep('x', 5 * 1024 * 1024))`
      yield* redis.cli("eval", script, "1", channel)
      expect(yield* server.logged(IGNORED)).toMatchObject({ problem: "it is too long" })
      expect(yield* becomes(server.port, "ok")).toBeLessThan(1000)
    })
  )

  liveWithTool(noRedis, "among the servers is left out, and goes when its time is over", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const servers = yield* sharingMany(2, redis)
      const [one] = servers
      if (one === undefined) return
      const members = [
        "",
        "nonsense",
        "x {}",
        `${STRANGER} {`,
        `${STRANGER} {"name":5}`,
        `UPPERCASE123 {"name":"n","tags":[],"follows":false}`
      ]
      for (const member of members) yield* redis.cli("zadd", "answerback:servers", "1e18", member)
      // It can be read, has a lease for ever, and never answers.
      const ghost = `${STRANGER} {"name":"ghost","tags":["ghost0"],"follows":true}`
      yield* redis.cli("zadd", "answerback:servers", "1e18", ghost)
      yield* redis.cli("publish", "answerback:all", STRANGER)
      yield* eventually(
        "the ghost is missed",
        Effect.map(page(one.port), ({ unanswered }) => unanswered?.[0] === "ghost")
      )
      yield* one.logged(IGNORED)
      yield* lists(one.port, 0, 15_000)
      yield* eventually(
        "nothing is left of it",
        Effect.map(redis.cli("zcard", "answerback:servers"), (count) => count === "2\n")
      )
    })
  )
})
