/**
 * Rooms on real sockets: a member that doesn't read, and those that do.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import type { Connection, ServerOptions } from "../../src/index.js"
import { Room, type RoomOptions } from "../../src/index.js"
import { EXTENSION } from "../support/deflateSession.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import type * as Http from "../support/http.js"
import { live } from "../support/live.js"
import { scrape } from "../support/metrics.js"
import * as RawClient from "../support/RawClient.js"
import { serverWith } from "../support/server.js"
import { PATIENT } from "../support/session.js"

const KIB = 1024
const LIMIT = 64 * KIB
const SIZE = 16 * KIB

/** The most of these that the buffers of two kernels, and the limit, can be expected to hold; then the test gives up. */
const MOST = 3000

/** A message that tells its number. */
const numbered = (number: number): Buffer => Buffer.alloc(SIZE, `${number} `)

const numberOf = (payload: Buffer): number => Number.parseInt(payload.toString("latin1", 0, 10), 10)

/** A room of three on a server of its own, all of whose connections join it; the one in the middle doesn't read. */
const withSlow = (room: RoomOptions, options: ServerOptions = {}, headers: Http.Headers = {}) =>
  Effect.gen(function* () {
    const all = yield* Room.make({ limit: "64KiB", ...room })
    const connections: Array<Connection> = []
    const server = yield* serverWith(
      (connection) =>
        Effect.gen(function* () {
          yield* all.join(connection)
          connections.push(connection)
          yield* Stream.runDrain(connection.messages)
        }),
      { ...PATIENT, ...options }
    )
    const first = yield* RawClient.connect({ port: server.port })
    const slow = yield* RawClient.connect({ port: server.port, headers })
    const last = yield* RawClient.connect({ port: server.port })
    yield* slow.pause
    yield* eventually(
      "all have joined",
      Effect.map(all.size, (size) => size === 3)
    )
    const port = yield* slow.localPort
    const connection = connections.find(({ remote }) => remote === `127.0.0.1:${port}`)
    if (connection === undefined) return yield* Effect.dieMessage("it isn't there")
    /** What those who read get next. */
    const next = Effect.map(Effect.all([first.nextMessage, last.nextMessage]), (messages) =>
      messages.map(({ payload }) => numberOf(payload))
    )
    let count = 0
    let most = 0
    /** Sends messages, of which the others get each before the next is sent, until something is so. */
    const broadcastUntil = (
      isSo: (delivery: { readonly dropped: number; readonly disconnected: number }) => boolean
    ) =>
      Effect.gen(function* () {
        while (count < MOST) {
          const number = count++
          const delivery = yield* all.broadcast(numbered(number))
          most = Math.max(most, connection.bufferedBytes)
          expect(yield* next).toEqual([number, number])
          if (isSo(delivery)) return
        }
        throw new Error(`${MOST} messages of ${SIZE} bytes weren't too many`)
      })
    return { room: all, server, slow, connection, next, broadcastUntil, count: () => count, most: () => most }
  })

const FRAME = SIZE + 4

describe("a member that doesn't read", () => {
  for (const compression of [false, true])
    live(
      `misses messages where they are dropped, holds up nobody, and gets what comes when it reads (compression ${compression ? "on" : "off"})`,
      () =>
        Effect.gen(function* () {
          const { broadcastUntil, connection, count, most, next, room, slow } = yield* withSlow(
            { slow: "drop" },
            { compression },
            compression ? { "Sec-WebSocket-Extensions": EXTENSION } : {}
          )
          let dropped = 0
          yield* broadcastUntil((delivery) => {
            dropped += delivery.dropped
            return dropped === 50
          })
          expect(connection.bufferedBytes).toBeGreaterThan(0)
          expect(most()).toBeLessThanOrEqual(LIMIT + FRAME)
          expect(connection.messagesOut).toBe(count() - dropped)
          expect(yield* room.size).toBe(3)

          yield* slow.resume
          const numbers: Array<number> = []
          for (let i = 0; i < connection.messagesOut; i++)
            numbers.push(numberOf((yield* slow.nextMessage).payload))
          // All from the first to where it was too slow, once and in order.
          expect(numbers.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => i))
          expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
          yield* eventually(
            "it has taken all",
            Effect.sync(() => connection.bufferedBytes === 0)
          )
          expect(yield* room.broadcast(numbered(MOST))).toEqual({ sent: 3, dropped: 0, disconnected: 0 })
          expect(numberOf((yield* slow.nextMessage).payload)).toBe(MOST)
          expect(yield* next).toEqual([MOST, MOST])
        })
    )

  live("is reset as a slow consumer where it is disconnected, and the others don't notice", () =>
    Effect.gen(function* () {
      const { broadcastUntil, connection, most, room, server, slow } = yield* withSlow({})
      const closed = '{reason="SlowConsumer"}'
      const before = (yield* scrape(server.port)).get(`answerback_connections_closed_total${closed}`) ?? 0
      yield* broadcastUntil(({ disconnected }) => disconnected === 1)
      expect(most()).toBeLessThanOrEqual(LIMIT + FRAME)
      expect(yield* room.size).toBe(2)
      yield* server.logged("connection closed", {
        connection: connection.id,
        reason: "SlowConsumer",
        code: null
      })
      const after = (yield* scrape(server.port)).get(`answerback_connections_closed_total${closed}`)
      expect(after).toBe(before + 1)
      yield* slow.resume
      expect(yield* slow.endedByKernel).toBe("reset")
      // As before, to those that are left.
      let more = 0
      yield* broadcastUntil(({ disconnected }) => {
        expect(disconnected).toBe(0)
        return ++more === 20
      })
    })
  )

  live("isn't kept for its many small messages either", () =>
    Effect.gen(function* () {
      const { connection, room } = yield* withSlow({ slow: "drop" })
      // What the kernels take.
      while (connection.bufferedBytes === 0) yield* room.broadcast(Buffer.alloc(SIZE))
      const before = connection.bufferedBytes
      let written = 0
      while ((yield* room.broadcast(".")).dropped === 0) written++
      // Each takes some 100 bytes of memory beside its own three; what the kernels took in the same turn takes none.
      expect(written).toBe(Math.floor((LIMIT - before - 128) / 131) + 1)
    })
  )

  live("isn't one whose kernel takes all, however much is sent within a turn", () =>
    Effect.gen(function* () {
      const { next, room } = yield* withSlow({ slow: "drop", limit: 0 })
      const deliveries = yield* Effect.replicateEffect(room.broadcast(Buffer.from("1 ")), 400)
      expect(deliveries).toEqual(
        Array.from({ length: 400 }, () => ({ sent: 3, dropped: 0, disconnected: 0 }))
      )
      for (let i = 0; i < 400; i++) expect(yield* next).toEqual([1, 1])
    })
  )
})

describe("a room", () => {
  live("is empty when all of its connections have ended, however they did", () =>
    Effect.gen(function* () {
      const room = yield* Room.make()
      const server = yield* serverWith(
        (connection) => Effect.zipRight(room.join(connection), Stream.runDrain(connection.messages)),
        { closeTimeout: "100 millis" }
      )
      const peers = yield* Effect.replicateEffect(RawClient.connect({ port: server.port }), 30)
      yield* eventually(
        "all have joined",
        Effect.map(room.size, (size) => size === 30)
      )
      for (const [i, peer] of peers.entries()) {
        if (i % 3 === 0) yield* peer.reset
        else if (i % 3 === 1) yield* peer.writeAndEnd(Frames.close(1000))
        // Sent to those that are there, whoever leaves meanwhile.
        yield* room.broadcast(`${i}`)
      }
      yield* eventually(
        "two of three have left",
        Effect.map(room.size, (size) => size === 10)
      )
      yield* server.shutdown
      expect(yield* room.size).toBe(0)
    })
  )
})
