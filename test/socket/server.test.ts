/**
 * A WebSocket server as the platform's `SocketServer`, on real sockets.
 */
import * as PlatformSocket from "@effect/platform/Socket"
import * as SocketServer from "@effect/platform/SocketServer"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { describe, expect } from "vitest"
import { layerServer } from "../../src/Socket.js"
import { eventually, turn } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { serverOf } from "../support/server.js"
import { lastWords } from "../support/session.js"
import { socketServer } from "../support/socketServer.js"

/** Sends back what comes, behind a prefix. */
const answering =
  (prefix = "") =>
  (socket: PlatformSocket.Socket) =>
    Effect.scoped(
      Effect.flatMap(socket.writer, (write) => socket.runRaw((data) => write(`${prefix}${String(data)}`)))
    )

const described = (peer: RawClient.RawClient) =>
  Effect.map(lastWords(peer), ({ frames }) => frames.map(Frames.describe))

describe("connections", () => {
  live("wait until somebody runs the server, and then nothing of them is lost", () =>
    Effect.gen(function* () {
      const server = yield* socketServer()
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("early"))
      yield* eventually(
        "it is open",
        Effect.map(server.connections.count, (count) => count === 1)
      )
      const [info] = yield* server.connections.list
      expect(info?.messagesIn).toBe(0)
      yield* Effect.forkScoped(server.run(answering()))
      expect((yield* peer.nextMessage).text).toBe("early")
      yield* peer.write(Frames.close(1000))
      expect(yield* described(peer)).toEqual(["close 1000"])
    })
  )

  live("that wait are stopped at once by a shutdown", () =>
    Effect.gen(function* () {
      const server = yield* socketServer()
      const peer = yield* RawClient.connect({ port: server.port })
      yield* Effect.fork(server.shutdown)
      expect(yield* described(peer)).toEqual(["close 1001 server shutting down"])
    })
  )

  live("are handled by who runs the server last, and by who did before when that has ended", () =>
    Effect.gen(function* () {
      const server = yield* socketServer()
      const asked = Effect.gen(function* () {
        const peer = yield* RawClient.connect({ port: server.port })
        yield* peer.write(Frames.text("?"))
        return (yield* peer.nextMessage).text
      }).pipe(Effect.scoped)
      yield* Effect.forkScoped(server.run(answering("first")))
      expect(yield* asked).toBe("first?")
      const second = yield* Effect.forkScoped(server.run(answering("second")))
      yield* eventually(
        "the second runs",
        Effect.map(asked, (text) => text === "second?")
      )
      yield* Fiber.interrupt(second)
      expect(yield* asked).toBe("first?")
    })
  )
})

describe("an interrupt of run", () => {
  live("stops what it handles as a shutdown does, and waits for it; who comes later waits", () =>
    Effect.gen(function* () {
      const server = yield* socketServer({ shutdownCode: 1012 })
      const gate = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const running = yield* Effect.forkScoped(
        server.run((socket) =>
          Effect.scoped(
            Effect.flatMap(socket.writer, (write) =>
              socket.runRaw((data) =>
                Deferred.succeed(started, undefined).pipe(
                  Effect.zipRight(Deferred.await(gate)),
                  Effect.zipRight(write(data))
                )
              )
            )
          )
        )
      )
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Buffer.concat([Frames.text("one"), Frames.text("two")]))
      yield* Deferred.await(started)
      const interrupting = yield* Effect.fork(Fiber.interrupt(running))
      yield* eventually(
        "it is stopped",
        Effect.map(server.connections.list, ([info]) => info?.state === "stopping")
      )
      yield* Effect.repeatN(turn, 5)
      expect(interrupting.unsafePoll()).toBeNull()
      yield* Deferred.succeed(gate, undefined)
      expect(yield* described(peer)).toEqual(["text one", "text two", "close 1012 server shutting down"])
      yield* Fiber.join(interrupting)

      const later = yield* RawClient.connect({ port: server.port })
      yield* later.write(Frames.text("later"))
      yield* Effect.forkScoped(server.run(answering()))
      expect((yield* later.nextMessage).text).toBe("later")
    })
  )

  live("does nothing to what others handle", () =>
    Effect.gen(function* () {
      const server = yield* socketServer()
      yield* Effect.forkScoped(server.run(answering("first")))
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("?"))
      expect((yield* peer.nextMessage).text).toBe("first?")
      const second = yield* Effect.fork(server.run(answering("second")))
      yield* turn
      yield* Fiber.interrupt(second)
      yield* peer.write(Frames.text("!"))
      expect((yield* peer.nextMessage).text).toBe("first!")
    })
  )
})

describe("a handler", () => {
  live("that fails closes its connection with 1011, and the log tells why", () =>
    Effect.gen(function* () {
      const server = yield* socketServer()
      yield* Effect.forkScoped(server.run(() => Effect.fail(new Error("no good"))))
      const peer = yield* RawClient.connect({ port: server.port })
      expect(yield* described(peer)).toEqual(["close 1011 internal error"])
      expect(JSON.stringify(yield* server.logged("handler failed"))).toContain("no good")
    })
  )

  live("that fails with the end of its connection is no failure", () =>
    Effect.gen(function* () {
      const server = yield* socketServer()
      yield* Effect.forkScoped(server.run(answering()))
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.close(4001, "bye"))
      expect(yield* described(peer)).toEqual(["close 4001 bye"])
      yield* server.logged("connection closed", { reason: "PeerClosed", code: 4001 })
      expect(server.logs.filter(({ level }) => level === "error")).toEqual([])
    })
  )

  live("that fails with a socket error while its connection is open has failed", () =>
    Effect.gen(function* () {
      const server = yield* socketServer()
      yield* Effect.forkScoped(
        server.run(() =>
          Effect.fail(new PlatformSocket.SocketGenericError({ reason: "Read", cause: "other" }))
        )
      )
      const peer = yield* RawClient.connect({ port: server.port })
      expect(yield* described(peer)).toEqual(["close 1011 internal error"])
      yield* server.logged("handler failed")
    })
  )

  live("that is interrupted, while its connection isn't, is taken for a service that goes away", () =>
    Effect.gen(function* () {
      const server = yield* socketServer()
      yield* Effect.forkScoped(server.run((socket) => socket.runRaw(() => Effect.interrupt)))
      const peer = yield* RawClient.connect({ port: server.port })
      yield* peer.write(Frames.text("go away"))
      expect(yield* described(peer)).toEqual(["close 1001 server shutting down"])
      yield* server.logged("connection closed", { code: 1001 })
      expect(server.logs.filter(({ level }) => level === "error")).toEqual([])
    })
  )

  live("has what run was given: services and what is local to its fiber", () =>
    Effect.gen(function* () {
      class Name extends Context.Tag("test/Name")<Name, string>() {}
      const local = FiberRef.unsafeMake("nobody")
      const server = yield* socketServer()
      const naming = (socket: PlatformSocket.Socket) =>
        Effect.gen(function* () {
          const write = yield* Effect.scoped(socket.writer)
          yield* write(`${yield* Name} ${yield* FiberRef.get(local)}`)
        })
      yield* server
        .run(naming)
        .pipe(Effect.provideService(Name, "name"), Effect.locally(local, "local"), Effect.forkScoped)
      const peer = yield* RawClient.connect({ port: server.port })
      expect(yield* described(peer)).toEqual(["text name local", "close 1000"])
    })
  )
})

live("what a handler does is a part of its connection's span", () =>
  Effect.gen(function* () {
    const spans: Array<Tracer.Span> = []
    const usual = Context.get(DefaultServices.liveServices, Tracer.Tracer)
    const tracer = Tracer.make({
      ...usual,
      span: (...facts) => {
        const span = usual.span(...facts)
        spans.push(span)
        return span
      }
    })
    const serving = Effect.flatMap(SocketServer.SocketServer, ({ run }) =>
      Effect.forkScoped(
        Effect.withSpan(
          run(() => Effect.withSpan(Effect.void, "work")),
          "run"
        )
      )
    )
    const { logged, port } = yield* serverOf(
      Layer.scopedDiscard(serving).pipe(
        Layer.provideMerge(layerServer({ host: "127.0.0.1", port: 0 })),
        Layer.provide(Layer.setTracer(tracer))
      )
    )
    const peer = yield* RawClient.connect({ port })
    expect(yield* described(peer)).toEqual(["close 1000"])
    yield* logged("connection closed")
    const work = spans.find(({ name }) => name === "work")
    expect(Option.map(work?.parent ?? Option.none(), ({ spanId }) => spanId)).toEqual(
      Option.fromNullable(spans.find(({ name }) => name === "connection")?.spanId)
    )
  })
)

live("a server tells its address", () =>
  Effect.gen(function* () {
    const server = yield* socketServer()
    expect(server.address).toEqual({ _tag: "TcpAddress", hostname: "127.0.0.1", port: server.port })
  })
)
