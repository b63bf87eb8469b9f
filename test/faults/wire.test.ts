/**
 * Faults as they are on the wire, byte by byte.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { noOpenssl, selfSigned } from "../support/certificate.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { expectNothingMore, lastWords, together } from "../support/session.js"
import { liveWithTool } from "../support/skip.js"
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

/**
 * How TCP has ended. When a reset comes together with data, libuv reports the data and a mere end; but after a reset
 * nothing can be written any more, and after an end it can.
 */
const expectEnd = (peer: RawClient.RawClient, end: "fin" | "reset") =>
  Effect.gen(function* () {
    const written = yield* Effect.either(peer.write(Frames.text("anybody there?")))
    expect(written._tag).toBe(end === "fin" ? "Right" : "Left")
    yield* peer.end
  })

/** What can be asked for in more than one way: on TCP, with TLS, with compression. */
const ways: ReadonlyArray<{
  readonly way: string
  readonly options: ServerOptions
  readonly client: Omit<RawClient.ConnectOptions, "port">
}> = [
  { way: "plain", options: {}, client: {} },
  {
    way: "where compression was offered",
    options: { compression: true },
    client: { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } }
  }
]

describe.each(ways)("on the wire, $way", ({ client, options }) => {
  live("close is the echoes, and the Close frame that was asked for", () =>
    Effect.gen(function* () {
      const { peer, server } = yield* broken(
        "fault=close&code=4001&reason=try+later&after=2msg",
        options,
        client
      )
      yield* peer.write(texts("a", "b", "c"))
      const { end, frames } = yield* lastWords(peer)
      expect(frames.filter(({ opcode }) => opcode === Frames.TEXT)).toHaveLength(2)
      expect(frames.map(Frames.describe).at(-1)).toBe("close 4001 try later")
      expect(end).toBe("fin")
      const line = yield* server.logged("connection closed")
      expect(line).toMatchObject({
        reason: "Fault",
        fault: "close",
        code: 4001,
        messagesIn: 2,
        messagesOut: 2
      })
    })
  )

  for (const [fault, end] of [
    ["reset", "reset"],
    ["vanish", "fin"]
  ] as const) {
    live(`${fault} is ${end}, without a Close frame, behind the echoes`, () =>
      Effect.gen(function* () {
        const { peer, server } = yield* broken(`fault=${fault}&after=3msg`, options, client)
        yield* peer.write(texts("a", "b", "c", "d"))
        const all = yield* untilEnd(peer)
        expect(all.frames).toHaveLength(3)
        expect(all.rest).toBe("")
        yield* expectEnd(peer, end)
        const line = yield* server.logged("connection closed")
        expect(line).toMatchObject({ reason: "Fault", fault, code: null, messagesIn: 3, messagesOut: 3 })
      })
    )

    live(`${fault} comes at once`, () =>
      Effect.gen(function* () {
        const { peer } = yield* broken(`fault=${fault}`, options, client)
        expect(yield* untilEnd(peer)).toMatchObject({ frames: [], rest: "" })
        yield* expectEnd(peer, end)
      })
    )

    live(`${fault} comes when its time has come`, () =>
      Effect.gen(function* () {
        const { peer } = yield* broken(`fault=${fault}&after=100ms`, options, client)
        expect(yield* untilEnd(peer)).toEqual({ frames: [], end, rest: "" })
      })
    )
  }

  live("truncate is half of a frame, and the end", () =>
    Effect.gen(function* () {
      const { peer, server } = yield* broken("fault=truncate&after=1msg", options, client)
      yield* peer.write(texts("a", "12345678", "b"))
      const all = yield* untilEnd(peer)
      expect(all.frames).toHaveLength(1)
      expect(all).toMatchObject({ end: "fin", rest: "\x81\x08123" })
      yield* peer.end
      expect(yield* server.logged("connection closed")).toMatchObject({ reason: "Fault", messagesOut: 1 })
    })
  )

  live("corrupt is a frame with a reserved bit, and its payload", () =>
    Effect.gen(function* () {
      const { peer, server } = yield* broken("fault=corrupt&after=1msg", options, client)
      yield* peer.write(texts("a", "12345678"))
      yield* peer.nextFrame
      const frame = yield* peer.nextFrame
      expect(frame).toMatchObject({ rsv1: false, rsv2: true, opcode: Frames.TEXT })
      expect(frame.payload.toString()).toBe("12345678")
      yield* peer.write(Frames.close(1002))
      expect(yield* untilEnd(peer)).toMatchObject({ frames: ["close 1002"], end: "fin" })
      yield* peer.end
      expect(yield* server.logged("connection closed")).toMatchObject({ reason: "Fault", code: 1002 })
    })
  )

  live("throttle is every byte of every frame", () =>
    Effect.gen(function* () {
      const { peer } = yield* broken("fault=throttle&rate=100KiB", options, client)
      yield* peer.write(texts("a".repeat(3000), "b".repeat(10_000)))
      yield* peer.write(Frames.ping("p"))
      const seen: Array<string> = []
      while (seen.length < 3) {
        const frame = yield* peer.nextFrame
        seen.push(frame.opcode === Frames.PONG ? "pong" : frame.payload.toString())
      }
      expect(seen.filter((text) => text !== "pong")).toEqual(["a".repeat(3000), "b".repeat(10_000)])
      yield* expectNothingMore(peer)
    })
  )
})

liveWithTool(noOpenssl, "with TLS, a reset, an end and half a frame are what they are without", () =>
  Effect.gen(function* () {
    const { cert, key } = yield* selfSigned
    const options = { tlsCert: cert, tlsKey: key }
    for (const [fault, end] of [
      ["reset", "reset"],
      ["vanish", "fin"],
      ["truncate", "fin"]
    ] as const) {
      const { peer } = yield* broken(`fault=${fault}&after=1msg`, options, { tls: true })
      yield* peer.write(texts("a", "12345678"))
      const all = yield* untilEnd(peer)
      expect(all).toMatchObject({ frames: ["text a"], rest: fault === "truncate" ? "\x81\x08123" : "" })
      if (end === "fin") expect(all.end).toBe("fin")
    }
  })
)

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
