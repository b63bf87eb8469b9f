/**
 * Servers that share a Redis, as an operator sees them: as one, whichever is asked.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { ask, follow, type Received } from "../support/admin.js"
import { eventually } from "../support/eventually.js"
import { becomes, idsOf, lists, page } from "../support/fleet.js"
import * as Frames from "../support/frames.js"
import * as RawClient from "../support/RawClient.js"
import { noRedis, redisServer, sharing, sharingMany } from "../support/Redis.js"
import type { TestServer } from "../support/server.js"
import { liveWithTool } from "../support/skip.js"

const connectTo = (server: TestServer) => RawClient.connect({ port: server.port })

const ofServer = (server: TestServer) =>
  Effect.map(server.connections.list, (all) => all.map(({ id }) => String(id)))

const numberOf = ({ id }: Received): number => Number(id.split("-")[1])

const namesOf = (received: ReadonlyArray<Received>) => received.map(({ event }) => event)

describe("servers that share a Redis", () => {
  for (const count of [2, 4, 8]) {
    liveWithTool(noRedis, `${count} of them list, look up and stop the connections of all`, () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        const servers = yield* sharingMany(count, redis)
        const peers = yield* Effect.forEach(
          servers.flatMap((server) => [server, server, server]),
          connectTo
        )
        const all = (yield* Effect.forEach(servers, ofServer)).flat().toSorted()
        expect(all).toHaveLength(3 * count)
        for (const { port } of servers) {
          yield* lists(port, 3 * count)
          expect(yield* idsOf(port, 2)).toEqual(all)
          // Of each server one.
          for (const id of all.filter((_, at) => at % 3 === 0))
            expect(yield* ask({ port }, `GET /connections/${id}`)).toMatchObject({
              status: 200,
              json: { id }
            })
        }
        // Each stops one of another server, and the one after sees it.
        for (const [at, server] of servers.entries()) {
          const other = (at + 1) % count
          const peer = peers[other * 3]
          const id = (yield* ofServer(servers[other] ?? server))[0]
          const answer = yield* ask({ port: server.port }, `DELETE /connections/${id}?code=4001&reason=bye`)
          expect(answer).toMatchObject({ status: 202, json: { id } })
          if (peer === undefined) return
          const frame = yield* peer.nextFrame
          expect(Frames.describe(frame)).toBe("close 4001 bye")
          yield* peer.answerClose([frame])
          yield* peer.ended
          const third = servers[(at + 2) % count] ?? server
          yield* eventually(
            "it is gone",
            Effect.map(ask({ port: third.port }, `GET /connections/${id}`), ({ status }) => status === 404)
          )
        }
        const [first] = servers
        if (first === undefined) return
        expect(yield* ask({ port: first.port }, "DELETE /connections?code=4002")).toMatchObject({
          status: 202,
          json: { stopped: 2 * count }
        })
        for (const [at, peer] of peers.entries()) {
          if (at % 3 === 0) continue
          const frame = yield* peer.nextFrame
          expect(Frames.describe(frame)).toBe("close 4002 connection interrupted")
          yield* peer.answerClose([frame])
        }
        for (const { port } of servers) yield* lists(port, 0)
      })
    )
  }

  liveWithTool(noRedis, "page by page, while others come and go, list each that stays once, in order", () =>
    Effect.gen(function* () {
      const servers = yield* sharingMany(3, yield* redisServer())
      const staying = yield* Effect.forEach(
        Array.from({ length: 30 }, (_, at) => servers[at % 3]).filter((server) => server !== undefined),
        (server) =>
          Effect.zipRight(
            connectTo(server),
            Effect.map(ofServer(server), (ids) => ids.toSorted().at(-1) ?? "")
          )
      )
      const visits = Effect.forever(
        Effect.forEach(servers, (server) => Effect.scoped(connectTo(server)), { concurrency: "unbounded" })
      )
      const [first] = servers
      if (first === undefined) return
      const lists = Effect.forEach(Array.from({ length: 5 }), () => idsOf(first.port, 4))
      for (const ids of yield* Effect.raceFirst(visits, lists)) {
        expect(ids).toEqual([...new Set(ids)].toSorted())
        expect(ids.filter((id) => staying.includes(id))).toEqual([...staying].toSorted())
      }
    })
  )

  liveWithTool(noRedis, "let things go wrong with one another's connections, unless they can't be read", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const [one, other] = yield* sharingMany(2, redis)
      if (one === undefined || other === undefined) return
      const strict = yield* sharing(redis, { faults: false })
      const peer = yield* connectTo(other)
      yield* lists(one.port, 1)
      const [id] = yield* ofServer(other)
      const post = (body: string, to = id) =>
        ask({ port: one.port }, `POST /connections/${to}/faults`, { body })
      expect(yield* post('{"fault":"drop"}')).toMatchObject({ status: 400, json: { error: "InvalidFault" } })
      expect(yield* post('{"fault":"reset","after":"1msg"}')).toMatchObject({ status: 202, json: { id } })
      yield* peer.write(Frames.text("a"))
      expect((yield* peer.nextMessage).text).toBe("a")
      expect(yield* peer.endedByKernel).toBe("reset")
      yield* connectTo(strict)
      yield* lists(one.port, 1)
      const [guarded] = yield* ofServer(strict)
      expect(yield* post('{"fault":"reset"}', guarded)).toMatchObject({ status: 403 })
    })
  )

  liveWithTool(noRedis, "answer what is asked about nobody, or can't be sent, as one does", () =>
    Effect.gen(function* () {
      const [one, other] = yield* sharingMany(2, yield* redisServer())
      if (one === undefined || other === undefined) return
      yield* connectTo(other)
      yield* lists(one.port, 1)
      const [id = ""] = yield* ofServer(other)
      // Of that server, and of none.
      for (const nobody of [`${"0".repeat(id.length - 6)}${id.slice(-6)}`, "nobody"])
        expect(yield* ask({ port: one.port }, `GET /connections/${nobody}`)).toMatchObject({
          status: 404,
          json: { error: "ConnectionNotFound" }
        })
      for (const target of [id, ""])
        expect(
          yield* ask({ port: one.port }, `DELETE /connections/${target}?code=1005`.replace("/?", "?"))
        ).toMatchObject({ status: 400, json: { error: "InvalidClose" } })
      expect((yield* page(one.port)).total).toBe(1)
    })
  )

  liveWithTool(noRedis, "see who comes as soon as it listens, and don't see who goes", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const first = yield* sharing(redis)
      const second = yield* sharing(redis, { closeTimeout: "100 millis" })
      yield* connectTo(second)
      const start = performance.now()
      yield* lists(first.port, 1)
      expect(performance.now() - start).toBeLessThan(1000)
      const [id] = yield* ofServer(second)
      yield* second.shutdown
      const ended = performance.now()
      yield* lists(first.port, 0)
      expect(performance.now() - ended).toBeLessThan(1000)
      expect((yield* ask({ port: first.port }, `GET /connections/${id}`)).status).toBe(404)
      expect(yield* redis.cli("zcard", "answerback:servers")).toBe("1\n")
      yield* first.shutdown
      expect(yield* redis.cli("keys", "*")).toBe("\n")
      expect(yield* redis.cli("pubsub", "channels", "*")).toBe("\n")
    })
  )

  liveWithTool(noRedis, "don't see those with another prefix, or in another database", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const fleets = yield* Effect.forEach(
        [redis, { url: redis.url, prefix: "answerback:1" }, { url: `${redis.url}/1` }],
        (fleet) => sharingMany(2, fleet)
      )
      const followers = yield* Effect.forEach(fleets, ([one]) => follow(one?.port ?? 0))
      // What happens at one is told the other: their channels are in use.
      yield* Effect.forEach(fleets, ([, other]) => (other === undefined ? Effect.void : connectTo(other)))
      const known: Array<unknown> = []
      for (const [at, [one]] of fleets.entries()) {
        const { connections } = yield* page(one?.port ?? 0)
        expect(connections).toHaveLength(1)
        const received = yield* followers[at]?.count(1) ?? Effect.succeed([])
        expect(received.map(({ data }) => data["id"])).toEqual(connections.map(({ id }) => id))
        known.push(connections[0]?.id)
      }
      expect(new Set(known).size).toBe(3)
      const [stopping] = fleets[0] ?? []
      expect(yield* ask({ port: stopping?.port ?? 0 }, "DELETE /connections")).toMatchObject({
        json: { stopped: 1 }
      })
      // Heard by those who are meant.
      yield* followers[0]?.count(2) ?? Effect.void
      expect(followers.map(({ received }) => received.length)).toEqual([2, 1, 1])
      expect(yield* redis.cli("-n", "1", "keys", "*")).toBe("answerback:servers\n")
    })
  )

  liveWithTool(
    noRedis,
    "tell what happens at all of them, once, in the order of each, to who follows at any",
    () =>
      Effect.gen(function* () {
        const servers = yield* sharingMany(4, yield* redisServer())
        const followers = yield* Effect.forEach([...servers, ...servers], ({ port }) => follow(port))
        yield* Effect.forEach(
          [...servers, ...servers, ...servers],
          (server) =>
            Effect.scoped(
              Effect.gen(function* () {
                const peer = yield* connectTo(server)
                yield* peer.write(Frames.close(4003))
                yield* peer.answerClose((yield* peer.allUntilEnd).frames)
              })
            ),
          { concurrency: 4 }
        )
        for (const follower of followers) {
          const received = yield* follower.count(36)
          expect(received).toHaveLength(36)
          const ids = [...new Set(received.map(({ data }) => data["id"]))]
          expect(ids).toHaveLength(12)
          for (const id of ids) {
            const own = received.filter(({ data }) => data["id"] === id)
            expect(namesOf(own)).toEqual(["opened", "stopping", "closed"])
            expect(own[2]?.data).toMatchObject({ reason: "PeerClosed", code: 4003 })
          }
          const [begin = 0] = received.map(numberOf)
          expect(received.map(numberOf)).toEqual(Array.from({ length: 36 }, (_, at) => begin + at))
        }
      })
  )

  liveWithTool(
    noRedis,
    "tell one who comes back what happened at all of them meanwhile, or how much was lost",
    () =>
      Effect.gen(function* () {
        const [one, other] = yield* sharingMany(2, yield* redisServer())
        if (one === undefined || other === undefined) return
        const before = yield* Effect.scoped(
          Effect.gen(function* () {
            const follower = yield* follow(one.port)
            yield* Effect.scoped(connectTo(other))
            return yield* follower.count(3)
          })
        )
        const last = before[2]?.id ?? ""
        const visits = (count: number) =>
          Effect.forEach(Array.from({ length: count }), () => Effect.scoped(connectTo(other)), {
            concurrency: 20,
            discard: true
          })
        yield* visits(2)
        const back = yield* follow(one.port, { "last-event-id": last })
        const missed = yield* back.count(6)
        expect(missed.map(numberOf)).toEqual(
          [1, 2, 3, 4, 5, 6].map((more) => Number(last.split("-")[1]) + more)
        )
        yield* visits(400)
        yield* back.count(1206)
        const late = yield* follow(one.port, { "last-event-id": last })
        const [lagged, ...rest] = yield* late.count(1001)
        expect(lagged).toMatchObject({ event: "lagged", data: { lost: 206 } })
        expect(rest.map(numberOf)[0]).toBe(Number(last.split("-")[1]) + 207)
      })
  )

  liveWithTool(noRedis, "of which one joins later, tell its events too", () =>
    Effect.gen(function* () {
      const redis = yield* redisServer()
      const one = yield* sharing(redis)
      const follower = yield* follow(one.port)
      const later = yield* sharing(redis)
      // It doesn't wait for Redis for ever before it listens; from when it is there, it knows that somebody follows.
      yield* becomes(later.port, "ok")
      yield* Effect.scoped(connectTo(later))
      expect(namesOf(yield* follower.count(3))).toEqual(["opened", "stopping", "closed"])
    })
  )
})
