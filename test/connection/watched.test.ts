/**
 * Dead, slow and quiet peers, on real sockets.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { noOpenssl, selfSigned } from "../support/certificate.js"
import { liveWithTool } from "../support/skip.js"
import { lastWords } from "../support/session.js"
import { serverWith, testServer, type TestServer } from "../support/server.js"

const HEARTBEAT = { heartbeatInterval: 500, heartbeatTimeout: 500 }

const KIB = 1024

const closedLine = (server: TestServer) => server.logged("connection closed")

/** A client in a process of its own, which connects and then stops to run, as one that hangs. */
const stoppedProcess = (server: TestServer): Effect.Effect<void, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const script = `
      const net = require("node:net")
      const socket = net.connect(${server.port}, "127.0.0.1", () => socket.write(${JSON.stringify(
        "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
      )}))
      socket.once("data", () => process.stdout.write("connected"))`
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"] })),
      (child) =>
        Effect.async<void>((resume) => {
          child.once("close", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
    yield* Effect.async<void>((resume) => {
      child.stdout.once("data", () => resume(Effect.void))
    })
    child.kill("SIGSTOP")
  })

/** Reads at some rate, in bytes a second, until there are so many messages. */
const readSlowly = (peer: RawClient.RawClient, rate: number, count: number) =>
  Effect.gen(function* () {
    const messages: Array<Frames.ServerFrame> = []
    const start = performance.now()
    let bytes = 0
    while (messages.length < count) {
      const frame = yield* peer.nextFrame
      bytes += frame.payload.length
      if (frame.opcode === Frames.PING)
        yield* peer.write(Frames.frame({ opcode: Frames.PONG, payload: frame.payload }))
      else messages.push(frame)
      const ahead = (bytes / rate) * 1000 - (performance.now() - start)
      if (ahead > 0) {
        yield* peer.pause
        // The rate is what the test is about.
        yield* Effect.sleep(ahead)
        yield* peer.resume
      }
    }
    return messages
  })

describe("a peer that stops answering", () => {
  live("is gone within the heartbeat's interval, its timeout, and a second", () =>
    Effect.gen(function* () {
      const server = yield* testServer(HEARTBEAT)
      yield* stoppedProcess(server)
      const line = yield* closedLine(server)
      expect(line).toMatchObject({ reason: "HeartbeatTimeout", code: null })
      expect(line["durationMs"]).toBeGreaterThanOrEqual(1000)
      expect(line["durationMs"]).toBeLessThanOrEqual(2000)
    })
  )

  live("sees a reset, if it still looks", () =>
    Effect.gen(function* () {
      const server = yield* testServer(HEARTBEAT)
      const peer = yield* RawClient.connect({ port: server.port })
      const { end, frames } = yield* peer.allUntilEnd
      expect(frames.map(({ opcode }) => opcode)).toEqual([Frames.PING])
      expect(end).toBe("reset")
    })
  )

  liveWithTool(noOpenssl, "is gone with TLS, too", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* selfSigned
      const server = yield* testServer({ ...HEARTBEAT, tlsCert: cert, tlsKey: key })
      const peer = yield* RawClient.connect({ port: server.port, tls: true })
      expect((yield* peer.allUntilEnd).end).toBe("reset")
      expect(yield* closedLine(server)).toMatchObject({ reason: "HeartbeatTimeout" })
    })
  )
})

describe("a peer that gives a sign of life stays:", () => {
  const signs: ReadonlyArray<readonly [what: string, bytes: (i: number) => Uint8Array]> = [
    ["only pings", () => Frames.frame({ opcode: Frames.PING })],
    ["only pongs", () => Frames.frame({ opcode: Frames.PONG })],
    ["one byte of a frame at a time", (i) => Frames.text("x".repeat(100)).subarray(i, i + 1)]
  ]
  for (const [what, bytes] of signs)
    live(what, () =>
      Effect.gen(function* () {
        const server = yield* testServer(HEARTBEAT)
        const peer = yield* RawClient.connect({ port: server.port })
        for (let i = 0; i < 12; i++) {
          yield* peer.write(bytes(i))
          // How often it does is what the test is about: three times as long as it may be silent, in all.
          yield* Effect.sleep(250)
        }
        expect(yield* server.connections.count).toBe(1)
      })
    )
})

describe("a peer that reads slowly", () => {
  live(
    "gets every byte in order, and is never taken for dead or stuck",
    () =>
      Effect.gen(function* () {
        const server = yield* testServer({ ...HEARTBEAT, sendTimeout: 1000 })
        const peer = yield* RawClient.connect({ port: server.port, patience: 60_000 })
        const count = 32
        const sent = Array.from({ length: count }, (_, i) => Buffer.alloc(16 * KIB, i))
        yield* Effect.forkScoped(Effect.forEach(sent, (payload) => peer.write(Frames.binary(payload))))
        const got = yield* readSlowly(peer, 50 * KIB, count)
        expect(got.every(({ payload }, i) => payload.equals(sent[i] ?? Buffer.alloc(0)))).toBe(true)
        expect(yield* server.connections.count).toBe(1)
      }),
    60_000
  )

  live(
    "may take one large message, piece by piece, for longer than the send timeout",
    () =>
      Effect.gen(function* () {
        const size = 16 * KIB * KIB
        const server = yield* serverWith(
          (connection) => Effect.zipRight(Effect.ignore(connection.send(Buffer.alloc(size))), Effect.never),
          { sendTimeout: 1000, heartbeatInterval: "off" }
        )
        const peer = yield* RawClient.connect({ port: server.port, patience: 60_000 })
        const start = performance.now()
        let isOver = false
        yield* Effect.forkScoped(
          Effect.forever(
            Effect.gen(function* () {
              yield* peer.pause
              // The rate is what the test is about. The kernel takes more only when a third of its buffer, which has
              // up to 4 MiB, is free: two rounds.
              yield* Effect.sleep(200)
              yield* peer.resume
              yield* peer.moreBytes(KIB * KIB)
            })
          ).pipe(Effect.onExit(() => Effect.sync(() => (isOver = true))))
        )
        const frame = yield* peer.nextFrame
        expect(frame.payload).toHaveLength(size)
        expect(performance.now() - start).toBeGreaterThan(1500)
        expect(isOver).toBe(false)
        expect(yield* server.connections.count).toBe(1)
      }),
    60_000
  )
})

describe("a peer that takes nothing", () => {
  live("is gone at the send timeout, others aren't", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ sendTimeout: 500 })
      const other = yield* RawClient.connect({ port: server.port })
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.pause
      yield* Effect.forkScoped(
        Effect.ignore(Effect.forever(peer.write(Frames.binary(Buffer.alloc(64 * KIB)))))
      )
      expect(yield* closedLine(server)).toMatchObject({ reason: "SlowConsumer", code: null })
      yield* other.write(Frames.text("still here"))
      expect((yield* other.nextMessage).text).toBe("still here")
    })
  )

  live("is gone when it only pings, since pongs count", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ sendTimeout: 500 })
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.pause
      const pings = Buffer.concat(
        Array.from({ length: 500 }, () =>
          Buffer.from(Frames.frame({ opcode: Frames.PING, payload: Buffer.alloc(125) }))
        )
      )
      yield* Effect.forkScoped(Effect.ignore(Effect.forever(peer.write(pings))))
      expect(yield* closedLine(server)).toMatchObject({ reason: "SlowConsumer", messagesIn: 0 })
    })
  )
})

describe("a quiet connection", () => {
  live("is closed with 3008 at the idle timeout", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ idleTimeout: 300 })
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("hello"))
      expect((yield* peer.nextMessage).text).toBe("hello")
      const { end, frames } = yield* lastWords(peer)
      expect(frames.map(Frames.describe)).toEqual(["close 3008 idle timeout"])
      expect(end).toBe("fin")
      expect(yield* closedLine(server)).toMatchObject({ reason: "IdleTimeout", code: 3008 })
    })
  )

  live("is closed with 1012 when it is too old", () =>
    Effect.gen(function* () {
      const server = yield* testServer({ maxLifetime: 300 })
      const peer = yield* RawClient.connect({ port: server.port })
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 1012 lifetime reached"])
      expect(yield* closedLine(server)).toMatchObject({ reason: "LifetimeReached", code: 1012 })
    })
  )
})
