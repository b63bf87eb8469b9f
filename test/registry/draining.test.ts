/**
 * The end of all connections of a server.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { echo } from "../../src/connection/Echo.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import { busy } from "../support/life.js"
import type * as Log from "../support/Log.js"
import { MemoryTransport } from "../support/MemoryTransport.js"
import { CLOSE_TIMEOUT, serve, type Server } from "../support/registry.js"
import { settle, timeless } from "../support/timeless.js"

const idOf = ({ connections }: Server, index = 0) =>
  Effect.map(connections.list, (list) => list[index]?.id ?? "no such connection")

const lines = (log: Log.Log) => log.lines.map(({ message }) => message)

describe("draining", () => {
  const drain = (
    { registry }: Server,
    options: { readonly spread?: number; readonly timeout?: number } = {}
  ) =>
    Effect.gen(function* () {
      const now = yield* TestClock.currentTimeMillis
      const drained = registry.drain({
        reason: StopReason.ServerShutdown({ code: 1001 }),
        spread: Duration.millis(options.spread ?? 0),
        deadline: now + (options.timeout ?? 8000)
      })
      // As in the finalizer of a server.
      yield* Effect.uninterruptible(drained)
    })

  const bye = "close 1001 server shutting down"

  timeless("with nobody there is over at once", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      yield* drain(server, { spread: 5000 })
      expect(server.accept(new MemoryTransport())).toBe(undefined)
    })
  )

  timeless("stops all at once, and is over when all have ended", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(3, { answersClose: false })
      const draining = yield* Effect.fork(drain(server))
      yield* settle
      for (const { lastWords } of transports) expect(lastWords).toEqual([bye])
      for (const transport of transports) {
        expect(draining.unsafePoll()).toBeNull()
        transport.socketCloses()
        yield* settle
      }
      yield* Fiber.join(draining)
      expect(yield* server.connections.count).toBe(0)
    })
  )

  timeless("answers what was read", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transport = server.open()
      transport.deliver("one")
      yield* drain(server)
      expect(transport.written).toEqual(["one"])
      expect(transport.lastWords).toEqual([bye])
    })
  )

  timeless("accepts nobody any more, and does nothing to who comes", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      server.open({ answersClose: false })
      expect(server.accept(new MemoryTransport())).not.toBe(undefined)
      const draining = yield* Effect.fork(drain(server))
      yield* settle
      const late = new MemoryTransport()
      expect(server.accept(late)).toBe(undefined)
      expect(late.actions).toEqual([])
      expect(yield* server.connections.count).toBe(1)
      yield* TestClock.adjust(CLOSE_TIMEOUT)
      yield* Fiber.join(draining)
    })
  )

  timeless("destroys at the close timeout those who don't answer", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transport = server.open({ answersClose: false })
      const draining = yield* Effect.fork(drain(server, { timeout: 8000 }))
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(transport.lastWords).toEqual([bye])
      yield* TestClock.adjust(1)
      expect(transport.lastWords).toEqual([bye, "destroy"])
      yield* Fiber.join(draining)
    })
  )

  timeless("destroys at its deadline those who haven't ended, not earlier", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(3, { answersClose: false })
      const draining = yield* Effect.fork(drain(server, { timeout: 3000 }))
      yield* TestClock.adjust(2999)
      expect(transports.map(({ lastWords }) => lastWords)).toEqual([[bye], [bye], [bye]])
      expect(draining.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      expect(transports.map(({ lastWords }) => lastWords)).toEqual(transports.map(() => [bye, "destroy"]))
      yield* Fiber.join(draining)
      expect(lines(log).filter((line) => line === "connection closed")).toHaveLength(3)
    })
  )

  timeless("has a last word for a connection whose handler is at work at the deadline", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(busy)
      const transport = server.open()
      transport.deliver("one")
      yield* settle
      const draining = yield* Effect.fork(drain(server, { timeout: 3000 }))
      yield* TestClock.adjust(2999)
      expect(transport.lastWords).toEqual([])
      yield* TestClock.adjust(1)
      yield* Fiber.join(draining)
      expect(transport.lastWords).toEqual([bye, "destroy"])
      expect(log.lines).toMatchObject([
        { message: "connection interrupted", reason: "ServerShutdown" },
        { message: "connection closed", reason: "ServerShutdown", code: 1001 }
      ])
    })
  )

  timeless("doesn't wait beyond its deadline for a handler that can't be interrupted", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const server = yield* serve(() => Effect.uninterruptible(Deferred.await(gate)))
      yield* Effect.addFinalizer(() => Deferred.succeed(gate, undefined))
      const transport = server.open()
      const draining = yield* Effect.fork(drain(server, { timeout: 3000 }))
      yield* TestClock.adjust(3000)
      yield* Fiber.join(draining)
      expect(transport.lastWords).toEqual([bye, "destroy"])
      expect(yield* server.connections.count).toBe(0)
    })
  )

  timeless("leaves the reason of those that were ending before", (log) =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const [one, two] = server.openMany(3, { answersClose: false })
      yield* settle
      one?.peerCloses(3000)
      yield* server.connections.stop(yield* idOf(server, 1), { code: 4001 })
      yield* settle
      const draining = yield* Effect.fork(drain(server, { timeout: 1000 }))
      yield* TestClock.adjust(1000)
      yield* Fiber.join(draining)
      expect(one?.lastWords).toEqual(["close 3000", "destroy"])
      expect(two?.lastWords).toEqual(["close 4001 connection interrupted", "destroy"])
      const closed = log.lines.filter(({ message }) => message === "connection closed")
      expect(closed.map(({ reason }) => reason)).toEqual(["PeerClosed", "StopSignal", "ServerShutdown"])
    })
  )

  timeless("with a deadline that is over destroys all now, with a last word", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(2, { answersClose: false })
      yield* settle
      yield* drain(server, { timeout: 0 })
      for (const { lastWords } of transports) expect(lastWords).toEqual([bye, "destroy"])
      yield* drain(server, { timeout: -1000 })
    })
  )

  /** When the connections hear of it, in milliseconds from now. */
  const schedule = (
    server: Server,
    transports: ReadonlyArray<MemoryTransport>,
    step: number,
    until: number
  ) =>
    Effect.gen(function* () {
      const times = new Map<MemoryTransport, number>()
      yield* settle
      for (let now = 0; now <= until; now += step) {
        for (const transport of transports)
          if (transport.lastWords.length > 0 && !times.has(transport)) times.set(transport, now)
        yield* TestClock.adjust(step)
      }
      expect(yield* server.connections.count).toBe(0)
      return transports.map((transport) => times.get(transport))
    })

  timeless("over a time spreads the stops evenly, in the order of opening", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(5)
      const draining = yield* Effect.fork(drain(server, { spread: 1000 }))
      expect(yield* schedule(server, transports, 50, 1200)).toEqual([0, 200, 400, 600, 800])
      yield* Fiber.join(draining)
    })
  )

  timeless("over a time goes on with the others when some end by themselves", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(4)
      const draining = yield* Effect.fork(drain(server, { spread: 1000 }))
      yield* settle
      transports[1]?.peerCloses(1000)
      expect(yield* schedule(server, transports, 50, 1000)).toEqual([0, 0, 500, 750])
      yield* Fiber.join(draining)
      expect(transports.map(({ lastWords }) => lastWords)).toEqual([[bye], ["close 1000"], [bye], [bye]])
    })
  )

  timeless("over a time that is longer than the deadline destroys the rest then, with a last word", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const transports = server.openMany(4)
      const draining = yield* Effect.fork(drain(server, { spread: 4000, timeout: 1500 }))
      yield* TestClock.adjust(1499)
      expect(transports.map(({ lastWords }) => lastWords)).toEqual([[bye], [bye], [], []])
      yield* TestClock.adjust(1)
      yield* Fiber.join(draining)
      expect(transports.map(({ lastWords }) => lastWords)).toEqual([
        [bye],
        [bye],
        [bye, "destroy"],
        [bye, "destroy"]
      ])
    })
  )

  timeless("waits for what handlers have to release, though their TCP connections are gone", () =>
    Effect.gen(function* () {
      const server = yield* serve(() =>
        Effect.zipRight(
          Effect.addFinalizer(() => Effect.sleep("1 second")),
          Effect.never
        )
      )
      server.open().socketCloses()
      yield* settle
      expect(yield* server.connections.count).toBe(0)
      const draining = yield* Effect.fork(drain(server))
      yield* TestClock.adjust(999)
      expect(draining.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      yield* Fiber.join(draining)
    })
  )

  timeless("waits for what handlers have to release no longer than until its deadline", () =>
    Effect.gen(function* () {
      const server = yield* serve(() =>
        Effect.zipRight(
          Effect.addFinalizer(() => Effect.sleep("1 minute")),
          Effect.never
        )
      )
      server.open().socketCloses()
      yield* settle
      const draining = yield* Effect.fork(drain(server, { timeout: 3000 }))
      yield* TestClock.adjust(3000)
      yield* Fiber.join(draining)
      yield* TestClock.adjust("1 minute")
    })
  )

  timeless("then the end of the scope leaves nothing behind", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      server.openMany(10)
      yield* drain(server)
      yield* server.close
      expect(yield* server.connections.count).toBe(0)
    })
  )

  timeless("then the end of the scope doesn't wait for a handler that can't be interrupted", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const server = yield* serve(() => Effect.uninterruptible(Deferred.await(gate)))
      yield* Effect.addFinalizer(() => Deferred.succeed(gate, undefined))
      server.open()
      const closing = yield* Effect.fork(Effect.zipRight(drain(server, { timeout: 3000 }), server.close))
      yield* TestClock.adjust(3000)
      expect(closing.unsafePoll()).toEqual(Exit.void)
    })
  )

  it.effect.prop(
    "spreads any number of stops over any time: some now, none after it, never more than its share",
    [FC.integer({ min: 1, max: 12 }), FC.integer({ min: 1, max: 20 })],
    ([count, hundreds]) =>
      Effect.scoped(
        Effect.gen(function* () {
          const server = yield* serve(echo)
          const transports = server.openMany(count)
          const share = hundreds * 100
          const draining = yield* Effect.fork(drain(server, { spread: count * share, timeout: 1_000_000 }))
          const times = yield* schedule(server, transports, share, (count - 1) * share)
          expect(times).toEqual(transports.map((_, index) => index * share))
          yield* Fiber.join(draining)
        })
      ),
    { fastCheck: { numRuns: 10 } }
  )
})
