/**
 * Who is in a room, and what they get.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Scope from "effect/Scope"
import * as Supervisor from "effect/Supervisor"
import * as Message from "../../src/protocol/Message.js"
import { Room, type RoomOptions } from "../../src/room/Room.js"
import { type Guest, guest, guests } from "../support/guests.js"
import { settle, timeless } from "../support/timeless.js"

/** A room, and so many connections that have joined it. */
const roomOf = (count: number, options?: RoomOptions) =>
  Effect.gen(function* () {
    const room = yield* Room.make(options)
    const { guests: members, server } = yield* guests(count)
    for (const { connection } of members) yield* room.join(connection)
    return { room, members, server }
  })

const written = (members: ReadonlyArray<Guest>) => members.map(({ transport }) => transport.written)

const idsOf = (members: ReadonlyArray<Guest>) => members.map(({ connection }) => connection.id)

const all = (sent: number) => ({ sent, dropped: 0, disconnected: 0 })

describe("a room", () => {
  timeless("sends a message to all members, in order, and tells to how many", () =>
    Effect.gen(function* () {
      const { members, room } = yield* roomOf(3)
      expect(yield* room.size).toBe(3)
      expect(yield* room.members).toEqual(idsOf(members))
      for (const text of ["1", "2", "3"]) expect(yield* room.broadcast(text)).toEqual(all(3))
      expect(written(members)).toEqual([
        ["1", "2", "3"],
        ["1", "2", "3"],
        ["1", "2", "3"]
      ])
      for (const { connection } of members)
        expect(connection).toMatchObject({ messagesOut: 3, bytesOut: 3, bufferedBytes: 0 })
    })
  )

  timeless("leaves out the one that is excepted", () =>
    Effect.gen(function* () {
      const { members, room } = yield* roomOf(3)
      expect(yield* room.broadcast("hello", { except: members[1]?.connection })).toEqual(all(2))
      expect(written(members)).toEqual([["hello"], [], ["hello"]])
      const stranger = yield* guest()
      expect(yield* room.broadcast("all", { except: stranger.connection })).toEqual(all(3))
    })
  )

  timeless("in which nobody is sends nothing", () =>
    Effect.gen(function* () {
      const room = yield* Room.make()
      expect(yield* room.broadcast("hello")).toEqual(all(0))
      expect(yield* room.size).toBe(0)
      expect(yield* room.members).toEqual([])
    })
  )

  timeless("has a member until its scope closes", () =>
    Effect.gen(function* () {
      const room = yield* Room.make()
      const one = yield* guest()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* room.join(one.connection)
          yield* room.broadcast("in")
        })
      )
      expect(yield* room.size).toBe(0)
      expect(yield* room.broadcast("out")).toEqual(all(0))
      yield* room.join(one.connection)
      yield* room.broadcast("in again")
      expect(one.transport.written).toEqual(["in", "in again"])
    })
  )

  timeless("has one that joins twice once, and until the last of its scopes closes", () =>
    Effect.gen(function* () {
      const room = yield* Room.make()
      const one = yield* guest()
      const scopes = yield* Effect.replicateEffect(Scope.make(), 3)
      for (const scope of scopes) yield* Scope.extend(room.join(one.connection), scope)
      for (const [at, scope] of scopes.entries()) {
        expect(yield* room.members).toEqual([one.connection.id])
        expect(yield* room.broadcast(`${at}`)).toEqual(all(1))
        yield* Scope.close(scope, Exit.void)
      }
      expect(yield* room.size).toBe(0)
      expect(one.transport.written).toEqual(["0", "1", "2"])
    })
  )

  timeless("takes nobody whose scope has closed", () =>
    Effect.gen(function* () {
      const room = yield* Room.make()
      const one = yield* guest()
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.void)
      yield* Scope.extend(room.join(one.connection), scope)
      expect(yield* room.size).toBe(0)
    })
  )

  timeless("that is left doesn't keep a connection out of another", () =>
    Effect.gen(function* () {
      const { members, room } = yield* roomOf(1)
      const other = yield* Room.make()
      const scope = yield* Scope.make()
      for (const { connection } of members) yield* Scope.extend(other.join(connection), scope)
      yield* Scope.close(scope, Exit.void)
      yield* room.broadcast("one")
      yield* other.broadcast("other")
      expect(written(members)).toEqual([["one"]])
    })
  )

  const endings: Readonly<Record<string, (one: Guest) => Effect.Effect<void>>> = {
    "its program stops it": ({ connection }) => Effect.orDie(connection.stop()),
    "its peer closes it": ({ transport }) => Effect.sync(() => transport.peerCloses(1000)),
    "its peer vanishes": ({ transport }) => Effect.sync(() => transport.peerVanishes()),
    "its peer errs": ({ transport }) => Effect.sync(() => transport.peerErrs(1002, "bad")),
    "its socket closes": ({ transport }) => Effect.sync(() => transport.socketCloses())
  }
  for (const [when, end] of Object.entries(endings)) {
    timeless(`has a connection no longer from the moment when ${when}, whatever its scope`, () =>
      Effect.gen(function* () {
        const { members, room } = yield* roomOf(2)
        const [one, other] = members
        if (one === undefined || other === undefined) return
        yield* end(one)
        // In the same turn, before any fiber of the connection has run.
        expect(yield* room.members).toEqual([other.connection.id])
        expect(yield* room.broadcast("hello")).toEqual(all(1))
        yield* settle
        expect(one.transport.isClosed()).toBe(true)
        yield* room.join(one.connection)
        expect(yield* room.members).toEqual([other.connection.id])
        expect(written(members)).toEqual([[], ["hello"]])
      })
    )
  }

  timeless("is empty when a server has shut down", () =>
    Effect.gen(function* () {
      const { room, server } = yield* roomOf(100)
      expect(yield* room.size).toBe(100)
      yield* Effect.orDie(server.connections.stopAll())
      expect(yield* room.size).toBe(0)
    })
  )

  timeless("goes on with a broadcast when connections end within it, and sends them nothing", () =>
    Effect.gen(function* () {
      const room = yield* Room.make()
      const last = yield* guest()
      const first = yield* guest({
        onAction: ({ _tag }) => {
          if (_tag === "write") last.transport.peerVanishes()
        }
      })
      const itself = yield* guest({
        onAction: ({ _tag }) => {
          if (_tag === "write") itself.transport.peerVanishes()
        }
      })
      for (const { connection } of [first, itself, last]) yield* room.join(connection)
      expect(yield* room.broadcast("hello")).toEqual(all(2))
      expect(written([first, itself, last])).toEqual([["hello"], ["hello"], []])
      expect(yield* room.members).toEqual(idsOf([first]))
    })
  )

  // Without a log of ten thousand endings.
  it.scoped("encodes a message once for 10,000 members, who cost no fiber", () =>
    Effect.gen(function* () {
      const seen: Array<Message.Message> = []
      const { guests: members } = yield* guests(10_000, {}, (inner) => {
        const write = inner.write.bind(inner)
        inner.write = (messages: Chunk.Chunk<Message.Message>) => {
          seen.push(...messages)
          return write(messages)
        }
        return inner
      })
      const room = yield* Room.make()
      const supervisor = yield* Supervisor.track
      const delivery = yield* Effect.gen(function* () {
        for (const { connection } of members) yield* room.join(connection)
        return yield* room.broadcast("hello")
      }).pipe(Effect.supervised(supervisor))
      expect(yield* supervisor.value).toEqual([])
      expect(delivery).toEqual(all(10_000))
      expect(seen).toHaveLength(10_000)
      expect(new Set(seen).size).toBe(1)
      expect(seen[0]).toBeInstanceOf(Message.Prepared)
    }).pipe(Logger.withMinimumLogLevel(LogLevel.None))
  )

  timeless("sends a prepared message as it is", () =>
    Effect.gen(function* () {
      const { members, room } = yield* roomOf(1)
      const prepared = Message.prepare("prepared")
      yield* room.broadcast(prepared)
      yield* room.broadcast(Message.text("message"))
      yield* room.broadcast(Buffer.from("bytes"))
      expect(written(members)).toEqual([["prepared", "message", "bytes"]])
    })
  )
})

describe("a member that is slow", () => {
  const LIMIT = 100
  const text = "x".repeat(60)
  /** Of a frame that is as short. */
  const HEADER = 2

  /** A room of three, one of whom takes nothing. */
  const withSlow = (slow: "drop" | "disconnect") =>
    Effect.gen(function* () {
      const { members, room } = yield* roomOf(3, { limit: LIMIT, slow })
      const [first, blocked, last] = members
      if (first === undefined || blocked === undefined || last === undefined)
        return yield* Effect.dieMessage("there are three")
      blocked.transport.block()
      return { room, first, blocked, last, others: [first, last] }
    })

  timeless("has up to the limit and one message more in its buffer", () =>
    Effect.gen(function* () {
      const { blocked, others, room } = yield* withSlow("drop")
      for (let i = 0; i < 2; i++) expect(yield* room.broadcast(text)).toEqual(all(3))
      for (let i = 0; i < 50; i++)
        expect(yield* room.broadcast(text)).toEqual({ sent: 2, dropped: 1, disconnected: 0 })
      expect(blocked.connection.bufferedBytes).toBe(2 * (text.length + HEADER))
      expect(written(others)).toEqual(Array.from({ length: 2 }, () => Array<string>(52).fill(text)))
    })
  )

  timeless("misses messages where they are dropped, and gets those that come when it has read", () =>
    Effect.gen(function* () {
      const { blocked, others, room } = yield* withSlow("drop")
      for (const message of [text, text, "missed"]) yield* room.broadcast(message)
      // As many as the limit wait: that is not too many.
      blocked.transport.takes(2 * (text.length + HEADER) - LIMIT)
      expect(yield* room.broadcast("later")).toEqual(all(3))
      expect(yield* room.broadcast("missed, too")).toMatchObject({ dropped: 1 })
      blocked.transport.unblock()
      expect(yield* room.broadcast("last")).toEqual(all(3))
      expect(blocked.transport.written).toEqual([text, text, "later", "last"])
      expect(written(others)).toEqual(
        Array.from({ length: 2 }, () => [text, text, "missed", "later", "missed, too", "last"])
      )
      expect(yield* room.size).toBe(3)
      expect(blocked.connection.messagesOut).toBe(4)
    })
  )

  timeless("is given up at once where it is disconnected, as a slow consumer", (log) =>
    Effect.gen(function* () {
      const { blocked, first, last, others, room } = yield* withSlow("disconnect")
      for (let i = 0; i < 2; i++) expect(yield* room.broadcast(text)).toEqual(all(3))
      expect(yield* room.broadcast("last")).toEqual({ sent: 2, dropped: 0, disconnected: 1 })
      expect(blocked.connection.stopSignal.reason?._tag).toBe("SlowConsumer")
      expect(blocked.transport.lastWords).toEqual(["reset"])
      expect(yield* room.members).toEqual(idsOf([first, last]))
      yield* settle
      expect(log.lines.filter(({ message }) => message === "connection closed")).toMatchObject([
        {
          connection: blocked.connection.id,
          reason: "SlowConsumer",
          code: null,
          messagesOut: 2,
          bytesOut: 120
        }
      ])
      expect(yield* room.broadcast("later")).toEqual(all(2))
      expect(written(others)).toEqual(Array.from({ length: 2 }, () => [text, text, "last", "later"]))
      expect(blocked.transport.written).toEqual([text, text])
    })
  )

  timeless("is given up in a room whose options say nothing, at more than 1 MiB", () =>
    Effect.gen(function* () {
      const { members, room } = yield* roomOf(1)
      members[0]?.transport.block()
      expect(yield* room.broadcast(Buffer.alloc(1024 ** 2 - 10))).toEqual(all(1))
      expect(yield* room.broadcast("one more")).toEqual(all(1))
      expect(yield* room.broadcast("one too many")).toMatchObject({ disconnected: 1 })
    })
  )

  timeless("is counted once by broadcasts at the same time", () =>
    Effect.gen(function* () {
      const { others, room } = yield* withSlow("disconnect")
      for (let i = 0; i < 2; i++) yield* room.broadcast(text)
      const deliveries = yield* Effect.all(
        Array.from({ length: 5 }, (_, i) => room.broadcast(`${i}`)),
        { concurrency: "unbounded" }
      )
      expect(deliveries.map(({ disconnected }) => disconnected)).toEqual([1, 0, 0, 0, 0])
      expect(written(others)).toEqual(Array.from({ length: 2 }, () => [text, text, "0", "1", "2", "3", "4"]))
    })
  )
})

describe("the limit of a room", () => {
  for (const limit of [1024, "1024", "1KiB"]) {
    timeless(`can be written as ${JSON.stringify(limit)}`, () =>
      Effect.gen(function* () {
        const { members, room } = yield* roomOf(1, { limit, slow: "drop" })
        members[0]?.transport.block()
        for (const size of [1024 - 4, 1]) expect(yield* room.broadcast(Buffer.alloc(size))).toEqual(all(1))
        expect(yield* room.broadcast("full")).toMatchObject({ sent: 0, dropped: 1 })
      })
    )
  }

  for (const limit of ["much", "-1", -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, ""]) {
    it.effect(`can't be the ${typeof limit} ${limit}: that is a defect, which says what is accepted`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Room.make({ limit }))
        const [defect] = Exit.isFailure(exit) ? Cause.defects(exit.cause) : []
        expect(defect).toMatchObject({
          _tag: "IllegalArgumentException",
          message: `the limit of a room is ${limit}: accepted is a size of any number of bytes, in bytes or with a unit: 65536, 64KiB, 1MiB`
        })
      })
    )
  }
})
