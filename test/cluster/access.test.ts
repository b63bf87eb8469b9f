/**
 * How servers get in to Redis: with a user and a password, through TLS, to the right node of a Redis Cluster.
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as net from "node:net"
import { describe, expect } from "vitest"
import { noOpenssl, selfSigned } from "../support/certificate.js"
import { follow } from "../support/admin.js"
import { eventually } from "../support/eventually.js"
import { becomes, lists, readiness } from "../support/fleet.js"
import { live } from "../support/live.js"
import { scrape } from "../support/metrics.js"
import { freePort } from "../support/freePort.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { noRedis, redisServer, sharing, sharingMany } from "../support/Redis.js"
import { liveWithTool } from "../support/skip.js"

const AWAY = "Redis is away: other servers are not seen until it is back"

/** The rules that the README gives, word by word. */
const rules = (): ReadonlyArray<string> => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
  const [, text = ""] = /^ACL SETUSER answerback on >PASSWORD (.*)$/m.exec(readme) ?? []
  return text.split(" ")
}

const USER = "answerback"
const PASSWORD = "p@ss:w/rd%1"
const credentials = `${USER}:${encodeURIComponent(PASSWORD)}`

describe("a server gets in to Redis", () => {
  liveWithTool(noRedis, "as a user who may do no more than the README says", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      expect(yield* redis.cli("acl", "setuser", USER, "on", `>${PASSWORD}`, ...rules())).toBe("OK\n")
      expect(yield* redis.cli("acl", "setuser", "default", "off")).toContain("OK")
      const url = `redis://${credentials}@127.0.0.1:${redis.port}`
      const servers = yield* sharingMany(2, { url })
      for (const { port } of servers) {
        expect(yield* readiness(port)).toBe("ok")
        const follower = yield* follow(port)
        const peer = yield* RawClient.connect({ port })
        yield* follower.count(1)
        yield* lists(port, 1)
        yield* peer.reset
        yield* follower.count(3)
        yield* lists(port, 0)
      }
      for (const { logs } of servers)
        expect(logs.filter(({ level }) => level !== "info" && level !== "debug")).toEqual([])
    })
  )

  liveWithTool(noRedis, "only with the right password, and tells nobody which it tried", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer({ args: ["--requirepass", "right"], cli: ["-a", "right"] })
      const good = yield* sharing({ url: `redis://:right@127.0.0.1:${redis.port}` })
      expect(yield* readiness(good.port)).toBe("ok")
      const env = { ANSWERBACK_REDIS_URL: `redis://somebody:secret-word@127.0.0.1:${redis.port}` }
      const bad = yield* Program.start({ env, args: ["--log-level", "trace"] })
      yield* bad.log.logged(AWAY, { redis: `127.0.0.1:${redis.port}` })
      expect(yield* readiness(bad.port)).toBe("degraded")
      const none = yield* sharing({ url: redis.url })
      expect((yield* none.logged(AWAY))["problem"]).toMatch(/NOAUTH/)
      const ended = yield* Program.stop(bad)
      expect(ended.code).toBe(0)
      for (const text of [bad.stdout(), bad.stderr()]) expect(text).not.toMatch(/somebody|secret/)
    })
  )

  liveWithTool(noRedis, "not as a user who may not do it, until it may", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      yield* redis.cli("acl", "setuser", "somebody", "on", ">secret-word", "~*", "&*", "+@all", "-evalsha")
      const server = yield* sharing({ url: `redis://somebody:secret-word@127.0.0.1:${redis.port}` })
      expect((yield* server.logged(AWAY))["problem"]).toMatch(/NOPERM .* no permissions to run the 'evalsha'/)
      yield* redis.cli("acl", "setuser", "somebody", "+evalsha")
      yield* becomes(server.port, "ok")
    })
  )

  live("and shows neither user nor password where Redis names them", () =>
    Effect.gen(function* () {
      // As later versions do, and worse.
      const refuse = net.createServer((socket) =>
        socket
          .on("error", () => {})
          .on("data", () => socket.write("-NOPERM User some.body may not, not with p+ss\r\n"))
      )
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void refuse.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.async<void>((resume) => void refuse.close(() => resume(Effect.void)))
      )
      const address = refuse.address()
      const port = address === null || typeof address === "string" ? 0 : address.port
      const server = yield* sharing({ url: `redis://some.body:p%2Bss@127.0.0.1:${port}` })
      expect((yield* server.logged(AWAY))["problem"]).toBe("NOPERM User *** may not, not with ***")
    })
  )

  liveWithTool(noRedis ?? noOpenssl, "through TLS, if it has a certificate that is trusted", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* selfSigned
      const tls = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert]
      const plain = yield* redisServer()
      // The plain port stays: what is asked for must be TLS.
      const port = plain.port + 1
      yield* redisServer({
        port,
        args: ["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no", ...tls]
      })
      const env = { ANSWERBACK_REDIS_URL: `rediss://localhost:${port}` }
      const trusting = yield* Effect.all(
        [1, 2].map(() => Program.start({ env: { ...env, NODE_EXTRA_CA_CERTS: cert } })),
        { concurrency: "unbounded" }
      )
      const wary = yield* Program.start({ env })
      for (const { port } of trusting) {
        yield* becomes(port, "ok")
        yield* RawClient.connect({ port })
      }
      for (const { port } of trusting) yield* lists(port, 2)
      expect((yield* wary.log.logged(AWAY))["problem"]).toMatch(/self-signed certificate/)
    })
  )

  liveWithTool(noRedis, "of a cluster by any of its nodes, also when the one fails that it speaks with", () =>
    Effect.gen(function* () {
      const args = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "1000",
        "--repl-diskless-sync-delay",
        "0"
      ]
      // Nodes speak with one another on a port that is 10,000 above: also below those of the client's side.
      const lowPort = Effect.repeat(freePort, { until: (port) => port < 22_000 })
      const nodes = yield* Effect.all(
        Array.from({ length: 6 }, () => Effect.flatMap(lowPort, (port) => redisServer({ args, port }))),
        { concurrency: "unbounded" }
      )
      const [first] = nodes
      if (first === undefined) return
      const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
      yield* first.cli("--cluster", "create", ...addresses, "--cluster-replicas", "1", "--cluster-yes")
      // All know of all, and have what they need to take over.
      for (const { cli } of nodes)
        yield* eventually(
          "the cluster is whole",
          Effect.map(
            Effect.zip(cli("cluster", "info"), cli("info", "replication")),
            ([cluster, replication]) =>
              cluster.includes("cluster_state:ok") &&
              cluster.includes("cluster_known_nodes:6") &&
              /state=online|master_link_status:up/.test(replication)
          )
        )
      const servers = yield* Effect.forEach(nodes, ({ url }) => sharing({ url }), {
        concurrency: "unbounded"
      })
      for (const { port } of servers) {
        yield* becomes(port, "ok")
        yield* RawClient.connect({ port })
      }
      for (const { port } of servers) yield* lists(port, 6)

      const holders = yield* Effect.filter(nodes, ({ cli }) =>
        Effect.map(cli("pubsub", "numsub", "answerback:all"), (text) => /\b6\b/.test(text))
      )
      // All speak with the same node: it carries all that they say.
      expect(holders).toHaveLength(1)
      yield* holders[0]?.kill ?? Effect.void
      yield* Effect.forEach(servers, ({ port }) => becomes(port, "degraded"), { concurrency: "unbounded" })
      yield* Effect.forEach(servers, ({ port }) => becomes(port, "ok"), { concurrency: "unbounded" })
      for (const { port } of servers) {
        yield* lists(port, 6)
        expect((yield* scrape(port)).get("answerback_redis_up")).toBe(1)
      }
    })
  )
})
