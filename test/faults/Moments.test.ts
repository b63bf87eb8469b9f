/**
 * When a fault comes, to the message and to the millisecond, and what an ending on demand looks like.
 */
import { describe, expect } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { echo } from "../../src/connection/Echo.js"
import * as Frame from "../../src/protocol/Frame.js"
import * as Message from "../../src/protocol/Message.js"
import { faulty, numbered, raw, serveFaulty, STOPPED } from "../support/faulty.js"
import type { MemoryTransport } from "../support/MemoryTransport.js"
import { timeless } from "../support/timeless.js"

const frame = (text: string, reserved = 0): Buffer =>
  Buffer.concat([Frame.header("Text", text.length, reserved), Buffer.from(text)])

/** What becomes of ten messages that come in one read, when the fault comes after three. */
const afterThree: ReadonlyArray<
  readonly [
    query: string,
    trail: ReadonlyArray<string>,
    counts: { readonly in: number; readonly out: number }
  ]
> = [
  ["fault=close&code=4001&reason=bye", ["write 1 2 3", "close 4001 bye"], { in: 3, out: 3 }],
  ["fault=reset", ["write 1 2 3", "reset"], { in: 3, out: 3 }],
  ["fault=vanish", ["write 1 2 3", "end"], { in: 3, out: 3 }],
  ["fault=stall", ["write 1 2 3"], { in: 3, out: 3 }],
  ["fault=mute", ["write 1 2 3"], { in: 10, out: 3 }],
  ["fault=truncate", ["write 1 2 3", raw(frame("4").subarray(0, 1)), "end"], { in: 4, out: 3 }],
  ["fault=corrupt", ["write 1 2 3", raw(frame("4", Frame.RSV2)), "write 5 6 7 8 9 10"], { in: 10, out: 10 }],
  ["fault=delay&time=1h", ["write 1 2 3"], { in: 10, out: 3 }],
  ["fault=drop&rate=1", ["write 1 2 3"], { in: 10, out: 3 }],
  ["fault=duplicate&rate=1", ["write 1 2 3", "write 4 4 5 5 6 6 7 7 8 8 9 9 10 10"], { in: 10, out: 17 }],
  ["fault=throttle&rate=1", ["write 1 2 3"], { in: 10, out: 3 }]
]

/** Those that end the connection. */
const endings = [
  ["close", "close 1000", 1000],
  ["reset", "reset", null],
  ["vanish", "end", null]
] as const

describe("after a number of messages", () => {
  for (const [query, trail, counts] of afterThree) {
    timeless(`comes exactly then, though more came in the same read: ${query}`, () =>
      Effect.gen(function* () {
        let seen = { in: 0, out: 0 }
        const connection = yield* faulty(`${query}&after=3msg`, {
          handler: (connection) =>
            Effect.onExit(echo(connection), () =>
              Effect.sync(() => {
                seen = { in: connection.messagesIn, out: connection.messagesOut }
              })
            )
        })
        yield* connection.says(...numbered(10))
        expect(connection.trail).toEqual(trail)
        if (!trail.some((line) => /^(close|reset|end)/.test(line))) {
          const { messagesIn, messagesOut } = yield* connection.info
          seen = { in: messagesIn, out: messagesOut }
        }
        expect(seen).toEqual(counts)
      })
    )
  }

  timeless("counts over all reads", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=close&after=4msg")
      yield* connection.says("1")
      yield* connection.says("2", "3")
      yield* TestClock.adjust("1 hour")
      expect(connection.trail).toEqual(["write 1", "write 2 3"])
      yield* connection.says("4", "5")
      expect(connection.trail).toEqual(["write 1", "write 2 3", "write 4", "close 1000"])
    })
  )

  timeless("counts what a handler sends in one batch, and sends nothing behind it", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=vanish&after=3msg", {
        handler: (connection) => connection.sendChunk(Chunk.fromIterable(numbered(5).map(Message.text)))
      })
      expect(connection.trail).toEqual(["write 1 2 3", "end"])
    })
  )

  timeless("is at once when the number is 0", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=close&after=0msg")
      expect(connection.trail).toEqual(["close 1000"])
    })
  )
})

describe("after a time", () => {
  for (const [fault, line] of endings) {
    timeless(`${fault} comes to the millisecond`, () =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}&after=5s`)
        yield* TestClock.adjust(4999)
        yield* connection.says("a", "b")
        expect(connection.trail).toEqual(["write a b"])
        yield* TestClock.adjust(1)
        expect(connection.trail).toEqual(["write a b", line])
      })
    )
  }

  for (const [fault, lines] of [
    ["mute", []],
    ["stall", []],
    ["truncate", [raw(frame("second").subarray(0, 4)), "end"]],
    ["corrupt", [raw(frame("second", Frame.RSV2))]],
    ["drop&rate=1", []],
    ["duplicate&rate=1", ["write second second"]]
  ] as const) {
    timeless(`${fault} comes to the millisecond`, () =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}&after=5s`)
        yield* TestClock.adjust(4999)
        yield* connection.says("first")
        yield* TestClock.adjust(1)
        yield* connection.says("second")
        expect(connection.trail).toEqual(["write first", ...lines])
      })
    )
  }
})

describe("without a moment", () => {
  for (const [fault, line] of endings) {
    timeless(`${fault} comes before any echo, whatever was read together with the handshake`, () =>
      Effect.gen(function* () {
        const server = yield* serveFaulty()
        const connection = yield* server.open(`fault=${fault}`)
        yield* connection.says("a", "b")
        expect(connection.trail).toEqual([line])
        expect(yield* server.count).toBe(0)
      })
    )
  }
})

describe("what a handler sends before anything else", () => {
  for (const [query, trail] of [
    ["fault=stall", []],
    ["fault=mute", []],
    ["fault=delay&time=1h", []],
    ["fault=drop&rate=1", []],
    ["fault=duplicate&rate=1", ["write hi hi"]],
    ["fault=throttle&rate=1", []],
    ["fault=truncate", [raw(frame("hi").subarray(0, 2)), "end"]],
    ["fault=corrupt", [raw(frame("hi", Frame.RSV2))]]
  ] as const) {
    timeless(`meets a fault that comes at once: ${query}`, () =>
      Effect.gen(function* () {
        const connection = yield* faulty(query, {
          handler: (connection) => Effect.zipRight(Effect.ignore(connection.send("hi")), Effect.never)
        })
        expect(connection.trail).toEqual(trail)
      })
    )
  }
})

describe("an ending on demand", () => {
  for (const [fault, line, code] of endings) {
    timeless(`is counted as a fault: ${fault}`, (log) =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=${fault}&after=2msg`)
        yield* connection.says("abc", "de", "f")
        expect(connection.trail).toEqual(["write abc de", line])
        expect(log.lines).toHaveLength(1)
        expect(log.lines[0]).toMatchObject({
          message: "connection closed",
          reason: "Fault",
          fault,
          code,
          messagesIn: 2,
          messagesOut: 2,
          bytesIn: 5,
          bytesOut: 5
        })
      })
    )
  }

  timeless("waits with a reset until the kernel has what was echoed", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=reset&after=1msg")
      connection.transport.block()
      yield* connection.says("a")
      yield* TestClock.adjust("10 seconds")
      expect(connection.trail).toEqual(["write a"])
      connection.transport.unblock()
      yield* TestClock.adjust(0)
      expect(connection.trail).toEqual(["write a", "reset"])
    })
  )

  timeless("comes second to a stop while it waits", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=reset&after=1msg")
      connection.transport.block()
      yield* connection.says("a", "b")
      yield* connection.stop
      connection.transport.unblock()
      yield* TestClock.adjust("10 seconds")
      expect(connection.trail).toEqual(["write a", STOPPED])
      expect(log.lines.at(-1)).toMatchObject({ reason: "StopSignal", messagesIn: 1 })
    })
  )

  timeless("has half of the frame, and no more, on the wire when it truncates", (log) =>
    Effect.gen(function* () {
      const text = "x".repeat(1000)
      const connection = yield* faulty("fault=truncate")
      yield* connection.says(text, "next")
      expect(connection.trail).toEqual([raw(frame(text).subarray(0, 502)), "end"])
      expect(log.lines.at(-1)).toMatchObject({
        reason: "Fault",
        fault: "truncate",
        code: null,
        messagesOut: 0
      })
    })
  )
})

describe("a connection that was corrupted", () => {
  for (const [what, end, code, line] of [
    ["fails it", (transport: MemoryTransport) => transport.peerCloses(1002, "RSV2"), 1002, "close 1002 RSV2"],
    ["vanishes", (transport: MemoryTransport) => transport.peerVanishes(), null, "end"],
    ["errs itself", (transport: MemoryTransport) => transport.peerErrs(1007, "bad"), 1007, "close 1007 bad"]
  ] as const) {
    timeless(`ends with a fault when the peer ${what}`, (log) =>
      Effect.gen(function* () {
        const connection = yield* faulty("fault=corrupt")
        yield* connection.says("abc", "de")
        end(connection.transport)
        yield* TestClock.adjust(0)
        expect(connection.trail).toEqual([raw(frame("abc", Frame.RSV2)), "write de", line])
        expect(log.lines.at(-1)).toMatchObject({
          reason: "Fault",
          fault: "corrupt",
          code,
          messagesOut: 2,
          bytesOut: 5
        })
      })
    )
  }

  timeless("ends as any other while the corrupt frame is yet to come", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=corrupt")
      connection.transport.peerCloses(1000)
      yield* TestClock.adjust(0)
      expect(connection.trail).toEqual(["close 1000"])
      expect(log.lines.at(-1)).toMatchObject({ reason: "PeerClosed", code: 1000 })
    })
  )

  timeless("obeys a stop, which then is the reason", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=corrupt")
      yield* connection.says("abc")
      yield* connection.stop
      expect(connection.trail).toEqual([raw(frame("abc", Frame.RSV2)), STOPPED])
      expect(log.lines.at(-1)).toMatchObject({ reason: "StopSignal", code: 4000 })
    })
  )
})

describe("a stop before the moment", () => {
  for (const after of ["5s", "9msg"]) {
    timeless(`comes first, and what was read is echoed: after=${after}`, (log) =>
      Effect.gen(function* () {
        const connection = yield* faulty(`fault=reset&after=${after}`)
        connection.transport.deliver(...numbered(20))
        yield* connection.stop
        yield* TestClock.adjust("10 seconds")
        expect(connection.trail.join(" ").replaceAll("write ", "")).toBe([...numbered(20), STOPPED].join(" "))
        expect(log.lines.at(-1)).toMatchObject({ reason: "StopSignal", messagesOut: 20, fault: "reset" })
      })
    )
  }
})
