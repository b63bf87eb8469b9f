/**
 * Connections on which something goes wrong live like others: they count, and obey.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords, together } from "../support/session.js"
import { testServer, type TestServer } from "../support/server.js"
import type { ServerOptions } from "../../src/index.js"

/** A connection on which this goes wrong, and its server. */
const broken = (
  query: string,
  options: ServerOptions = {},
  client: Omit<RawClient.ConnectOptions, "port"> = {}
): Effect.Effect<{ readonly server: TestServer; readonly peer: RawClient.RawClient }, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const server = yield* testServer(options)
    const peer = yield* RawClient.connect({ ...client, port: server.port, path: `/echo?${query}` })
    return { server, peer }
  })

const texts = (...all: ReadonlyArray<string>) => together(...all.map((text) => Frames.text(text)))

/** All that comes until TCP ends, and how it does. */
const untilEnd = (peer: RawClient.RawClient) =>
  Effect.map(peer.allUntilEnd, ({ end, frames, rest }) => ({
    frames: frames.map(Frames.describe),
    end,
    rest: rest.toString("latin1")
  }))

describe("a stall", () => {
  live("really stops reading: who goes on writing comes to a halt, and is freed by a stop", () =>
    Effect.gen(function* () {
      const { peer, server } = yield* broken("fault=stall&after=1msg", {
        heartbeatInterval: 100,
        heartbeatTimeout: 100
      })
      yield* peer.write(texts("a"))
      expect((yield* peer.nextMessage).text).toBe("a")
      let written = 0
      const megabyte = Frames.binary(Buffer.alloc(1024 ** 2))
      const writing = yield* Effect.forkScoped(
        Effect.ignore(
          Effect.forever(
            Effect.zipRight(
              peer.write(megabyte),
              Effect.sync(() => written++)
            )
          )
        )
      )
      // Until nothing more goes: a heartbeat would have ended it long before.
      let before = -1
      while (before !== written) {
        before = written
        yield* Effect.sleep(500)
      }
      expect(written).toBeLessThan(64)
      expect(writing.unsafePoll()).toBeNull()
      const [info] = yield* server.connections.list
      expect(info).toMatchObject({ state: "stalled", messagesIn: 1, messagesOut: 1 })
      yield* server.connections.stop(info?.id ?? "", { code: 4000 })
      expect(Frames.describe(yield* peer.nextFrame)).toBe("close 4000 connection interrupted")
    })
  )

  live("answers no ping and no Close frame", () =>
    Effect.gen(function* () {
      const { peer, server } = yield* broken("fault=stall&after=1msg")
      yield* peer.write(together(texts("a", "b"), Frames.ping("p"), Frames.close(1000)))
      expect((yield* peer.nextMessage).text).toBe("a")
      yield* peer.end
      // That it has gone is noticed, though it isn't read.
      expect(yield* server.logged("connection closed")).toMatchObject({ fault: "stall", messagesIn: 1 })
      expect(yield* untilEnd(peer)).toMatchObject({ frames: [], rest: "" })
    })
  )
})

describe("a mute side", () => {
  live("reads, and answers no message, ping or Close frame", () =>
    Effect.gen(function* () {
      const { peer, server } = yield* broken("fault=mute&after=1msg")
      yield* peer.write(together(texts("a", "b"), Frames.ping("p"), Frames.close(4321)))
      expect((yield* peer.nextMessage).text).toBe("a")
      yield* peer.end
      expect(yield* untilEnd(peer)).toMatchObject({ frames: [], rest: "" })
      const line = yield* server.logged("connection closed")
      expect(line).toMatchObject({ reason: "PeerClosed", code: 4321, messagesIn: 2, messagesOut: 1 })
    })
  )
})

describe("a connection on which something goes wrong", () => {
  live("obeys a shutdown: stalled and mute ones get their Close frame, too", () =>
    Effect.gen(function* () {
      const server = yield* testServer()
      const open = (query: string) => RawClient.connect({ port: server.port, path: `/echo?${query}` })
      const peers = [
        yield* open("fault=stall"),
        yield* open("fault=mute"),
        yield* open("fault=delay&time=1h"),
        yield* open("fault=throttle&rate=1"),
        yield* open("fault=reset&after=1h")
      ]
      for (const peer of peers) yield* peer.write(texts("hello"))
      const [, , delayed, throttled] = peers
      yield* Effect.forkScoped(server.shutdown)
      for (const peer of peers) {
        const { frames } = yield* lastWords(peer)
        const expected =
          peer === delayed || peer === throttled ? /^(text hello )?close/ : /^(text hello )?close 1001/
        expect(frames.map(Frames.describe).join(" ")).toMatch(expected)
        expect(frames.map(Frames.describe).at(-1)).toBe("close 1001 server shutting down")
      }
    })
  )

  live("counts against the limits, and gives its place back", () =>
    Effect.gen(function* () {
      const { peer, server } = yield* broken("fault=stall", { maxConnections: 1 })
      const other = yield* Effect.flip(RawClient.connect({ port: server.port }))
      expect(other).toMatchObject({ _tag: "ConnectFailed", response: { status: 503 } })
      yield* peer.reset
      yield* server.logged("connection closed", { reason: "PeerVanished" })
      yield* RawClient.connect({ port: server.port })
    })
  )

  live("is ended by the other limits like any other", () =>
    Effect.gen(function* () {
      for (const [options, close] of [
        [{ idleTimeout: 200 }, "close 3008 idle timeout"],
        [{ maxLifetime: 200 }, "close 1012 lifetime reached"]
      ] as const)
        for (const fault of ["stall", "mute"]) {
          const { peer } = yield* broken(`fault=${fault}`, options)
          expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([close])
        }
    })
  )
})
