/**
 * Who is alive: list, look up and stop, and the log of those that end.
 */
import { describe, expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { echo } from "../../src/connection/Echo.js"
import { ConnectionNotFound } from "../../src/protocol/ConnectionId.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import { busy } from "../support/life.js"
import type * as Log from "../support/Log.js"
import { MemoryTransport } from "../support/MemoryTransport.js"
import { CLOSE_TIMEOUT, serve, type Server } from "../support/registry.js"
import { settle, timeless } from "../support/timeless.js"

const remotes = ({ connections }: Server) =>
  Effect.map(connections.list, (list) => list.map(({ remote }) => remote))

const idOf = ({ connections }: Server, index = 0) =>
  Effect.map(connections.list, (list) => list[index]?.id ?? "no such connection")

const lines = (log: Log.Log) => log.lines.map(({ message }) => message)

describe("the list of connections", () => {
  timeless("is empty at first", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      expect(yield* server.connections.list).toEqual([])
      expect(yield* server.connections.count).toBe(0)
    })
  )

  timeless("has all that are open, in the order of opening, which is that of their ids", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      server.openMany(3)
      yield* TestClock.adjust(10)
      server.open({ remote: "192.0.2.1:4" })
      // A clock that is set back.
      yield* TestClock.setTime(5)
      server.open({ remote: "192.0.2.1:5" })
      expect(yield* remotes(server)).toEqual([1, 2, 3, 4, 5].map((port) => `192.0.2.1:${port}`))
      expect(yield* server.connections.count).toBe(5)
      const ids = (yield* server.connections.list).map(({ id }) => id)
      expect(ids).toEqual([...ids].sort())
      expect(new Set(ids).size).toBe(5)
    })
  )

  timeless("tells of each what is known of it", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      yield* TestClock.setTime(1000)
      const transport = new MemoryTransport({ remote: "[2001:db8::1]:443" })
      server.accept(transport, { path: "/chat", subprotocol: "v1" })
      yield* TestClock.adjust(234)
      transport.block()
      transport.deliver("four", "words")
      yield* settle
      const id = yield* idOf(server)
      expect(yield* server.connections.list).toEqual([
        {
          id,
          remote: "[2001:db8::1]:443",
          path: "/chat",
          subprotocol: "v1",
          openedAt: 1000,
          lastMessageAt: 1234,
          messagesIn: 2,
          messagesOut: 2,
          bytesIn: 9,
          bytesOut: 9,
          bufferedBytes: 13,
          state: "open"
        }
      ])
      transport.socketCloses()
    })
  )

  timeless("has null where there is nothing yet", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      server.open()
      expect(yield* server.connections.list).toMatchObject([
        { subprotocol: null, lastMessageAt: null, bufferedBytes: 0 }
      ])
    })
  )

  timeless("tells which are stopping, until their TCP connections are gone", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const [one] = server.openMany(2, { answersClose: false })
      yield* server.connections.stop(yield* idOf(server))
      yield* settle
      expect((yield* server.connections.list).map(({ state }) => state)).toEqual(["stopping", "open"])
      one?.socketCloses()
      yield* settle
      expect(yield* remotes(server)).toEqual(["192.0.2.1:2"])
      expect(yield* server.connections.count).toBe(1)
    })
  )
})

describe("a connection", () => {
  timeless("is found by its id, as in the list", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      server.openMany(3)
      for (const info of yield* server.connections.list)
        expect(yield* server.connections.get(info.id)).toEqual(info)
    })
  )

  timeless("that there never was is not found", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      server.open()
      for (const id of ["", "nobody", "__proto__", "constructor"]) {
        for (const effect of [server.connections.get(id), server.connections.stop(id)]) {
          const error = yield* Effect.flip(effect)
          expect(error).toBeInstanceOf(ConnectionNotFound)
          expect(error).toMatchObject({ _tag: "ConnectionNotFound", id })
        }
      }
    })
  )

  timeless("that has ended is not found any more", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transport = server.open()
      const id = yield* idOf(server)
      transport.socketCloses()
      yield* settle
      const error = yield* Effect.flip(server.connections.get(id))
      expect(error).toMatchObject({ _tag: "ConnectionNotFound", id, message: expect.stringContaining(id) })
      expect(yield* Effect.flip(server.connections.stop(id))).toMatchObject({
        _tag: "ConnectionNotFound",
        id
      })
    })
  )

  timeless("is stopped with the code and the reason that are given, and no other is", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(3)
      yield* server.connections.stop(yield* idOf(server, 1), { code: 4001, reason: "moved" })
      yield* settle
      expect(transports.map(({ lastWords }) => lastWords)).toEqual([[], ["close 4001 moved"], []])
    })
  )

  timeless("is stopped with 1001 connection interrupted by default (RFC 6455 section 7.4.1)", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transport = server.open()
      yield* server.connections.stop(yield* idOf(server))
      yield* settle
      expect(transport.lastWords).toEqual(["close 1001 connection interrupted"])
    })
  )

  timeless("that is stopping already can be stopped again, and nothing changes", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transport = server.open({ answersClose: false })
      const id = yield* idOf(server)
      yield* server.connections.stop(id, { code: 4001 })
      yield* server.connections.stop(id, { code: 4002 })
      yield* settle
      yield* server.connections.stop(id, { code: 4003 })
      yield* settle
      expect(transport.lastWords).toEqual(["close 4001 connection interrupted"])
    })
  )

  timeless("is not stopped with a code or a reason that can't be sent (RFC 6455 sections 5.5 and 7.4)", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transport = server.open()
      const id = yield* idOf(server)
      for (const options of [
        { code: 1005 },
        { code: 1006 },
        { code: 2999 },
        { code: 1000.5 },
        { reason: "é".repeat(62) }
      ]) {
        expect(yield* Effect.flip(server.connections.stop(id, options))).toMatchObject({
          _tag: "InvalidClose"
        })
        expect(yield* Effect.flip(server.connections.stopAll(options))).toMatchObject({
          _tag: "InvalidClose"
        })
      }
      yield* settle
      expect(transport.lastWords).toEqual([])
      expect(yield* server.connections.list).toMatchObject([{ state: "open" }])
    })
  )

  timeless("doesn't keep whoever stops it waiting", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      server.open({ answersClose: false })
      // Time stands still.
      yield* server.connections.stop(yield* idOf(server))
      expect(yield* server.connections.stopAll()).toBe(0)
      expect(yield* server.connections.count).toBe(1)
    })
  )

  timeless("that waits for a message has sent its Close frame when whoever stops it goes on", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transport = server.open()
      const id = yield* idOf(server)
      yield* settle
      yield* server.connections.stop(id)
      expect(transport.lastWords).toEqual(["close 1001 connection interrupted"])
    })
  )
})

describe("stopping all", () => {
  timeless("stops all that are open now, and tells how many", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(3)
      expect(yield* server.connections.stopAll({ code: 1012, reason: "restart" })).toBe(3)
      const late = server.open()
      yield* settle
      for (const { lastWords } of transports) expect(lastWords).toEqual(["close 1012 restart"])
      expect(late.lastWords).toEqual([])
      expect(yield* server.connections.count).toBe(1)
    })
  )

  timeless("counts only those that it stopped itself", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(4, { answersClose: false })
      yield* server.connections.stop(yield* idOf(server))
      transports[1]?.peerCloses(1000)
      expect(yield* server.connections.stopAll()).toBe(2)
      expect(yield* server.connections.stopAll()).toBe(0)
    })
  )

  timeless("stops all also when whoever asked for it goes away meanwhile", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(100)
      yield* settle
      const asked = yield* Effect.fork(server.connections.stopAll())
      while (transports[0]?.lastWords.length === 0) yield* Effect.yieldNow()
      expect(transports.at(-1)?.lastWords).toEqual([])
      yield* Fiber.interrupt(asked)
      yield* settle
      for (const { lastWords } of transports) expect(lastWords).toEqual(["close 1001 connection interrupted"])
    })
  )

  timeless("with nobody there stops nobody", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      expect(yield* server.connections.stopAll()).toBe(0)
    })
  )
})

describe("the log", () => {
  timeless("has one line of a connection that has ended, with all that is known of it", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      yield* TestClock.setTime(1000)
      const transport = server.open({ remote: "[::1]:1" })
      const id = yield* idOf(server)
      transport.deliver("one", "three")
      yield* TestClock.adjust(234)
      transport.peerCloses(4001, "bye")
      yield* settle
      expect(log.lines).toEqual([
        {
          timestamp: expect.any(String),
          level: "info",
          message: "connection closed",
          connection: id,
          remote: "[::1]:1",
          reason: "PeerClosed",
          code: 4001,
          durationMs: 234,
          messagesIn: 2,
          messagesOut: 2,
          bytesIn: 8,
          bytesOut: 8
        }
      ])
    })
  )

  timeless("has that line when the TCP connection has closed, not before", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transport = server.open({ answersClose: false })
      yield* settle
      transport.peerCloses(1000)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(lines(log)).toEqual([])
      transport.socketCloses()
      yield* settle
      expect(log.lines).toMatchObject([{ message: "connection closed", durationMs: CLOSE_TIMEOUT - 1 }])
    })
  )

  timeless("has a line before it when the connection was interrupted, and only then", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const [one, two, three] = server.openMany(5, { answersClose: false })
      one?.peerCloses(1000)
      two?.peerVanishes()
      three?.peerErrs(1002, "bad")
      yield* server.connections.stop(yield* idOf(server, 3), { code: 4001, reason: "enough" })
      yield* settle
      expect(log.lines).toMatchObject([
        { message: "connection interrupted", remote: "192.0.2.1:4", reason: "StopSignal", code: 4001 }
      ])
      const draining = yield* Effect.fork(
        server.registry.drain({
          reason: StopReason.ServerShutdown({ code: 1012 }),
          spread: Duration.zero,
          deadline: 2 * CLOSE_TIMEOUT
        })
      )
      yield* TestClock.adjust(CLOSE_TIMEOUT)
      yield* Fiber.join(draining)
      expect(log.lines[1]).toMatchObject({
        message: "connection interrupted",
        remote: "192.0.2.1:5",
        reason: "ServerShutdown",
        code: 1012
      })
      expect(lines(log).filter((line) => line === "connection interrupted")).toHaveLength(2)
      expect(lines(log).filter((line) => line === "connection closed")).toHaveLength(5)
    })
  )

  timeless(
    "has the code that was received, 1005 after an empty Close frame, null where there was none",
    (log) =>
      Effect.gen(function* () {
        const server = yield* serve(echo)
        const [one, two, three, four] = server.openMany(4)
        yield* settle
        one?.peerCloses(3000)
        yield* settle
        two?.peerCloses()
        yield* settle
        three?.peerVanishes()
        yield* settle
        four?.socketCloses()
        yield* settle
        expect(log.lines.map(({ code }) => code)).toEqual([3000, 1005, null, null])
      })
  )

  timeless("has the code that was received though TCP was gone before it could be sent back", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(busy)
      const transport = server.open()
      transport.deliver("one")
      yield* settle
      transport.peerCloses(4001, "bye")
      yield* settle
      transport.socketCloses()
      yield* settle
      expect(transport.lastWords).toEqual([])
      expect(log.lines).toMatchObject([{ message: "connection closed", reason: "PeerClosed", code: 4001 }])
    })
  )

  timeless("has null for the code where TCP was gone before a Close frame could be sent", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(busy)
      const transport = server.open()
      transport.deliver("one")
      yield* settle
      yield* server.connections.stopAll({ code: 4001, reason: "enough" })
      yield* settle
      transport.socketCloses()
      yield* settle
      expect(transport.lastWords).toEqual([])
      expect(log.lines.at(-1)).toMatchObject({
        message: "connection closed",
        reason: "StopSignal",
        code: null
      })
    })
  )

  timeless("has the cause of a handler that failed, and its connection, at level error", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(() => Effect.fail(new Error("out of paper")))
      const transport = server.open()
      yield* settle
      expect(log.lines).toMatchObject([
        { level: "error", message: "handler failed", cause: expect.stringContaining("out of paper") },
        { level: "info", message: "connection closed", reason: "HandlerFailed", code: 1011 }
      ])
      expect(log.lines[0]?.["connection"]).toBe(log.lines[1]?.["connection"])
      expect(transport.lastWords).toEqual(["close 1011 internal error"])
    })
  )
})
