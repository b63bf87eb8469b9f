/**
 * Rooms by their names.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Rooms } from "../../src/room/Rooms.js"
import { guests } from "../support/guests.js"
import { timeless } from "../support/timeless.js"

const NOBODY = { sent: 0, dropped: 0, disconnected: 0 }

/** Rooms, and three connections. */
const three = Effect.gen(function* () {
  const rooms = yield* Rooms.make({ limit: 10 })
  const { guests: all } = yield* guests(3)
  const [a, b, c] = all
  if (a === undefined || b === undefined || c === undefined)
    return yield* Effect.dieMessage("there are three")
  return { rooms, a, b, c }
})

describe("rooms", () => {
  timeless("are told from one another by their names", () =>
    Effect.gen(function* () {
      const { a, b, c, rooms } = yield* three
      yield* rooms.join("tea", a.connection)
      yield* rooms.join("tea", b.connection)
      yield* rooms.join("coffee", b.connection)
      yield* rooms.join("coffee", c.connection)
      expect(yield* rooms.names).toEqual(["tea", "coffee"])
      expect(yield* rooms.members("tea")).toEqual([a.connection.id, b.connection.id])
      expect(yield* rooms.broadcast("tea", "milk?")).toEqual({ ...NOBODY, sent: 2 })
      expect(yield* rooms.broadcast("coffee", "sugar?", { except: b.connection })).toEqual({
        ...NOBODY,
        sent: 1
      })
      expect([a, b, c].map(({ transport }) => transport.written)).toEqual([["milk?"], ["milk?"], ["sugar?"]])
    })
  )

  timeless("that nobody is in aren't there: a message for one goes nowhere", () =>
    Effect.gen(function* () {
      const { rooms } = yield* three
      expect(yield* rooms.broadcast("tea", "milk?")).toEqual(NOBODY)
      expect(yield* rooms.members("tea")).toEqual([])
      expect(yield* rooms.names).toEqual([])
    })
  )

  timeless("vanish when the last member has left, and come again with the next", () =>
    Effect.gen(function* () {
      const { a, b, rooms } = yield* three
      const [first, second] = [yield* Scope.make(), yield* Scope.make()]
      yield* Scope.extend(rooms.join("tea", a.connection), first)
      yield* Scope.extend(rooms.join("tea", b.connection), second)
      yield* Scope.close(first, Exit.void)
      expect(yield* rooms.members("tea")).toEqual([b.connection.id])
      yield* Scope.close(second, Exit.void)
      expect(yield* rooms.names).toEqual([])
      yield* rooms.join("tea", a.connection)
      yield* rooms.broadcast("tea", "again")
      expect([a, b].map(({ transport }) => transport.written)).toEqual([["again"], []])
    })
  )

  timeless("vanish when the connections of their members end, and not for one that has ended", () =>
    Effect.gen(function* () {
      const { a, b, rooms } = yield* three
      yield* rooms.join("tea", a.connection)
      yield* rooms.join("coffee", a.connection)
      yield* rooms.join("coffee", b.connection)
      a.transport.peerVanishes()
      expect(yield* rooms.names).toEqual(["coffee"])
      yield* rooms.join("tea", a.connection)
      expect(yield* rooms.names).toEqual(["coffee"])
      expect(yield* rooms.members("coffee")).toEqual([b.connection.id])
      b.transport.peerVanishes()
      expect(yield* rooms.names).toEqual([])
    })
  )

  timeless("aren't taken along by a scope that closes long after its connection has ended", () =>
    Effect.gen(function* () {
      const { a, b, rooms } = yield* three
      const scope = yield* Scope.make()
      yield* Scope.extend(rooms.join("tea", a.connection), scope)
      a.transport.peerVanishes()
      yield* rooms.join("tea", b.connection)
      yield* Scope.close(scope, Exit.void)
      expect(yield* rooms.members("tea")).toEqual([b.connection.id])
      expect(yield* rooms.broadcast("tea", "still there")).toMatchObject({ sent: 1 })
    })
  )

  timeless("have the options that they were made with, and vanish when their last member was too slow", () =>
    Effect.gen(function* () {
      const { a, rooms } = yield* three
      yield* rooms.join("tea", a.connection)
      a.transport.block()
      yield* rooms.broadcast("tea", "more than ten")
      expect(yield* rooms.broadcast("tea", "too much")).toEqual({ ...NOBODY, disconnected: 1 })
      expect(a.connection.stopSignal.reason?._tag).toBe("SlowConsumer")
      expect(yield* rooms.names).toEqual([])
    })
  )
})
