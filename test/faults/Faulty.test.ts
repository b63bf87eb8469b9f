/**
 * What goes wrong, when, and what becomes of the rest: on a clock of its own.
 */
import { describe, expect } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { echo } from "../../src/connection/Echo.js"
import { monotonic } from "../../src/connection/Monotonic.js"
import * as FaultPlan from "../../src/faults/FaultPlan.js"
import { Interruptible } from "../../src/faults/Interruptible.js"
import * as Frame from "../../src/protocol/Frame.js"
import * as Message from "../../src/protocol/Message.js"
import type { Action, MemoryTransport, MemoryTransportOptions } from "../support/MemoryTransport.js"
import { serve, type Server } from "../support/registry.js"
import { settle, timeless } from "../support/timeless.js"

type Input = Extract<FaultPlan.FaultInput, { readonly fault: FaultPlan.ConnectionPlan["fault"] }>

interface Broken {
  readonly server: Server
  readonly peer: MemoryTransport
  readonly transport: Interruptible
  readonly id: string
  /** What was done to the wire, in short. */
  readonly seen: () => ReadonlyArray<string>
  readonly apply: (input: Input) => void
}

const HIGH_WATER_MARK = 1000

const describeAction = (action: Action): string => {
  switch (action._tag) {
    case "write":
      return action.texts.join(" ")
    case "raw":
      return action.bytes.toString("latin1")
    case "close":
      return `close ${action.code} ${action.reason}`.trim()
    case "ping":
    case "pong":
      return `${action._tag} ${action.payload}`
    default:
      return action._tag
  }
}

/** An echo whose peer and kernel are in the hands of the test, and with which this goes wrong. */
const broken = (
  input: Input | undefined,
  options: MemoryTransportOptions & { readonly watch?: Parameters<typeof serve>[1] } = {}
): Effect.Effect<Broken, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fibers = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(fibers)<never>()
    const elapsed = yield* monotonic
    let seeds = 0
    let transport: Interruptible | undefined
    const server = yield* serve(echo, options.watch, (inner) => {
      transport = new Interruptible(inner, {
        highWaterMark: HIGH_WATER_MARK,
        elapsed,
        run: (effect) => {
          const fiber = fork(effect)
          return () => fiber.unsafeInterruptAsFork(FiberId.none)
        },
        newSeed: () => ++seeds
      })
      if (input !== undefined) apply(input)
      return transport
    })
    const apply = (input: Input): void => {
      const plan: FaultPlan.FaultPlan = FaultPlan.make(input)
      if (!FaultPlan.isOfHandshake(plan)) transport?.apply(plan)
    }
    const peer = server.open(options)
    yield* settle
    const [info] = yield* server.connections.list
    if (transport === undefined) throw new Error("there is no transport")
    return {
      server,
      peer,
      transport,
      id: info?.id ?? "",
      seen: () => peer.actions.filter(({ _tag }) => _tag !== "seal").map(describeAction),
      apply
    }
  })

const state = ({ id, server }: Broken) => Effect.map(server.connections.get(id), ({ state }) => state)

const counts = ({ id, server }: Broken) =>
  Effect.map(server.connections.get(id), ({ bytesIn, bytesOut, messagesIn, messagesOut }) => ({
    messagesIn,
    messagesOut,
    bytesIn,
    bytesOut
  }))

const endings = ["close", "reset", "vanish"] as const
const lastWords = { close: "close 1000", reset: "reset", vanish: "end" }

describe("the moment of a fault", () => {
  for (const fault of endings) {
    timeless(`is at once, without another word: ${fault}`, (log) =>
      Effect.gen(function* () {
        const it = yield* broken({ fault })
        expect(it.peer.deliver("too late")).toBe(false)
        yield* settle
        expect(it.seen()).toEqual([lastWords[fault]])
        yield* log.logged("connection closed", { reason: "Fault", fault, messagesIn: 0 })
      })
    )

    timeless(`is when so many messages have been echoed, and nothing behind them was read: ${fault}`, (log) =>
      Effect.gen(function* () {
        const it = yield* broken({ fault, after: "3msg" })
        it.peer.deliver("a", "b")
        yield* settle
        it.peer.deliver("c", "d", "e")
        yield* settle
        expect(it.seen()).toEqual(["a b", "c", lastWords[fault]])
        yield* log.logged("connection closed", {
          reason: "Fault",
          messagesIn: 3,
          messagesOut: 3,
          bytesOut: 3
        })
      })
    )

    timeless(`is when its time has come, to the millisecond: ${fault}`, () =>
      Effect.gen(function* () {
        const it = yield* broken({ fault, after: "2s" })
        it.peer.deliver("a")
        yield* TestClock.adjust(1999)
        expect(it.seen()).toEqual(["a"])
        yield* TestClock.adjust(1)
        expect(it.seen()).toEqual(["a", lastWords[fault]])
      })
    )
  }

  timeless("of a reset waits until the kernel has the echoes before it", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "reset", after: "1msg" })
      it.peer.block()
      it.peer.deliver("a", "b")
      yield* settle
      expect(it.seen()).toEqual(["a"])
      it.peer.unblock()
      yield* settle
      expect(it.seen()).toEqual(["a", "reset"])
    })
  )

  timeless("counts anew for a later fault, which replaces the earlier one", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "close", after: "3msg" })
      it.peer.deliver("a", "b")
      yield* settle
      it.apply({ fault: "close", code: 4001, after: "2msg" })
      it.peer.deliver("c")
      yield* settle
      expect(it.seen()).toEqual(["a b", "c"])
      it.peer.deliver("d", "e")
      yield* settle
      expect(it.seen()).toEqual(["a b", "c", "d", "close 4001"])
    })
  )

  for (const [what, ends] of [
    ["a Close frame", (peer: MemoryTransport) => peer.peerCloses(1000)],
    ["a bad frame", (peer: MemoryTransport) => peer.peerErrs(1002, "bad")],
    ["the end of TCP", (peer: MemoryTransport) => peer.peerVanishes()]
  ] as const)
    timeless(`comes before ${what} that stood behind the messages which bring it about`, (log) =>
      Effect.gen(function* () {
        const it = yield* broken({ fault: "close", code: 4001, after: "2msg" })
        it.peer.deliver("a", "b", "c")
        ends(it.peer)
        yield* settle
        expect(it.seen()).toEqual(["a b", "close 4001"])
        yield* log.logged("connection closed", { reason: "Fault", messagesIn: 2 })
      })
    )

  timeless("doesn't come when the peer ends the connection before there are enough messages", (log) =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "close", code: 4001, after: "3msg" })
      it.peer.deliver("a", "b")
      it.peer.peerCloses(1000)
      yield* settle
      expect(it.seen()).toEqual(["a b", "close 1000"])
      yield* log.logged("connection closed", { reason: "PeerClosed", messagesIn: 2 })
    })
  )

  timeless("of a wrong frame comes before the peer's Close frame, too, if there is a message to spoil", () =>
    Effect.gen(function* () {
      for (const [texts, expected] of [
        [["a"], ["a", "close 1000"]],
        [
          ["a", "b"],
          ["a", "\xa1\x01b", "close 1000"]
        ]
      ] as const) {
        const it = yield* broken({ fault: "corrupt", after: "1msg" })
        it.peer.deliver(...texts)
        it.peer.peerCloses(1000)
        yield* settle
        expect(it.seen()).toEqual(expected)
      }
    })
  )

  timeless("never comes when the connection is stopped before", (log) =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "reset", after: "1s" }, { answersClose: false })
      yield* Effect.orDie(it.server.connections.stop(it.id))
      yield* TestClock.adjust(2000)
      expect(it.seen()).toEqual(["close 1001 connection interrupted"])
      it.peer.socketCloses()
      yield* settle
      yield* log.logged("connection closed", { reason: "StopSignal" })
    })
  )
})

describe("a frame that is wrong", () => {
  timeless("is half of the next echo, and the end", (log) =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "truncate", after: "1msg" })
      it.peer.deliver("a", "12345678", "b")
      yield* settle
      expect(it.seen()).toEqual(["a", "\x81\x08123", "end"])
      yield* log.logged("connection closed", { reason: "Fault", code: null, messagesIn: 2, messagesOut: 1 })
    })
  )

  timeless(
    "has a reserved bit and its payload; the next ones are right, and how the peer ends it is the fault's",
    (log) =>
      Effect.gen(function* () {
        const it = yield* broken({ fault: "corrupt" })
        it.peer.deliver("abc", "d")
        yield* settle
        expect(it.seen()).toEqual(["\xa1\x03abc", "d"])
        expect(yield* counts(it)).toEqual({ messagesIn: 2, messagesOut: 2, bytesIn: 4, bytesOut: 4 })
        it.peer.peerCloses(1002)
        yield* settle
        expect(it.seen().at(-1)).toBe("close 1002")
        yield* log.logged("connection closed", { reason: "Fault", fault: "corrupt", code: 1002 })
      })
  )
})

describe("silence", () => {
  for (const fault of ["stall", "mute"] as const) {
    timeless(`says nothing, answers no ping and isn't ended by the heartbeat: ${fault}`, () =>
      Effect.gen(function* () {
        const it = yield* broken(
          { fault, after: "1msg" },
          { watch: { heartbeatInterval: 1000, heartbeatTimeout: 1000 } }
        )
        it.peer.deliver("a", "b")
        yield* settle
        it.peer.peerPings("p")
        yield* TestClock.adjust("1 minute")
        expect(it.seen()).toEqual(["a"])
        expect(yield* it.server.connections.count).toBe(1)
      })
    )

    timeless(`ends with a stop, whose Close frame is sent: ${fault}`, (log) =>
      Effect.gen(function* () {
        const it = yield* broken({ fault, after: "1msg" })
        it.peer.deliver("a", "b")
        yield* settle
        yield* Effect.orDie(it.server.connections.stop(it.id, { code: 4000, reason: "enough" }))
        yield* settle
        expect(it.seen()).toEqual(["a", "close 4000 enough"])
        yield* log.logged("connection closed", { reason: "StopSignal", messagesOut: 1 })
      })
    )
  }

  timeless("of a stall reads nothing, and hands nothing out", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "stall", after: "1msg" })
      it.peer.deliver("a", "b", "c")
      yield* settle
      expect(it.peer.isHeld).toBe(true)
      expect(yield* state(it)).toBe("stalled")
      expect(yield* counts(it)).toMatchObject({ messagesIn: 1, messagesOut: 1 })
    })
  )

  timeless("of a stall notices that the peer has ended TCP, though it doesn't read", (log) =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "stall" })
      it.peer.isEnded = true
      yield* TestClock.adjust("1 seconds")
      yield* log.logged("connection closed", { reason: "PeerVanished" })
    })
  )

  timeless("of a mute side reads on, and leaves the peer's Close frame without an answer", (log) =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "mute" })
      it.peer.deliver("a", "b")
      it.peer.peerCloses(4321, "bye")
      yield* TestClock.adjust("1 minute")
      expect(it.seen()).toEqual([])
      expect(yield* counts(it)).toEqual({ messagesIn: 2, messagesOut: 0, bytesIn: 2, bytesOut: 0 })
      it.peer.peerVanishes()
      yield* settle
      expect(it.seen()).toEqual(["end"])
      yield* log.logged("connection closed", { reason: "PeerClosed", code: 4321 })
    })
  )

  timeless("is over when something else goes wrong", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "stall" })
      it.peer.deliver("a")
      yield* settle
      it.apply({ fault: "close", after: "2msg" })
      yield* settle
      expect(yield* state(it)).toBe("open")
      it.peer.deliver("b")
      yield* settle
      expect(it.seen()).toEqual(["a", "b", "close 1000"])
    })
  )
})

describe("a delay", () => {
  timeless("counts for each message from its own time", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "delay", time: "100ms" })
      it.peer.deliver("a", "b")
      yield* TestClock.adjust(60)
      it.peer.deliver("c")
      yield* TestClock.adjust(39)
      expect(it.seen()).toEqual([])
      yield* TestClock.adjust(1)
      expect(it.seen()).toEqual(["a b"])
      yield* TestClock.adjust(59)
      expect(it.seen()).toEqual(["a b"])
      yield* TestClock.adjust(1)
      expect(it.seen()).toEqual(["a b", "c"])
    })
  )

  timeless("keeps the order, whatever the jitter, and stays within it", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "delay", time: "100ms", jitter: "80ms", seed: 5 })
      const elapsed = yield* monotonic
      const sent = Array.from({ length: 200 }, (_, i) => String(i))
      const lates: Array<number> = []
      let arrived = 0
      for (let step = 0; step < 600; step++) {
        const text = sent[step]
        if (text !== undefined) it.peer.deliver(text)
        yield* TestClock.adjust(1)
        const { written } = it.peer
        for (; arrived < written.length; arrived++) lates.push(elapsed() - arrived)
      }
      expect(it.peer.written).toEqual(sent)
      const start = Math.min(...lates) - 20
      // The clock isn't at 0 when the first is sent.
      for (const late of lates) expect(late - start).toBeLessThanOrEqual(180 + 20)
      expect(new Set(lates).size).toBeGreaterThan(10)
    })
  )

  timeless("lets a stop through at once: what is held goes out, then the Close frame", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "delay", time: "10s" })
      it.peer.deliver("a", "b")
      yield* settle
      yield* Effect.orDie(it.server.connections.stop(it.id))
      yield* settle
      expect(it.seen()).toEqual(["a b", "close 1001 connection interrupted"])
    })
  )

  timeless("holds back no more than the high-water mark, and isn't taken for a slow consumer", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "delay", time: "10s" }, { watch: { sendTimeout: 1000 } })
      for (let i = 0; i < 20; i++) {
        it.peer.deliver("x".repeat(100))
        yield* settle
      }
      expect(yield* counts(it)).toMatchObject({ messagesIn: 11, messagesOut: 0 })
      expect((yield* Effect.orDie(it.server.connections.get(it.id))).bufferedBytes).toBe(1100)
      yield* TestClock.adjust("10 seconds")
      expect(yield* counts(it)).toMatchObject({ messagesIn: 20, messagesOut: 11 })
    })
  )
})

describe("loss", () => {
  const many = 10_000

  /** Which messages come, and how often. */
  const run = (input: Input) =>
    Effect.gen(function* () {
      const it = yield* broken(input)
      for (let i = 0; i < many; i += 100) {
        it.peer.deliver(...Array.from({ length: 100 }, (_, j) => String(i + j)))
        yield* settle
      }
      return { written: it.peer.written, remarks: it.transport.remarks }
    })

  for (const { fault, more } of [
    { fault: "drop", more: -1 },
    { fault: "duplicate", more: 1 }
  ] as const)
    timeless(`hits its rate, in order, and repeats with a seed: ${fault}`, () =>
      Effect.gen(function* () {
        const rate = 0.3
        const { written } = yield* run({ fault, rate, seed: 42 })
        const deviation = Math.sqrt(many * rate * (1 - rate))
        expect(Math.abs((written.length - many) * more - many * rate)).toBeLessThan(3 * deviation)
        expect(written).toEqual([...written].sort((a, b) => Number(a) - Number(b)))
        expect((yield* run({ fault, rate, seed: 42 })).written).toEqual(written)
        expect((yield* run({ fault, rate, seed: 43 })).written).not.toEqual(written)
        expect((yield* run({ fault, rate, seed: 42 + 2 ** 32 })).written).not.toEqual(written)
      })
    )

  timeless("tells the seed that it has drawn, with which it can be repeated", () =>
    Effect.gen(function* () {
      const { remarks, written } = yield* run({ fault: "drop", rate: 0.5 })
      expect(remarks).toEqual({ fault: "drop", seed: 1 })
      expect((yield* run({ fault: "drop", rate: 0.5, seed: 1 })).written).toEqual(written)
    })
  )

  timeless("at a rate of 0 is none, and of 1 is all", () =>
    Effect.gen(function* () {
      expect((yield* run({ fault: "drop", rate: 0 })).written).toHaveLength(many)
      expect((yield* run({ fault: "drop", rate: 1 })).written).toHaveLength(0)
      expect((yield* run({ fault: "duplicate", rate: 1 })).written).toHaveLength(2 * many)
    })
  )
})

describe("a throttle", () => {
  const bytesOf = ({ peer }: Broken) =>
    Buffer.concat(peer.actions.flatMap((action) => (action._tag === "raw" ? [action.bytes] : [])))

  for (const rate of [50, 1000, 10_240, 1_000_000])
    timeless(`holds its rate of ${rate} bytes a second within 5 % over 10 s`, () =>
      Effect.gen(function* () {
        const it = yield* broken({ fault: "throttle", rate })
        it.peer.deliver("x".repeat(20 * rate))
        for (let second = 1; second <= 10; second++) {
          yield* TestClock.adjust("1 second")
          expect(Math.abs(bytesOf(it).length / (second * rate) - 1)).toBeLessThan(0.05)
        }
      })
    )

  timeless("sends every byte of every frame, in order", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "throttle", rate: 1000 })
      const texts = ["", "a", "b".repeat(200), "c".repeat(700)]
      it.peer.deliver(...texts)
      yield* TestClock.adjust("3 seconds")
      const whole = texts.map((text) => Buffer.concat([Frame.header("Text", text.length), Buffer.from(text)]))
      expect(bytesOf(it)).toEqual(Buffer.concat(whole))
      expect(yield* counts(it)).toEqual({ messagesIn: 4, messagesOut: 4, bytesIn: 901, bytesOut: 901 })
    })
  )

  timeless("lets control frames through between two frames", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "throttle", rate: 100 })
      it.peer.peerPings("before")
      it.peer.deliver("x".repeat(98), "y".repeat(98))
      yield* TestClock.adjust(500)
      it.peer.peerPings("between")
      yield* TestClock.adjust(400)
      expect(it.seen().filter((text) => text.startsWith("pong"))).toEqual(["pong before"])
      yield* TestClock.adjust(2000)
      const at = it.seen().indexOf("pong between")
      const before = it.peer.actions.filter(({ _tag }) => _tag !== "seal").slice(0, at)
      const bytes = before.reduce((sum, action) => sum + (action._tag === "raw" ? action.bytes.length : 0), 0)
      expect(bytes % 100).toBe(0)
      expect(bytes).toBeGreaterThan(0)
    })
  )

  timeless("gives nothing to a peer that takes nothing, and not all at once afterwards", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "throttle", rate: 100 })
      it.peer.deliver("x".repeat(5000))
      yield* TestClock.adjust("1 second")
      it.peer.block()
      yield* TestClock.adjust("10 seconds")
      expect(bytesOf(it).length).toBeLessThan(150)
      it.peer.unblock()
      yield* TestClock.adjust("1 second")
      expect(bytesOf(it).length).toBeLessThan(250)
      expect(bytesOf(it).length).toBeGreaterThan(180)
    })
  )

  timeless("lets a stop through at once, behind a whole frame", () =>
    Effect.gen(function* () {
      const it = yield* broken({ fault: "throttle", rate: 100 })
      it.peer.deliver("x".repeat(500))
      yield* TestClock.adjust("1 second")
      yield* Effect.orDie(it.server.connections.stop(it.id))
      yield* settle
      expect(bytesOf(it)).toHaveLength(504)
      expect(it.seen().at(-1)).toBe("close 1001 connection interrupted")
    })
  )
})

describe("a transport with which nothing goes wrong", () => {
  timeless("is the transport inside it", () =>
    Effect.gen(function* () {
      const it = yield* broken(undefined)
      it.peer.deliver("a", "b")
      it.peer.peerPings("p")
      yield* settle
      expect(it.seen()).toEqual(["pong p", "a b"])
      expect(it.transport.remarks).toEqual({})
      expect(it.transport.write(Chunk.of(Message.text("c")))).toBe(true)
      it.peer.peerCloses(1000)
      yield* settle
      expect(it.seen().at(-1)).toBe("close 1000")
    })
  )
})
