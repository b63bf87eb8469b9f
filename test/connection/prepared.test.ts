/**
 * Messages that are encoded once, on the wire.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import * as net from "node:net"
import { describe, expect, vi } from "vitest"
import { WebSocket } from "ws"
import { type ConnectionClosed, type Handler, Message } from "../../src/index.js"
import { deflateConnection, EXTENSION } from "../support/deflateSession.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { serverWith } from "../support/server.js"
import { expectNothingMore, PATIENT } from "../support/session.js"

/** A message that the server is to send. */
interface Item {
  readonly isPrepared: boolean
  readonly size: number
}

/** Batches of messages. */
type Script = ReadonlyArray<ReadonlyArray<Item>>

/** Each is another, if it isn't empty. */
const payloadOf = ({ size }: Item, at: number): string => String(at).padEnd(size, "payload ").slice(0, size)

/** The messages of a script, in its batches. */
const messagesOf = (script: Script): ReadonlyArray<Chunk.Chunk<Message.Message>> => {
  let at = 0
  return script.map((batch) =>
    Chunk.fromIterable(
      batch.map((item): Message.Message => {
        const payload = payloadOf(item, at++)
        return item.isPrepared ? Message.prepare(payload) : Message.text(payload)
      })
    )
  )
}

/** Sends what it is told to, one batch right after the other. */
const scripted: Handler<ConnectionClosed> = (connection) =>
  Stream.runForEach(connection.messages, ({ text }) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is this file that sends it
    const script = JSON.parse(text) as Script
    return Effect.forEach(messagesOf(script), (batch) => connection.sendChunk(batch), { discard: true })
  })

const item = FC.record({
  isPrepared: FC.boolean(),
  size: FC.oneof(FC.constantFrom(0, 0, 1, 125, 126), FC.nat({ max: 9000 }))
})

const script = FC.array(FC.array(item, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 12 })

/** One message a batch, each of another size. */
const alternating: Script = Array.from({ length: 20 }, (_, i) => [
  { isPrepared: i % 2 === 1, size: [0, 5000, 20_000][i % 3] ?? 0 }
])

describe("a prepared message", () => {
  live("is written as it is, the same bytes of memory to every peer", () =>
    Effect.gen(function* () {
      const small = Message.prepare("small")
      const large = Message.prepare(Buffer.alloc(100_000, "large"))
      const server = yield* serverWith((connection) =>
        Stream.runForEach(connection.messages, () =>
          Effect.zipRight(connection.send(small), connection.send(large))
        )
      )
      const peers = yield* Effect.replicateEffect(RawClient.connect({ port: server.port }), 3)
      const write = yield* Effect.acquireRelease(
        Effect.sync(() => vi.spyOn(net.Socket.prototype, "write")),
        (spy) => Effect.sync(() => spy.mockRestore())
      )
      for (const peer of peers) {
        yield* peer.write(Frames.text("go"))
        expect((yield* peer.nextMessage).text).toBe("small")
        expect((yield* peer.nextMessage).payload.equals(large.bytes)).toBe(true)
      }
      // Those of the peers are others.
      const all = write.mock.calls.map(([chunk]) => chunk)
      for (const { frame } of [small, large]) expect(all.filter((chunk) => chunk === frame)).toHaveLength(3)
      expect(all).toHaveLength(9)
      const list = yield* server.connections.list
      for (const info of list) expect(info).toMatchObject({ messagesOut: 2, bytesOut: 100_005 })
    })
  )

  live("among others comes in its place", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(scripted, PATIENT)
      const runPromise = Runtime.runPromise(yield* Effect.runtime())
      const holds = FC.asyncProperty(script, (script) =>
        runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const peer = yield* RawClient.connect({ port: server.port })
              yield* peer.write(Frames.text(JSON.stringify(script)))
              for (const [at, item] of script.flat().entries()) {
                const message = yield* peer.nextMessage
                expect(message).toMatchObject({ text: payloadOf(item, at), opcode: Frames.TEXT, rsv1: false })
              }
              yield* expectNothingMore(peer)
            })
          )
        )
      )
      yield* Effect.promise(() => FC.assert(holds, { numRuns: 60, interruptAfterTimeLimit: 20_000 }))
    })
  )

  live("is never compressed, and overtakes none that is (RFC 7692 section 6)", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(scripted, { ...PATIENT, compression: true })
      const runPromise = Runtime.runPromise(yield* Effect.runtime())
      const holds = FC.asyncProperty(script, FC.boolean(), (script, hasContext) =>
        runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              const offer = hasContext ? EXTENSION : `${EXTENSION}; server_no_context_takeover`
              const { frame, inflated, peer } = yield* deflateConnection(server.port, offer)
              yield* peer.write(frame(Frames.TEXT, JSON.stringify(script)))
              for (const [at, item] of script.flat().entries()) {
                const found = yield* peer.nextFrame
                if (item.isPrepared) expect(found.rsv1).toBe(false)
                else if (hasContext) expect(found.rsv1).toBe(true)
                expect(inflated(found).payload.toString()).toBe(payloadOf(item, at))
              }
              yield* peer.write(Frames.close(1000))
              expect((yield* peer.allUntilEnd).frames.map(Frames.describe)).toEqual(["close 1000"])
            })
          )
        )
      )
      yield* Effect.promise(() =>
        FC.assert(holds, {
          numRuns: 60,
          interruptAfterTimeLimit: 20_000,
          examples: [
            [alternating, true],
            // An empty message that is being compressed has no bytes that wait.
            [[[{ isPrepared: false, size: 0 }], [{ isPrepared: true, size: 5 }]], true]
          ]
        })
      )
    })
  )

  live("is taken by a client that compresses, and so is the Close frame behind it", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(scripted, { ...PATIENT, compression: true })
      const socket = new WebSocket(server.url)
      const texts: Array<string> = []
      socket.on("message", (data) => Buffer.isBuffer(data) && texts.push(data.toString()))
      yield* Effect.promise(() => once(socket, "open"))
      expect(socket.extensions).toContain(EXTENSION)
      const closed = once(socket, "close")
      socket.send(JSON.stringify(alternating))
      const [info] = yield* server.connections.list
      if (info === undefined) throw new Error("it isn't there")
      yield* eventually(
        "all is sent",
        Effect.map(server.connections.get(info.id), ({ messagesOut }) => messagesOut === alternating.length)
      )
      yield* server.connections.stop(info.id, { code: 4000, reason: "enough" })
      const [code, reason] = yield* Effect.promise(() => closed)
      expect([code, String(reason)]).toEqual([4000, "enough"])
      expect(texts).toEqual(alternating.flat().map(payloadOf))
    })
  )
})
