/**
 * Every ending, as a raw socket, the log and the registry see it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import type { ConnectionEvent, Handler } from "../../src/index.js"
import * as Frames from "../support/frames.js"
import { get } from "../support/get.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"
import { serverWith, testServer, type TestServer } from "../support/server.js"

interface Ending {
  readonly when: string
  readonly server?: Effect.Effect<TestServer, unknown, Scope.Scope>
  /** Ends the connection. */
  readonly provoke: (
    peer: RawClient.RawClient,
    server: TestServer
  ) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** The frames that the peer sees, the Close frame included, and how TCP ends for it. */
  readonly frames: ReadonlyArray<string>
  readonly tcp: "fin" | "none"
  readonly log: Readonly<Record<string, unknown>>
  readonly isInterrupted?: boolean
}

const failing = (handler: Handler<unknown>) => serverWith(handler)

const stopFirst =
  (options?: { readonly code?: number; readonly reason?: string }) => (_: unknown, server: TestServer) =>
    Effect.gen(function* () {
      const [connection] = yield* server.connections.list
      yield* server.connections.stop(connection?.id ?? "", options)
    })

const endings: ReadonlyArray<Ending> = [
  {
    when: "the peer closes with a code",
    provoke: (peer) => peer.write(Frames.close(4001, "bye")),
    frames: ["close 4001 bye"],
    tcp: "fin",
    log: { reason: "PeerClosed", code: 4001 }
  },
  {
    when: "the peer sends an empty Close frame",
    provoke: (peer) => peer.write(Frames.close()),
    frames: ["close"],
    tcp: "fin",
    log: { reason: "PeerClosed", code: 1005 }
  },
  {
    when: "the peer ends TCP without a Close frame",
    provoke: (peer) => peer.end,
    frames: [],
    tcp: "fin",
    log: { reason: "PeerVanished", code: null }
  },
  {
    when: "the peer resets TCP",
    provoke: (peer) => peer.reset,
    frames: [],
    tcp: "none",
    log: { reason: "PeerVanished", code: null }
  },
  {
    when: "the peer sends a frame with a reserved opcode",
    provoke: (peer) => peer.write(Frames.frame({ opcode: 3 })),
    frames: ["close 1002 invalid opcode 3"],
    tcp: "fin",
    log: { reason: "ProtocolError", code: 1002 }
  },
  {
    when: "the peer sends text that is no UTF-8",
    provoke: (peer) => peer.write(Frames.frame({ opcode: 1, payload: Uint8Array.of(0xff) })),
    frames: ["close 1007 invalid UTF-8"],
    tcp: "fin",
    log: { reason: "ProtocolError", code: 1007 }
  },
  {
    when: "the peer announces a message that is too big",
    provoke: (peer) => peer.write(Frames.frame({ opcode: 2, declaredLength: 60 * 1024 ** 2 })),
    frames: ["close 1009 message too big"],
    tcp: "fin",
    log: { reason: "ProtocolError", code: 1009 }
  },
  {
    when: "a program stops it",
    provoke: stopFirst(),
    frames: ["close 1001 connection interrupted"],
    tcp: "fin",
    log: { reason: "StopSignal", code: 1001 },
    isInterrupted: true
  },
  {
    when: "a program stops it with a code and a reason",
    provoke: stopFirst({ code: 4000, reason: "enough" }),
    frames: ["close 4000 enough"],
    tcp: "fin",
    log: { reason: "StopSignal", code: 4000 },
    isInterrupted: true
  },
  {
    when: "a program stops all",
    provoke: (_, server) => server.connections.stopAll({ code: 1012, reason: "" }),
    frames: ["close 1012"],
    tcp: "fin",
    log: { reason: "StopSignal", code: 1012 },
    isInterrupted: true
  },
  {
    when: "the scope of the server closes",
    provoke: (_, server) => Effect.forkScoped(server.shutdown),
    frames: ["close 1001 server shutting down"],
    tcp: "fin",
    log: { reason: "ServerShutdown", code: 1001 },
    isInterrupted: true
  },
  {
    when: "the handler fails",
    server: failing(() => Effect.fail("the secret cause")),
    provoke: () => Effect.void,
    frames: ["close 1011 internal error"],
    tcp: "fin",
    log: { reason: "HandlerFailed", code: 1011 }
  },
  {
    when: "the handler dies",
    server: failing(() => Effect.die(new Error("the secret cause"))),
    provoke: () => Effect.void,
    frames: ["close 1011 internal error"],
    tcp: "fin",
    log: { reason: "HandlerFailed", code: 1011 }
  },
  {
    when: "the handler interrupts itself",
    server: failing(() => Effect.interrupt),
    provoke: () => Effect.void,
    frames: ["close 1011 internal error"],
    tcp: "fin",
    log: { reason: "HandlerFailed", code: 1011 }
  },
  {
    when: "the handler returns",
    server: serverWith(() => Effect.void),
    provoke: () => Effect.void,
    frames: ["close 1000"],
    tcp: "fin",
    log: { reason: "StopSignal", code: 1000 },
    isInterrupted: true
  },
  {
    when: "a handler that never ends, and reads nothing, is stopped",
    server: serverWith(() => Effect.never),
    provoke: stopFirst(),
    frames: ["close 1001 connection interrupted"],
    tcp: "fin",
    log: { reason: "StopSignal", code: 1001 },
    isInterrupted: true
  }
]

describe("every ending has one reason, and is seen on the wire, in the log and in the registry", () => {
  for (const ending of endings) {
    live(`when ${ending.when}`, () =>
      Effect.gen(function* () {
        const server = yield* ending.server ?? testServer()
        const events: Array<ConnectionEvent> = []
        const following = yield* server.connections.events.pipe(
          Stream.takeUntil((event) => event._tag === "closed"),
          Stream.runForEach((event) => Effect.sync(() => events.push(event))),
          Effect.forkScoped
        )
        // The subscription stands once the fiber waits.
        yield* Effect.yieldNow()
        const peer = yield* RawClient.connect({ port: server.port })
        yield* ending.provoke(peer, server)
        if (ending.tcp === "fin") {
          const { end, frames } = yield* ending.frames.length === 0 ? peer.allUntilEnd : lastWords(peer)
          expect(frames.map(Frames.describe)).toEqual(ending.frames)
          expect(end).toBe("fin")
        }
        const line = yield* server.logged("connection closed")
        expect(line).toMatchObject({ level: "info", messagesIn: 0, bytesOut: 0, ...ending.log })
        expect(line["remote"]).toMatch(/^127\.0\.0\.1:\d+$/)
        expect(JSON.stringify(line)).not.toContain("secret")

        yield* Fiber.join(following)
        expect(events.map((event) => event._tag)).toEqual(["opened", "stopping", "closed"])
        expect(yield* server.connections.count).toBe(0)
        const messages = server.logs.map((logged) => logged["message"])
        expect(messages.filter((message) => message === "connection closed")).toHaveLength(1)
        const interrupted = messages.indexOf("connection interrupted")
        expect(interrupted >= 0).toBe(ending.isInterrupted === true)
        expect(interrupted).toBeLessThan(messages.indexOf("connection closed"))
      })
    )
  }

  live("the cause of a handler that dies is logged at level error", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(() => Effect.die(new Error("the secret cause")))
      const peer = yield* RawClient.connect({ port: server.port })
      yield* lastWords(peer)
      const line = yield* server.logged("handler failed")
      expect(line["level"]).toBe("error")
      expect(line["cause"]).toContain("the secret cause")
      expect(line["connection"]).toBe((yield* server.logged("connection closed"))["connection"])
    })
  )

  live("a bad frame is what ended it, though the end of TCP is read with it after a pause", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const taken = yield* Deferred.make<void>()
      const server = yield* serverWith((connection) =>
        Stream.runForEach(connection.messages, (message) =>
          Deferred.succeed(taken, undefined).pipe(
            Effect.zipRight(Deferred.await(gate)),
            Effect.zipRight(connection.send(message))
          )
        )
      )
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("first"))
      yield* Deferred.await(taken)
      // Nothing tells that the server has read something, and has stopped reading; that it has read what came later does.
      const reading = Effect.gen(function* () {
        const { status } = yield* get({ port: server.port }, "/livez")
        expect(status).toBe(200)
      })
      yield* peer.write(Frames.binary(Buffer.alloc(70_000)))
      yield* Effect.replicateEffect(reading, 5)
      yield* peer.writeAndEnd(Frames.frame({ opcode: 3 }))
      yield* Effect.replicateEffect(reading, 5)
      yield* Deferred.succeed(gate, undefined)
      const { frames } = yield* peer.allUntilEnd
      expect(frames.map(Frames.describe).at(-1)).toBe("close 1002 invalid opcode 3")
      expect(yield* server.logged("connection closed")).toMatchObject({ reason: "ProtocolError", code: 1002 })
    })
  )

  live("a handler that fails ends its own connection only", () =>
    Effect.gen(function* () {
      const server = yield* serverWith((connection) =>
        Stream.runForEach(connection.messages, (message): Effect.Effect<void, unknown> =>
          message.text === "fail" ? Effect.fail("failed") : connection.send(message)
        )
      )
      const other = yield* RawClient.connect({ port: server.port })
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("fail"))
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 1011 internal error"])
      yield* other.write(Frames.text("still here"))
      expect((yield* other.nextMessage).text).toBe("still here")
    })
  )
})
