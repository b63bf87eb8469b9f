/**
 * What becomes of a connection when its handler ends, and of a handler when its connection does.
 */
import { describe, expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Handler } from "../../src/connection/Handler.js"
import { echo } from "../../src/connection/Echo.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import { begin, busy, CLOSE_TIMEOUT, count, type Life, over, stopped, stopSignal } from "../support/life.js"
import type { MemoryTransport } from "../support/MemoryTransport.js"
import { settle, timeless } from "../support/timeless.js"

/** Begins a life whose handler has something to release, which takes until the gate opens. */
const releasing = (gate: Deferred.Deferred<void>, handler: Handler<Error>) =>
  Effect.tap(
    begin((connection) =>
      Effect.zipRight(
        Effect.addFinalizer(() => Deferred.await(gate)),
        handler(connection)
      )
    ),
    // Whatever is found, the handler must end.
    Effect.addFinalizer(() => Deferred.succeed(gate, undefined))
  )

describe("a handler that is stopped", () => {
  timeless("and never asks for messages is interrupted at once", () =>
    Effect.gen(function* () {
      const life = yield* begin(() => Effect.never)
      yield* settle
      life.lifecycle.stop(stopSignal)
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  timeless("and only sends is interrupted at once", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) =>
        Effect.forever(Effect.zipRight(connection.send("tick"), Effect.sleep("1 second")))
      )
      yield* TestClock.adjust("1500 millis")
      life.lifecycle.stop(stopSignal)
      expect(yield* over(life)).toEqual(["write tick", "write tick", ...stopped])
    })
  )

  timeless("and has its stream of messages, but doesn't pull, is interrupted at once", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) =>
        Effect.zipRight(Effect.never, Stream.runDrain(connection.messages))
      )
      yield* settle
      life.lifecycle.stop(stopSignal)
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  timeless("and is at work gets the close timeout, and is interrupted then", () =>
    Effect.gen(function* () {
      const life = yield* begin(busy)
      life.transport.deliver("one")
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(life.trail).toEqual(["stopping StopSignal"])
      yield* TestClock.adjust(1)
      expect(yield* over(life)).toEqual(stopped)
      expect(count(life.connection)).toMatchObject({ messagesIn: 1, messagesOut: 0 })
    })
  )

  timeless("and ends by itself within the close timeout is not waited for any longer", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) =>
        Stream.runForEach(connection.messages, () => Effect.sleep("1 second"))
      )
      life.transport.deliver("one", "two")
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(1999)
      expect(life.trail).toEqual(["stopping StopSignal"])
      yield* TestClock.adjust(1)
      expect(yield* over(life)).toEqual(stopped)
    })
  )

  const stubborn: ReadonlyArray<
    readonly [string, (gate: Deferred.Deferred<void>) => Handler, ReadonlyArray<string>]
  > = [
    [
      "at work on a message",
      (gate) => (connection) =>
        Stream.runForEach(connection.messages, () => Effect.uninterruptible(Deferred.await(gate))),
      ["one"]
    ],
    [
      "with messages that wait for it",
      (gate) => (connection) =>
        Effect.zipRight(
          Effect.uninterruptible(Deferred.await(gate)),
          Effect.suspend(() => Stream.runDrain(connection.messages))
        ),
      ["one"]
    ],
    [
      "before it asks for messages",
      (gate) => (connection) =>
        Effect.zipRight(
          Effect.uninterruptible(Deferred.await(gate)),
          Effect.suspend(() => Stream.runDrain(connection.messages))
        ),
      []
    ],
    [
      "in the release of what it acquired, after it asked for messages",
      (gate) => (connection) =>
        Effect.zipRight(
          Effect.addFinalizer(() => Deferred.await(gate)),
          Stream.runDrain(connection.messages)
        ),
      []
    ],
    [
      "in the release of what it acquired, before it asked for messages",
      (gate) => () =>
        Effect.zipRight(
          Effect.addFinalizer(() => Deferred.await(gate)),
          Effect.never
        ),
      []
    ]
  ]
  for (const [name, handler, messages] of stubborn) {
    timeless(
      `and can't be interrupted ${name} delays the Close frame by no more than twice the close timeout`,
      () =>
        Effect.gen(function* () {
          const gate = yield* Deferred.make<void>()
          const life = yield* begin(handler(gate))
          // Whatever is found, the handler must end.
          yield* Effect.addFinalizer(() => Deferred.succeed(gate, undefined))
          if (messages.length > 0) life.transport.deliver(...messages)
          yield* settle
          life.lifecycle.stop(stopSignal)
          yield* TestClock.adjust(2 * CLOSE_TIMEOUT)
          expect(life.trail).toEqual(stopped)
          yield* Deferred.succeed(gate, undefined)
          expect(yield* over(life)).toEqual(stopped)
        })
    )

    timeless(`and can't be interrupted ${name} doesn't keep the end of TCP from being counted`, () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const life = yield* begin(handler(gate))
        yield* Effect.addFinalizer(() => Deferred.succeed(gate, undefined))
        if (messages.length > 0) life.transport.deliver(...messages)
        yield* settle
        life.transport.socketCloses()
        yield* settle
        expect(life.trail).toContain("closed PeerVanished")
        yield* Deferred.succeed(gate, undefined)
        yield* over(life)
        expect(life.trail.filter((entry) => entry === "closed PeerVanished")).toHaveLength(1)
      })
    )
  }

  timeless("is not interrupted in the release of what it acquired", () =>
    Effect.gen(function* () {
      let released = false
      const life = yield* begin((connection) =>
        Effect.zipRight(
          Effect.addFinalizer(() =>
            Effect.zipRight(
              Effect.sleep("1 second"),
              Effect.sync(() => (released = true))
            )
          ),
          Stream.runDrain(connection.messages)
        )
      )
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(999)
      expect(life.trail).toEqual(["stopping StopSignal"])
      expect(released).toBe(false)
      yield* TestClock.adjust(1)
      expect(released).toBe(true)
      expect(yield* over(life)).toEqual(stopped)
    })
  )
})

describe("a handler", () => {
  timeless("that returns closes its connection with 1000 (RFC 6455 section 7.4.1)", () =>
    Effect.gen(function* () {
      const life = yield* begin((connection) => Effect.orDie(connection.send("welcome, and good bye")))
      yield* over(life)
      expect(life.transport.written).toEqual(["welcome, and good bye"])
      expect(life.transport.lastWords).toEqual(["close 1000"])
    })
  )

  const failures: ReadonlyArray<readonly [string, Effect.Effect<void, Error>, string]> = [
    ["fails", Effect.fail(new Error("the password is hunter2")), "the password is hunter2"],
    ["dies", Effect.die(new Error("the password is hunter2")), "the password is hunter2"],
    [
      "throws",
      Effect.sync(() => {
        throw new Error("the password is hunter2")
      }),
      "the password is hunter2"
    ],
    ["interrupts itself", Effect.interrupt, "interrupt"]
  ]
  for (const [name, failure, logged] of failures) {
    timeless(
      `that ${name} closes its connection with 1011, and the cause goes to the log only (RFC 6455 section 7.4.1)`,
      (log) =>
        Effect.gen(function* () {
          const life = yield* begin((connection) => Stream.runForEach(connection.messages, () => failure))
          life.transport.deliver("one")
          expect(yield* over(life)).toEqual([
            "stopping HandlerFailed",
            "close 1011 internal error",
            "farewell HandlerFailed",
            "closed HandlerFailed"
          ])
          const errors = log.lines.filter(({ level }) => level === "error")
          expect(errors).toMatchObject([{ message: "handler failed", connection: "c1" }])
          expect(errors[0]?.["cause"]).toContain(logged)
        })
    )

    timeless(`that ${name} before it has asked for messages does so, too`, (log) =>
      Effect.gen(function* () {
        const life = yield* begin(() => failure)
        yield* over(life)
        expect(life.transport.lastWords).toEqual(["close 1011 internal error"])
        expect(log.lines).toHaveLength(1)
      })
    )
  }

  timeless("that throws before there is an effect closes its connection with 1011, too", (log) =>
    Effect.gen(function* () {
      const life = yield* begin(() => {
        throw new Error("no effect")
      })
      yield* over(life)
      expect(life.transport.lastWords).toEqual(["close 1011 internal error"])
      expect(log.lines).toHaveLength(1)
    })
  )

  timeless("that dies in the release of what it acquired has its cause in the log", (log) =>
    Effect.gen(function* () {
      const life = yield* begin(() => Effect.addFinalizer(() => Effect.die(new Error("no release"))))
      yield* over(life)
      expect(log.lines).toMatchObject([{ level: "error", cause: expect.stringContaining("no release") }])
    })
  )

  const ends: ReadonlyArray<readonly [string, Effect.Effect<void, Error>, string, string]> = [
    ["returns", Effect.void, "StopSignal", "close 1000"],
    ["fails", Effect.fail(new Error("at once")), "HandlerFailed", "close 1011 internal error"]
  ]
  for (const [name, ended, reason, last] of ends) {
    timeless(
      `that ${name} has ended its connection then: what it still has to release decides nothing`,
      (log) =>
        Effect.gen(function* () {
          const gate = yield* Deferred.make<void>()
          const life = yield* releasing(gate, () => ended)
          yield* settle
          expect(life.trail).toEqual([`stopping ${reason}`])
          expect(log.lines).toHaveLength(name === "fails" ? 1 : 0)
          expect(life.lifecycle.stop(stopSignal)).toBe(false)
          life.transport.peerCloses(1001)
          yield* Deferred.succeed(gate, undefined)
          expect(yield* over(life)).toEqual([
            `stopping ${reason}`,
            last,
            `farewell ${reason}`,
            `closed ${reason}`
          ])
          expect(log.lines).toHaveLength(name === "fails" ? 1 : 0)
        })
    )

    timeless(
      `that ${name} has the close timeout to release what it acquired, before the last word is said`,
      () =>
        Effect.gen(function* () {
          const gate = yield* Deferred.make<void>()
          const life = yield* releasing(gate, () => ended)
          yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
          expect(life.transport.lastWords).toEqual([])
          yield* TestClock.adjust(1)
          expect(life.transport.lastWords).toEqual([last])
          yield* Deferred.succeed(gate, undefined)
          yield* over(life)
          expect(life.transport.lastWords).toEqual([last])
        })
    )
  }

  timeless("that is stopped, and ends, has one close timeout for that and for what it has to release", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const life = yield* releasing(gate, ({ messages }) => Stream.runDrain(messages))
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(life.trail).toEqual(["stopping StopSignal"])
      yield* TestClock.adjust(1)
      expect(life.trail).toEqual(stopped)
      yield* Deferred.succeed(gate, undefined)
      yield* over(life)
    })
  )

  timeless("that fails after a stop doesn't change the reason, and its cause is logged", (log) =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const life = yield* begin((connection) =>
        Stream.runForEach(connection.messages, () =>
          Effect.zipRight(Deferred.await(gate), Effect.fail(new Error("too late")))
        )
      )
      life.transport.deliver("one")
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* Deferred.succeed(gate, undefined)
      expect(yield* over(life)).toEqual(stopped)
      expect(log.lines).toMatchObject([{ level: "error", message: "handler failed", connection: "c1" }])
      expect(log.lines[0]?.["cause"]).toContain("too late")
    })
  )

  timeless("that finds after a stop that it is too late to send has not failed", (log) =>
    Effect.gen(function* () {
      const life = yield* begin((connection) =>
        Effect.zipRight(
          Effect.catchAllCause(Effect.never, () => Effect.void),
          connection.send("too late")
        )
      )
      yield* settle
      life.transport.socketCloses()
      yield* over(life)
      expect(log.lines).toEqual([])
    })
  )

  timeless("that is interrupted by a stop has not failed", (log) =>
    Effect.gen(function* () {
      const life = yield* begin(busy)
      life.transport.deliver("one")
      yield* settle
      life.lifecycle.stop(stopSignal)
      yield* TestClock.adjust(CLOSE_TIMEOUT)
      yield* over(life)
      expect(log.lines).toEqual([])
    })
  )
})

describe("what a handler acquired is released before the last word, when", () => {
  interface Ending {
    readonly name: string
    readonly handler?: Handler<Error>
    readonly end: (life: Life) => void
    readonly last: ReadonlyArray<string>
  }

  const endings: ReadonlyArray<Ending> = [
    { name: "it returns", handler: () => Effect.void, end: () => {}, last: ["close 1000"] },
    {
      name: "it fails",
      handler: () => Effect.fail(new Error("failed")),
      end: () => {},
      last: ["close 1011 internal error"]
    },
    {
      name: "it dies",
      handler: () => Effect.die(new Error("died")),
      end: () => {},
      last: ["close 1011 internal error"]
    },
    {
      name: "it is stopped",
      end: ({ lifecycle }) => lifecycle.stop(stopSignal),
      last: ["close 4000 enough"]
    },
    {
      name: "it is stopped, and doesn't listen",
      handler: () => Effect.never,
      end: ({ lifecycle }) => lifecycle.stop(stopSignal),
      last: ["close 4000 enough"]
    },
    {
      name: "the server shuts down",
      end: ({ lifecycle }) => lifecycle.stop(StopReason.ServerShutdown({ code: 1001 })),
      last: ["close 1001 server shutting down"]
    },
    { name: "the peer closes", end: ({ transport }) => transport.peerCloses(1000), last: ["close 1000"] },
    { name: "the peer vanishes", end: ({ transport }) => transport.peerVanishes(), last: ["end"] },
    {
      name: "the peer errs",
      end: ({ transport }) => transport.peerErrs(1007, "bad"),
      last: ["close 1007 bad"]
    }
  ]
  for (const { end, handler = echo, last, name } of endings) {
    timeless(name, () =>
      Effect.gen(function* () {
        const releases: Array<ReadonlyArray<string>> = []
        let transport: MemoryTransport | undefined
        const life = yield* begin<Error>((connection) =>
          Effect.zipRight(
            Effect.acquireRelease(Effect.void, () =>
              Effect.sync(() => releases.push(transport?.lastWords ?? ["?"]))
            ),
            // Not before the test knows the connection.
            Effect.zipRight(
              Effect.yieldNow(),
              Effect.suspend(() => handler(connection))
            )
          )
        )
        transport = life.transport
        yield* settle
        end(life)
        yield* over(life)
        expect(releases).toEqual([[]])
        expect(life.transport.lastWords).toEqual(last)
      })
    )
  }

  timeless("the TCP connection is gone, or the server can wait no longer", () =>
    Effect.gen(function* () {
      for (const end of [
        ({ transport }: Life) => transport.socketCloses(),
        ({ lifecycle }: Life) => lifecycle.kill(StopReason.ServerShutdown({ code: 1001 }))
      ]) {
        let releases = 0
        const life = yield* begin((connection) =>
          Effect.zipRight(
            Effect.acquireRelease(Effect.void, () => Effect.sync(() => releases++)),
            echo(connection)
          )
        )
        yield* settle
        end(life)
        yield* over(life)
        expect(releases).toBe(1)
      }
    })
  )
})
