/**
 * Typed messages: what is given of them, what becomes of those that don't fit, and what is sent.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { type Connection, ConnectionClosed, type Handler, Json } from "../../src/index.js"
import * as Message from "../../src/protocol/Message.js"
import { begin, CLOSE_TIMEOUT, count, over } from "../support/life.js"
import type { MemoryTransport } from "../support/MemoryTransport.js"
import { settle, timeless } from "../support/timeless.js"

const Plain = Schema.Struct({ n: Schema.Int })
type Plain = typeof Plain.Type

class Offset extends Context.Tag("test/Offset")<Offset, number>() {}

const shift = ({ n }: Plain, sign: number) =>
  Effect.gen(function* () {
    // Some of them at once, others not.
    if (n % 2 === 0) yield* Effect.yieldNow()
    return { n: n + sign * (yield* Offset) }
  })

/** The same, by way of a service, and maybe of other fibers. */
const Shifted = Schema.transformOrFail(Plain, Schema.typeSchema(Plain), {
  strict: true,
  decode: (value) => shift(value, 1),
  encode: (value) => shift(value, -1)
})

/** One read brings these messages. */
const deliver = (transport: MemoryTransport, messages: ReadonlyArray<Message.Message>) => {
  if (transport.inbox.isOver) return
  for (const message of messages) transport.inbox.push(message)
  transport.inbox.wake()
}

/** What a peer may send, and what is thought of it. */
interface Sent {
  readonly message: Message.Message
  readonly meant: number | Json.InvalidMessage["problem"]
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const sent: FC.Arbitrary<Sent> = FC.oneof(
  {
    weight: 6,
    arbitrary: FC.integer().map((n) => ({ message: Message.text(JSON.stringify({ n })), meant: n }))
  },
  {
    weight: 1,
    arbitrary: FC.oneof(
      FC.json().filter((text) => !Schema.is(Plain)(JSON.parse(text))),
      FC.constantFrom('{"n":"1"}', '{"n":0.5}', '{"n":null}', "7")
    ).map((text) => ({
      message: Message.text(text),
      meant: "NotExpected" as const
    }))
  },
  {
    weight: 1,
    arbitrary: FC.oneof(
      FC.string({ unit: "binary" }),
      FC.constantFrom("", '{"n":1', '\uFEFF{"n":1}', "{n:1}")
    )
      .filter((text) => !isJson(text))
      .map((text) => ({ message: Message.text(text), meant: "NotJson" as const }))
  },
  {
    weight: 1,
    arbitrary: FC.oneof(FC.uint8Array(), FC.constant(Buffer.from('{"n":1}'))).map((bytes) => ({
      message: Message.binary(bytes),
      meant: "NotText" as const
    }))
  }
)

/** What is read together. */
const reads = FC.array(FC.array(sent, { minLength: 1, maxLength: 5 }), { maxLength: 6 })

const codes = { NotText: 1003, NotJson: 1007, NotExpected: 1008 } as const
const reasons = {
  NotText: "message is binary",
  NotJson: "message isn't JSON",
  NotExpected: "message isn't as expected"
} as const

const answer = (n: number): string => JSON.stringify({ n })
const write = (answers: ReadonlyArray<string>): ReadonlyArray<string> =>
  answers.length === 0 ? [] : [`write ${answers.join(" ")}`]

/** The writes that are due to a peer that is answered up to the first message that isn't good, and that message. */
const upToInvalid = (reads: ReadonlyArray<ReadonlyArray<Sent>>) => {
  const writes: Array<string> = []
  for (const read of reads) {
    const at = read.findIndex(({ meant }) => typeof meant === "string")
    const good = at < 0 ? read : read.slice(0, at)
    writes.push(...write(good.map(({ meant }) => answer(Number(meant)))))
    const invalid = at < 0 ? undefined : read[at]
    if (invalid !== undefined && typeof invalid.meant === "string")
      return { writes, problem: invalid.meant, message: invalid.message }
  }
  return { writes, problem: undefined, message: undefined }
}

const OFFSET = 5
const RUNS = { fastCheck: { numRuns: 40 } }
const said = ["stopping PeerClosed", "close 1000", "farewell PeerClosed", "closed PeerClosed"]

/** Runs a handler while a peer sends, and tells all that came of it. */
const run = <E>(
  handler: (connection: Connection) => Effect.Effect<unknown, E, Offset>,
  reads: ReadonlyArray<ReadonlyArray<Sent>>
) =>
  Effect.gen(function* () {
    const life = yield* begin((connection) =>
      Effect.asVoid(Effect.provideService(handler(connection), Offset, OFFSET))
    )
    for (const read of reads) {
      yield* settle
      deliver(
        life.transport,
        read.map(({ message }) => message)
      )
    }
    yield* settle
    life.transport.peerCloses(1000)
    return yield* over(life)
  }).pipe(Effect.scoped)

const schemas: ReadonlyArray<
  readonly [
    string,
    Pick<Json.JsonOptions<Plain, Plain, Offset, Plain, Plain, Offset>, "incoming" | "outgoing">,
    number
  ]
> = [
  ["without effects", { incoming: Plain, outgoing: Plain }, 0],
  ["with effects and requirements", { incoming: Shifted, outgoing: Shifted }, OFFSET]
]

describe.each(schemas)("messages by schemas %s", (_, schemas, offset) => {
  it.effect.prop(
    "are given in order, those that are invalid too, in the chunks in which they were read",
    [reads],
    ([reads]) =>
      Effect.gen(function* () {
        const trail = yield* run((connection) => {
          const { results } = Json.connection(connection, schemas)
          return Stream.runForEachChunk(results, (results) =>
            connection.sendChunk(
              Chunk.map(results, (result) =>
                Message.text(Either.isRight(result) ? answer(result.right.n) : result.left.problem)
              )
            )
          )
        }, reads)
        const writes = reads.flatMap((read) =>
          write(read.map(({ meant }) => (typeof meant === "string" ? meant : answer(meant + offset))))
        )
        expect(trail).toEqual([...writes, ...said])
      }),
    RUNS
  )

  it.effect.prop(
    "end at the first that is invalid with a close, after the answers to those before it",
    [reads],
    ([reads]) =>
      Effect.gen(function* () {
        const trail = yield* run((connection) => {
          const typed = Json.connection(connection, schemas)
          return Stream.run(typed.messages, typed.sendAll)
        }, reads)
        const { problem, writes } = upToInvalid(reads)
        const closed =
          problem === undefined
            ? said
            : [
                "stopping StopSignal",
                `close ${codes[problem]} ${reasons[problem]}`,
                "farewell StopSignal",
                "closed StopSignal"
              ]
        expect(trail).toEqual([...writes, ...closed])
      }),
    RUNS
  )

  it.effect.prop(
    "fail at the first that is invalid, if that is asked for",
    [reads],
    ([reads]) =>
      Effect.gen(function* () {
        const invalid: Array<Json.InvalidMessage> = []
        const trail = yield* run((connection) => {
          const typed = Json.connection(connection, { ...schemas, invalid: "fail" })
          return Stream.run(typed.messages, typed.sendAll).pipe(
            Effect.catchTag("InvalidMessage", (error) => Effect.sync(() => invalid.push(error)))
          )
        }, reads)
        const { message, problem, writes } = upToInvalid(reads)
        expect(invalid.map(({ received }) => received)).toEqual(message === undefined ? [] : [message])
        expect(invalid.map(({ problem }) => problem)).toEqual(problem === undefined ? [] : [problem])
        expect(trail.filter((entry) => entry.startsWith("write"))).toEqual(writes)
      }),
    RUNS
  )
})

/** Runs a handler with one message of its peer. */
const given = <E>(text: string, handler: Handler<E>) =>
  Effect.gen(function* () {
    const life = yield* begin(handler)
    life.transport.deliver(text)
    yield* settle
    return life
  })

describe("an invalid message", () => {
  const Order = Schema.Struct({
    id: Schema.Number,
    lines: Schema.Array(
      Schema.Struct({ price: Schema.NumberFromString, note: Schema.optional(Schema.String) })
    )
  })

  const invalid = (message: Message.Message) =>
    Effect.gen(function* () {
      const found: Array<Either.Either<typeof Order.Type, Json.InvalidMessage>> = []
      const life = yield* begin((connection) =>
        Stream.runForEach(
          Json.connection(connection, { incoming: Order, outgoing: Schema.Never }).results,
          (result) => Effect.sync(() => found.push(result))
        )
      )
      deliver(life.transport, [message])
      yield* settle
      life.transport.peerCloses(1000)
      yield* over(life)
      expect(found).toHaveLength(1)
      return yield* Effect.flip(found[0] ?? Effect.void)
    })

  const cases: ReadonlyArray<readonly [string, string]> = [
    ["hello", `message isn't JSON: Unexpected token 'h', "hello" is not valid JSON`],
    ["", "message isn't JSON: Unexpected end of JSON input"],
    ["[1]", `message isn't as expected: Expected { readonly id: number; readonly lines: `],
    ['{"id":"1","lines":[]}', `message isn't as expected: id: Expected number, actual "1"`],
    ['{"id":1}', "message isn't as expected: lines: is missing"],
    [
      '{"id":1,"lines":[{"price":"1"},{"price":"free"}]}',
      `message isn't as expected: lines.1.price: Unable to decode "free" into a number`
    ]
  ]
  for (const [text, words] of cases)
    timeless(`says what is wrong with it, and where: ${text}`, () =>
      Effect.gen(function* () {
        const error = yield* invalid(Message.text(text))
        expect(error.message.startsWith(words), error.message).toBe(true)
        expect(error).toMatchObject({ _tag: "InvalidMessage", connection: "c1" })
        expect(error.received.text).toBe(text)
        expect(error.cause).toBeInstanceOf(ParseResult.ParseError)
      })
    )

  timeless("says that it is binary", () =>
    Effect.gen(function* () {
      const error = yield* invalid(Message.binary(Uint8Array.of(1, 2)))
      expect(error.message).toBe("message is binary: expected JSON as text")
      expect(error.code).toBe(1003)
    })
  )

  timeless("is described in few words, however long it is", () =>
    Effect.gen(function* () {
      const error = yield* invalid(Message.text(JSON.stringify({ id: "x".repeat(1_000_000), lines: [] })))
      expect(error.message.length).toBeLessThan(600)
      expect(error.message).toContain("id: Expected number, actual")
    })
  )

  timeless("is one that is nested more deeply than there is stack for", () =>
    Effect.gen(function* () {
      const depth = 100_000
      const life = yield* given(`${'{"kids":['.repeat(depth)}${"]}".repeat(depth)}`, (connection) => {
        const typed = Json.connection(connection, { incoming: Tree, outgoing: Tree })
        return Stream.run(typed.messages, typed.sendAll)
      })
      expect((yield* over(life)).slice(0, 2)).toEqual([
        "stopping StopSignal",
        "close 1008 message isn't as expected"
      ])
    })
  )
})

interface Tree {
  readonly kids: ReadonlyArray<Tree>
}
const Tree: Schema.Schema<Tree> = Schema.Struct({ kids: Schema.Array(Schema.suspend(() => Tree)) })

const plain = (connection: Connection) => Json.connection(connection, { incoming: Plain, outgoing: Plain })

describe("messages that come", () => {
  timeless("are not decoded behind one that is invalid", () =>
    Effect.gen(function* () {
      const decoded: Array<number> = []
      const Noted = Schema.transform(Schema.Number, Schema.Number, {
        strict: true,
        decode: (n) => {
          decoded.push(n)
          return n
        },
        encode: (n) => n
      })
      const life = yield* begin((connection) =>
        Stream.runDrain(Json.connection(connection, { incoming: Noted, outgoing: Noted }).messages)
      )
      life.transport.deliver("1", "2", "three", "4")
      life.transport.deliver("5")
      yield* over(life)
      expect(decoded).toEqual([1, 2])
    })
  )

  timeless("before an invalid one have the time to be answered that any stop leaves them", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) => {
        const { messages, send } = plain(connection)
        return Stream.runForEach(Stream.buffer(messages, { capacity: 4 }), (value) =>
          Effect.zipRight(Effect.sleep("1 second"), send(value))
        )
      })
      life.transport.deliver('{"n":1}', '{"n":2}', "{}", '{"n":3}')
      yield* settle
      expect(life.trail).toEqual(["stopping StopSignal"])
      yield* TestClock.adjust("2 seconds")
      expect((yield* over(life)).slice(1, 4)).toEqual([
        'write {"n":1}',
        'write {"n":2}',
        "close 1008 message isn't as expected"
      ])
    })
  )

  timeless("and aren't pulled aren't read", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const life = yield* given('{"n":1}', (connection) =>
        Stream.runForEach(plain(connection).results, () => Deferred.await(gate))
      )
      life.transport.deliver('{"n":2}', '{"n":3}')
      yield* settle
      expect(life.transport.inbox.size).toBe(2)
      expect(count(life.connection).messagesIn).toBe(1)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      expect(life.transport.inbox.size).toBe(0)
      life.transport.peerCloses(1000)
      yield* over(life)
    })
  )

  timeless("and take for ever to decode don't keep a stop from taking effect", () =>
    Effect.gen(function* () {
      let interrupts = 0
      const Slow = Schema.transformOrFail(Schema.Number, Schema.Number, {
        strict: true,
        decode: () =>
          Effect.onInterrupt(Effect.never, () =>
            Effect.sync(() => {
              interrupts++
            })
          ),
        encode: (n) => Effect.succeed(n)
      })
      const life = yield* given("1", (connection) =>
        Stream.runDrain(Json.connection(connection, { incoming: Slow, outgoing: Slow }).messages)
      )
      life.transport.peerCloses(1000)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(interrupts).toBe(0)
      yield* TestClock.adjust(1)
      expect(interrupts).toBe(1)
      expect(yield* over(life)).toEqual(said)
    })
  )

  timeless(
    "and meet a defect of the schema end the connection with 1011, as any defect of a handler does",
    (log) =>
      Effect.gen(function* () {
        const Broken = Schema.transform(Schema.Number, Schema.Number, {
          strict: true,
          decode: () => {
            throw new RangeError("broken")
          },
          encode: (n) => n
        })
        const life = yield* given("1", (connection) =>
          Stream.runDrain(Json.connection(connection, { incoming: Broken, outgoing: Broken }).messages)
        )
        expect((yield* over(life)).slice(0, 2)).toEqual([
          "stopping HandlerFailed",
          "close 1011 internal error"
        ])
        expect(yield* log.logged("handler failed")).toMatchObject({ connection: "c1" })
      })
  )
})

describe("what is sent", () => {
  /** Sends values of any kind, and tells what was written and how it ended. */
  const sending = <Out, Encoded>(outgoing: Schema.Schema<Out, Encoded>, values: ReadonlyArray<Out>) =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void, ConnectionClosed | Json.EncodeError>()
      const life = yield* begin((connection) => {
        const typed = Json.connection(connection, { incoming: Schema.Never, outgoing })
        return Effect.intoDeferred(Stream.run(Stream.fromIterable(values), typed.sendAll), ended)
      })
      const trail = yield* over(life)
      const result = yield* Effect.either(Deferred.await(ended))
      return { writes: trail.filter((entry) => entry.startsWith("write")), result }
    })

  timeless("is encoded by the schema, and a chunk is one batch", () =>
    Effect.gen(function* () {
      const { result, writes } = yield* sending(Schema.Date, [new Date(0), new Date(1000)])
      expect(writes).toEqual(['write "1970-01-01T00:00:00.000Z" "1970-01-01T00:00:01.000Z"'])
      expect(result).toEqual(Either.void)
    })
  )

  const failing: ReadonlyArray<readonly [string, unknown, string]> = [
    [
      "doesn't fit the schema",
      0,
      `can't send a message on connection c1: Expected a number greater than or equal to 1, actual 0`
    ],
    ["is of another type", "2", `can't send a message on connection c1: Expected number, actual "2"`]
  ]
  for (const [what, value, words] of failing)
    timeless(`and ${what} fails, when what stood before it has been sent`, () =>
      Effect.gen(function* () {
        const { result, writes } = yield* sending(
          Schema.Number.pipe(Schema.greaterThanOrEqualTo(1)),
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as a program does that is wrong about it
          [1, value as number, 3]
        )
        expect(writes).toEqual(["write 1"])
        const error = yield* Effect.flip(result)
        expect(error).toMatchObject({ _tag: "EncodeError", connection: "c1", value })
        expect(error.message).toBe(words)
      })
    )

  const circular: { self?: unknown } = {}
  circular.self = circular
  const unwritable: ReadonlyArray<readonly [string, unknown, string]> = [
    ["undefined", undefined, "it has no JSON"],
    ["a function", () => 1, "it has no JSON"],
    ["a bigint", 1n, "Do not know how to serialize a BigInt"],
    ["a circle", circular, "Converting circular structure to JSON"]
  ]
  for (const [what, value, words] of unwritable)
    timeless(`fails where it has no JSON: ${what}`, () =>
      Effect.gen(function* () {
        const { result, writes } = yield* sending(Schema.Unknown, [value])
        expect(writes).toEqual([])
        const error = yield* Effect.flip(result)
        expect(error).toMatchObject({ _tag: "EncodeError" })
        expect(error.message).toContain(words)
      })
    )

  timeless("and is nested more deeply than there is stack for fails", () =>
    Effect.gen(function* () {
      let tree: Tree = { kids: [] }
      for (let i = 0; i < 100_000; i++) tree = { kids: [tree] }
      const { result } = yield* sending(Tree, [tree])
      expect((yield* Effect.flip(result)).message).toContain("nested too deeply")
    })
  )

  timeless("too late fails, and an effect that sends may be run again", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) => {
        const { send, sendChunk } = plain(connection)
        const one = send({ n: 1 })
        const two = sendChunk(Chunk.make({ n: 2 }, { n: 3 }))
        return Effect.all([one, two, one, two])
      })
      expect((yield* over(life)).slice(0, 4)).toEqual([
        'write {"n":1}',
        'write {"n":2} {"n":3}',
        'write {"n":1}',
        'write {"n":2} {"n":3}'
      ])
      const { send, sendAll } = plain(life.connection)
      expect(yield* Effect.flip(send({ n: 1 }))).toBeInstanceOf(ConnectionClosed)
      const all = Stream.run(Stream.make({ n: 1 }), sendAll)
      expect(yield* Effect.flip(all)).toBeInstanceOf(ConnectionClosed)
    })
  )

  timeless("waits while too much is buffered", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const life = yield* begin((connection) => {
        const { send } = plain(connection)
        return Effect.zipRight(
          Deferred.await(gate),
          Effect.forEach([1, 2, 3], (n) => send({ n }))
        )
      })
      life.transport.block()
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      expect(life.transport.written).toEqual(['{"n":1}', '{"n":2}'])
      life.transport.unblock()
      yield* settle
      expect(life.transport.written).toHaveLength(3)
      yield* over(life)
    })
  )
})
