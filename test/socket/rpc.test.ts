/**
 * RPC by the platform's own server and client, on real sockets.
 */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Rpc, RpcClient, RpcGroup, RpcSerialization, RpcServer } from "@effect/rpc"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"
import { servingSockets } from "../support/socketServer.js"

class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { most: Schema.Number }) {}

const Calls = RpcGroup.make(
  Rpc.make("double", { payload: { n: Schema.Number }, success: Schema.Number, error: TooLarge }),
  Rpc.make("count", { payload: {}, success: Schema.Number, stream: true }),
  Rpc.make("wait", { payload: {}, success: Schema.Void })
)

const MOST = 1_000_000

/** What the handlers of a server note. */
interface Notes {
  /** How many numbers have been counted. */
  counted: number
  /** Calls that have begun, and how they ended. */
  readonly begun: Queue.Queue<string>
  readonly ended: Queue.Queue<string>
}

const handlers = (notes: Notes) => {
  const noted =
    (name: string) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.zipRight(notes.begun.offer(name), effect).pipe(
        Effect.onExit((exit) =>
          notes.ended.offer(`${name} ${Exit.isInterrupted(exit) ? "interrupted" : exit._tag}`)
        )
      )
  return Calls.toLayer({
    double: ({ n }) => (n > MOST ? Effect.fail(new TooLarge({ most: MOST })) : Effect.succeed(2 * n)),
    count: () =>
      Stream.repeatEffect(
        Effect.sync(() => {
          notes.counted++
          return notes.counted
        })
      ).pipe(
        Stream.onStart(notes.begun.offer("count")),
        Stream.ensuringWith((exit) =>
          notes.ended.offer(`count ${Exit.isInterrupted(exit) ? "interrupted" : exit._tag}`)
        )
      ),
    wait: () => noted("wait")(Effect.never)
  })
}

/** An RPC server, and what its handlers note. */
const rpcServer = Effect.gen(function* () {
  const notes: Notes = {
    counted: 0,
    begun: yield* Queue.unbounded<string>(),
    ended: yield* Queue.unbounded<string>()
  }
  const server = yield* servingSockets(
    RpcServer.layer(Calls).pipe(
      Layer.provide(handlers(notes)),
      Layer.provide(RpcServer.layerProtocolSocketServer),
      Layer.provide(RpcSerialization.layerJson)
    ),
    { path: "/rpc" }
  )
  const errors = () => server.logs.filter(({ level }) => level === "error" || level === "fatal")
  return { ...server, notes, errors }
})

/** A client of it, whose connection ends with the scope. */
const client = (url: string) =>
  Effect.gen(function* () {
    const protocol = RpcClient.layerProtocolSocket().pipe(
      Layer.provide([NodeSocket.layerWebSocket(url), RpcSerialization.layerJson])
    )
    const context = yield* Layer.build(protocol)
    return yield* Effect.provide(RpcClient.make(Calls), context)
  })

/** A client that is only TCP, and asks for one thing. */
const asking = (port: number, tag: string) =>
  Effect.gen(function* () {
    const peer = yield* RawClient.connect({ port, path: "/rpc" })
    yield* peer.write(
      Frames.text(JSON.stringify({ _tag: "Request", id: "1", tag, payload: {}, headers: [], sampled: true }))
    )
    return peer
  })

const described = (peer: RawClient.RawClient) =>
  Effect.map(lastWords(peer), ({ frames }) => frames.map(Frames.describe))

describe("a call", () => {
  live("is answered, or fails with its own error", () =>
    Effect.gen(function* () {
      const { errors, url } = yield* rpcServer
      const { double } = yield* client(url)
      expect(yield* double({ n: 21 })).toBe(42)
      expect(yield* Effect.flip(double({ n: MOST + 1 }))).toEqual(new TooLarge({ most: MOST }))
      expect(errors()).toEqual([])
    })
  )

  live("is one of many, by many clients at a time, and each gets its own answer", () =>
    Effect.gen(function* () {
      const { connections, url } = yield* rpcServer
      const clients = yield* Effect.replicateEffect(client(url), 4)
      const answers = yield* Effect.forEach(
        clients,
        ({ double }, i) =>
          Effect.forEach(
            Array.from({ length: 100 }, (_, n) => 1000 * i + n),
            (n) => Effect.map(double({ n }), (answer) => answer === 2 * n),
            { concurrency: "unbounded" }
          ),
        { concurrency: "unbounded" }
      )
      expect(answers.flat().filter(Boolean)).toHaveLength(400)
      expect(yield* connections.count).toBe(4)
    })
  )

  live("that has been given up is interrupted", () =>
    Effect.gen(function* () {
      const { notes, url } = yield* rpcServer
      const { wait } = yield* client(url)
      const call = yield* Effect.fork(wait({}))
      expect(yield* notes.begun.take).toBe("wait")
      yield* Fiber.interrupt(call)
      expect(yield* notes.ended.take).toBe("wait interrupted")
    })
  )
})

describe("a stream", () => {
  live("comes in order, and not faster than it is taken", () =>
    Effect.gen(function* () {
      const { notes, url } = yield* rpcServer
      const { count, double } = yield* client(url)
      const pull = yield* Stream.toPull(Stream.rechunk(count({}, { streamBufferSize: 1 }), 1))
      const take = Effect.map(pull, (chunk) => Chunk.unsafeHead(chunk))
      expect([yield* take, yield* take, yield* take]).toEqual([1, 2, 3])
      // One that the client has, and one that it has no room for, and so hasn't acknowledged.
      const ahead = 3 + 2
      yield* eventually(
        "that has come",
        Effect.sync(() => notes.counted >= ahead)
      )
      for (let i = 0; i < 20; i++) yield* double({ n: i })
      expect(notes.counted).toBe(ahead)
      for (let next = 4; next < 100; next++) expect(yield* take).toBe(next)
    })
  )

  live("ends when its client is gone, and nothing of it is left", () =>
    Effect.gen(function* () {
      const { connections, errors, logged, notes, port } = yield* rpcServer
      const peer = yield* asking(port, "count")
      expect(yield* notes.begun.take).toBe("count")
      yield* peer.nextMessage
      yield* peer.reset
      expect(yield* notes.ended.take).toBe("count interrupted")
      yield* logged("connection closed", { reason: "PeerVanished" })
      expect(yield* connections.count).toBe(0)
      expect(errors()).toEqual([])
    })
  )

  live("ends when its client has ended", () =>
    Effect.gen(function* () {
      const { connections, errors, notes, url } = yield* rpcServer
      const scope = yield* Scope.make()
      const { count } = yield* Scope.extend(client(url), scope)
      const counting = yield* Effect.fork(Stream.runDrain(count({})))
      expect(yield* notes.begun.take).toBe("count")
      yield* Scope.close(scope, Exit.void)
      expect(yield* notes.ended.take).toBe("count interrupted")
      yield* Fiber.await(counting)
      yield* eventually(
        "it is closed",
        Effect.map(connections.count, (count) => count === 0)
      )
      expect(errors()).toEqual([])
    })
  )
})

describe("a shutdown", () => {
  live("in the middle of calls and streams says 1001, and nobody waits for anything any more", () =>
    Effect.gen(function* () {
      const { errors, notes, port, shutdown, url } = yield* rpcServer
      const peer = yield* asking(port, "count")
      yield* peer.nextMessage
      const { wait } = yield* client(url)
      const call = yield* Effect.fork(wait({}))
      expect(new Set([yield* notes.begun.take, yield* notes.begun.take])).toEqual(new Set(["count", "wait"]))
      const shuttingDown = yield* Effect.fork(shutdown)
      expect((yield* described(peer)).at(-1)).toBe("close 1001 server shutting down")
      yield* Fiber.join(shuttingDown)
      expect(Exit.isFailure(yield* Fiber.await(call))).toBe(true)
      expect(new Set([yield* notes.ended.take, yield* notes.ended.take])).toEqual(
        new Set(["count interrupted", "wait interrupted"])
      )
      expect(errors()).toEqual([])
    })
  )
})

describe("an operator's stop", () => {
  live("of a connection ends its calls, and no others", () =>
    Effect.gen(function* () {
      const { connections, errors, notes, port, url } = yield* rpcServer
      const peer = yield* asking(port, "wait")
      expect(yield* notes.begun.take).toBe("wait")
      const [stopped] = yield* connections.list
      const { double, wait } = yield* client(url)
      const call = yield* Effect.fork(wait({}))
      expect(yield* notes.begun.take).toBe("wait")
      yield* connections.stop(stopped?.id ?? "", { code: 4000, reason: "enough" })
      expect(yield* described(peer)).toEqual(["close 4000 enough"])
      expect(yield* notes.ended.take).toBe("wait interrupted")
      expect(yield* double({ n: 1 })).toBe(2)
      expect(call.unsafePoll()).toBeNull()
      expect(errors()).toEqual([])
    })
  )

  live("is seen by the client, whose calls fail", () =>
    Effect.gen(function* () {
      const { connections, notes, url } = yield* rpcServer
      const { wait } = yield* client(url)
      const call = yield* Effect.fork(Effect.flip(wait({})))
      expect(yield* notes.begun.take).toBe("wait")
      yield* connections.stopAll({ code: 4000, reason: "enough" })
      expect(yield* Fiber.join(call)).toMatchObject({ _tag: "RpcClientError", reason: "Protocol" })
    })
  )
})

describe("a peer that doesn't speak RPC", () => {
  live("is told so, and harms nobody", () =>
    Effect.gen(function* () {
      const { errors, logged, port, url } = yield* rpcServer
      const peer = yield* RawClient.connect({ port, path: "/rpc" })
      for (const text of ["hello", "{}", '{"_tag":"Request"}']) {
        yield* peer.write(Frames.text(text))
        expect((yield* peer.nextMessage).text).toContain("Defect")
      }
      const { double } = yield* client(url)
      expect(yield* double({ n: 1 })).toBe(2)
      yield* peer.write(Frames.text("hello"))
      yield* peer.reset
      yield* logged("connection closed", { reason: "PeerVanished" })
      expect(errors()).toEqual([])
    })
  )
})
