/**
 * A handler may do with its messages whatever `Stream` and `Effect` can: they stay in order, none is lost, nothing is read
 * ahead without bound, and a stop ends it.
 */
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { type Connection, ConnectionClosed, type Handler, type Message } from "../../src/index.js"
import { eventually, turn } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { serverWith } from "../support/server.js"
import { lastWords, together } from "../support/session.js"

type Text = { readonly text: string }

/** Works on a message, and answers it. */
type Work = (message: Text) => Effect.Effect<void, unknown>

/** A handler that has each of its messages worked on once. */
type Way = (connection: Connection, work: Work) => ReturnType<Handler<unknown>>

interface Case {
  readonly way: Way
  /** Whether answers may come in another order than messages. */
  readonly isUnordered?: true
}

class Again {
  readonly _tag = "Again"
}

/** A loop over a pull of one message or more. */
const pulling = <E, E2>(
  pull: Effect.Effect<Chunk.Chunk<Text>, Option.Option<E>>,
  work: (message: Text) => Effect.Effect<void, E2>
): Effect.Effect<void, E | E2> => {
  const loop: Effect.Effect<void, E | E2> = Effect.flatMap(Effect.either(pull), (next) =>
    next._tag === "Right"
      ? Effect.zipRight(Effect.forEach(next.right, work, { discard: true }), loop)
      : Option.match(next.left, { onNone: () => Effect.void, onSome: Effect.fail })
  )
  return loop
}

const cases: Readonly<Record<string, Case>> = {
  "Stream.mapEffect": { way: ({ messages }, work) => Stream.runDrain(Stream.mapEffect(messages, work)) },
  "Stream.mapEffect, four at a time": {
    way: ({ messages }, work) => Stream.runDrain(Stream.mapEffect(messages, work, { concurrency: 4 })),
    isUnordered: true
  },
  "Stream.mapEffect, four at a time, and what they give in order": {
    way: ({ messages }, work) =>
      messages.pipe(
        Stream.mapEffect((message) => Effect.as(Effect.yieldNow(), message), { concurrency: 4 }),
        Stream.runForEach(work)
      )
  },
  "Stream.buffer": {
    way: ({ messages }, work) => Stream.runForEach(Stream.buffer(messages, { capacity: 16 }), work)
  },
  "Stream.rechunk": { way: ({ messages }, work) => Stream.runForEach(Stream.rechunk(messages, 1), work) },
  "Stream.throttle": {
    way: ({ messages }, work) =>
      messages.pipe(
        Stream.throttle({ cost: Chunk.size, units: 200, burst: 1000, duration: "1 millis" }),
        Stream.runForEach(work)
      )
  },
  "Stream.groupedWithin": {
    way: ({ messages }, work) =>
      messages.pipe(
        Stream.groupedWithin(8, "5 millis"),
        Stream.runForEach((group) => Effect.forEach(group, work, { discard: true }))
      )
  },
  "Stream.takeUntil": {
    way: ({ messages }, work) =>
      messages.pipe(
        Stream.takeUntil(({ text }) => text === "last"),
        Stream.runForEach(work)
      )
  },
  "Stream.zip": {
    way: ({ messages }, work) =>
      Stream.runForEach(
        Stream.zip(
          messages,
          Stream.iterate(0, (n) => n + 1)
        ),
        ([message]) => work(message)
      )
  },
  "Stream.merge": {
    way: ({ messages }, work) =>
      messages.pipe(
        Stream.merge(Stream.as(Stream.fromSchedule(Schedule.spaced("1 millis")), undefined), {
          haltStrategy: "left"
        }),
        Stream.runForEach((message) => (message === undefined ? Effect.void : work(message)))
      )
  },
  "Stream.broadcast": {
    way: ({ messages }, work) =>
      Effect.flatMap(Stream.broadcast(messages, 2, 16), ([one, other]) =>
        Effect.all([Stream.runForEach(one, work), Stream.runDrain(other)], {
          concurrency: "unbounded"
        })
      )
  },
  "Stream.interruptWhen": {
    way: ({ messages, stopSignal }, work) =>
      Stream.runForEach(Stream.interruptWhen(messages, Effect.zipRight(stopSignal.await, Effect.never)), work)
  },
  "Stream.toPull": {
    way: ({ messages }, work) => Effect.flatMap(Stream.toPull(messages), (pull) => pulling(pull, work))
  },
  "a timeout around each pull": {
    way: ({ messages }, work) =>
      Effect.flatMap(Stream.toPull(messages), (pull) =>
        pulling(
          pull.pipe(
            Effect.timeoutTo({
              duration: "1 millis",
              onSuccess: (chunk) => chunk,
              onTimeout: () => Chunk.empty<Text>()
            })
          ),
          work
        )
      )
  },
  "a race of two pulls": {
    way: ({ messages }, work) =>
      Effect.flatMap(Effect.all([Stream.toPull(messages), Stream.toPull(messages)]), ([one, other]) =>
        pulling(Effect.raceFirst(one, other), work)
      )
  },
  "a race of each pull with something else": {
    way: ({ messages }, work) =>
      Effect.flatMap(Stream.toPull(messages), (pull) =>
        pulling(Effect.raceFirst(pull, Effect.as(Effect.sleep("1 millis"), Chunk.empty<Text>())), work)
      )
  },
  "Effect.retry around a stream that fails between messages": {
    way: ({ messages }, work) =>
      Effect.suspend(() => {
        let failures = 0
        return messages.pipe(
          Stream.runForEachChunk((chunk) =>
            Effect.zipRight(
              Effect.forEach(chunk, work),
              failures++ < 5 ? Effect.fail(new Again()) : Effect.void
            )
          ),
          Effect.retry({ while: (error) => error instanceof Again })
        )
      })
  },
  "messages run a second time after a first": {
    way: ({ messages }, work) =>
      messages.pipe(
        Stream.chunks,
        Stream.take(1),
        Stream.runForEach((chunk) => Effect.forEach(chunk, work)),
        Effect.zipRight(Stream.runForEach(messages, work))
      )
  },
  "Stream.peel of the first message": {
    way: ({ messages }, work) =>
      Effect.flatMap(Stream.peel(messages, Sink.head<Text>()), ([first, rest]) =>
        Effect.zipRight(
          Option.match(first, { onNone: () => Effect.void, onSome: work }),
          Stream.runForEach(rest, work)
        )
      )
  },
  "messages run by two fibers at once": {
    way: ({ messages }, work) =>
      Effect.all([Stream.runForEach(messages, work), Stream.runForEach(messages, work)], {
        concurrency: "unbounded"
      }),
    isUnordered: true
  },
  "workers of the connection's scope, with a queue": {
    way: ({ messages }, work) =>
      Effect.gen(function* () {
        const queue = yield* Queue.bounded<Text>(4)
        const workers = yield* Effect.replicateEffect(
          Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(queue), work))),
          3
        )
        yield* Stream.runForEach(messages, (message) => Queue.offer(queue, message))
        yield* eventually(
          "all was taken",
          Effect.map(Queue.size(queue), (size) => size <= 0)
        )
        yield* Effect.forEach(workers, Fiber.interrupt)
      }),
    isUnordered: true
  },
  "a fiber of its own, which the handler waits for": {
    way: ({ messages }, work) => Effect.flatMap(Effect.fork(Stream.runForEach(messages, work)), Fiber.join)
  },
  "a daemon, which the handler waits for": {
    way: ({ messages }, work) =>
      Effect.flatMap(Effect.forkDaemon(Stream.runForEach(messages, work)), (fiber) =>
        Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
      )
  }
}

const CLOSE_TIMEOUT = 400

const started = (way: Way, work: (connection: Connection) => Work) =>
  serverWith((connection) => way(connection, work(connection)), {
    closeTimeout: CLOSE_TIMEOUT,
    drainTimeout: "3 seconds"
  })

const STOP = { code: 4000, reason: "enough" }

/** So many messages, sent in so many pieces. */
const MESSAGES = 400
const texts = [...Array.from({ length: MESSAGES - 1 }, (_, i) => `${i}`), "last"]

/** Bytes of each message of a flood, and how many are to be had. */
const SIZE = 16 * 1024
const FLOOD = 64 * 1024 * 1024

/**
 * What a handler may have been handed while it works on its first message: chunks of what was read together, of which a
 * broadcast keeps sixteen.
 */
const MOST_TAKEN = 3 * 1024 * 1024

/** What the kernel may hold on both sides, beside that. */
const MOST_SENT = 24 * 1024 * 1024

/** Sends without end, until nothing has been taken for a while: nothing tells that it stands still. */
const flooded = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    const flood = { sent: 0 }
    const message = Frames.binary(Buffer.alloc(SIZE))
    const fiber = yield* Effect.forkScoped(
      Effect.repeat(
        Effect.tap(peer.write(message), () => {
          flood.sent += SIZE
        }),
        { until: () => flood.sent >= FLOOD }
      )
    )
    let before = -1
    let still = 0
    while (still < 200 && flood.sent < FLOOD) {
      still = flood.sent === before ? still + 1 : 0
      before = flood.sent
      yield* turn
      yield* Effect.sleep(1)
    }
    return { sent: flood.sent, stop: Fiber.interrupt(fiber) }
  })

for (const [name, { isUnordered, way }] of Object.entries(cases))
  describe(`a handler with ${name}`, () => {
    live("gets all messages, in order", () =>
      Effect.gen(function* () {
        const { port } = yield* started(
          way,
          (connection) =>
            ({ text }) =>
              connection.send(text)
        )
        const peer = yield* RawClient.connect({ port })
        const bytes = together(...texts.map((text) => Frames.text(text)))
        yield* Effect.fork(peer.writeChunked(bytes, [7, 100, 1, 900, 3]))
        const answers = yield* Effect.replicateEffect(
          Effect.map(peer.nextMessage, ({ text }) => text),
          MESSAGES
        )
        if (isUnordered) expect([...answers].sort()).toEqual([...texts].sort())
        else expect(answers).toEqual(texts)
      })
    )

    live("holds back a peer that sends more than it works on, and ends within the close timeout", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const { connections, port } = yield* started(way, () => () => Deferred.await(gate))
        const peer = yield* RawClient.connect({ port })
        const flood = yield* flooded(peer)
        expect(flood.sent).toBeLessThan(MOST_SENT)
        const [connection] = yield* connections.list
        expect(connection?.bytesIn).toBeGreaterThan(0)
        expect(connection?.bytesIn).toBeLessThan(MOST_TAKEN)

        yield* connections.stop(connection?.id ?? "", STOP)
        const before = performance.now()
        const close = yield* peer.nextFrame
        expect(Frames.describe(close)).toBe("close 4000 enough")
        expect(performance.now() - before).toBeLessThan(2 * CLOSE_TIMEOUT)
        yield* flood.stop
        yield* peer.answerClose([close])
        yield* peer.ended
      })
    )

    live("ends at once when it is stopped and has nothing to do", () =>
      Effect.gen(function* () {
        const { connections, port } = yield* started(
          way,
          (connection) =>
            ({ text }) =>
              connection.send(text)
        )
        const peer = yield* RawClient.connect({ port })
        yield* peer.write(Frames.text("one"))
        expect((yield* peer.nextMessage).text).toBe("one")
        const before = performance.now()
        yield* connections.stopAll(STOP)
        const { end, frames } = yield* lastWords(peer)
        expect(frames.map(Frames.describe)).toEqual(["close 4000 enough"])
        expect(end).toBe("fin")
        expect(performance.now() - before).toBeLessThan(CLOSE_TIMEOUT)
      })
    )
  })

describe("a handler that ends its stream of messages early", () => {
  const afterFirst = (way: (connection: Connection) => ReturnType<Handler<unknown>>) =>
    Effect.gen(function* () {
      const { port } = yield* serverWith(way)
      const peer = yield* RawClient.connect({ port })
      yield* peer.write(together(Frames.text("1"), Frames.text("2"), Frames.text("3")))
      // By now all that was read together has been taken.
      expect((yield* peer.nextMessage).text).toBe("first 1")
      yield* peer.write(Frames.text("4"))
      return peer
    })

  live("has had the rest of the chunk, too, as with any stream", () =>
    Effect.gen(function* () {
      const peer = yield* afterFirst((connection) =>
        connection.messages.pipe(
          Stream.take(1),
          Stream.runForEach(({ text }) => connection.send(`first ${text}`)),
          Effect.zipRight(Stream.run(connection.messages, connection.sendAll))
        )
      )
      expect((yield* peer.nextMessage).text).toBe("4")
    })
  )

  live("goes on with the rest of the chunk if it peels", () =>
    Effect.gen(function* () {
      const peer = yield* afterFirst((connection) =>
        Effect.flatMap(Stream.peel(connection.messages, Sink.head<Message.Message>()), ([first, rest]) =>
          Effect.zipRight(
            Effect.flatMap(first, ({ text }) => connection.send(`first ${text}`)),
            Stream.run(rest, connection.sendAll)
          )
        )
      )
      const rest = yield* Effect.replicateEffect(peer.nextMessage, 3)
      expect(rest.map(({ text }) => text)).toEqual(["2", "3", "4"])
    })
  )
})

describe("a daemon that outlives the handler that began it", () => {
  live("finds that it is too late to send, and that no more messages come", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const found = yield* Deferred.make<ReadonlyArray<unknown>>()
      const { port } = yield* serverWith((connection) =>
        Effect.forkDaemon(
          Effect.zipRight(
            Deferred.await(gate),
            Effect.all([
              Effect.either(connection.send("late")),
              Effect.either(Stream.run(Stream.make("late", "later"), connection.sendAll)),
              Effect.map(Stream.runCollect(connection.messages), Chunk.size)
            ])
          ).pipe(Effect.intoDeferred(found))
        )
      )
      const peer = yield* RawClient.connect({ port })
      yield* peer.write(Frames.text("hello"))
      const { end, frames } = yield* lastWords(peer)
      expect(frames.map(Frames.describe)).toEqual(["close 1000"])
      expect(end).toBe("fin")
      yield* Deferred.succeed(gate, undefined)
      const tooLate = Either.left(expect.any(ConnectionClosed))
      expect(yield* Deferred.await(found)).toEqual([tooLate, tooLate, 0])
    })
  )
})
