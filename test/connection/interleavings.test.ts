/**
 * Whatever happens to a connection, in whatever order, it ends well.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import type { ConnectionClosed } from "../../src/connection/ConnectionClosed.js"
import type { Handler } from "../../src/connection/Handler.js"
import { echo } from "../../src/connection/Echo.js"
import { farewell, StopReason } from "../../src/protocol/StopReason.js"
import { begin, CLOSE_TIMEOUT, type Life, over } from "../support/life.js"
import { settle } from "../support/timeless.js"

/** Lets fibers go on that have nothing to wait for, without a look at the clock. */
const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

describe("whatever happens, in whatever order", () => {
  type Step =
    | { readonly _tag: "message" | "vanish" | "socketClose" | "block" | "unblock" | "turn" }
    | { readonly _tag: "stop" | "kill" | "peerClose" | "peerErr"; readonly code: number }
    | { readonly _tag: "time"; readonly millis: number }

  const code = FC.integer({ min: 4000, max: 4999 })
  const step: FC.Arbitrary<Step> = FC.oneof(
    { weight: 6, arbitrary: FC.constant<Step>({ _tag: "message" }) },
    { weight: 4, arbitrary: FC.constant<Step>({ _tag: "turn" }) },
    { weight: 3, arbitrary: FC.constantFrom<Step>({ _tag: "block" }, { _tag: "unblock" }) },
    { weight: 2, arbitrary: FC.constantFrom<Step>({ _tag: "vanish" }, { _tag: "socketClose" }) },
    {
      weight: 4,
      arbitrary: FC.tuple(FC.constantFrom(...(["stop", "kill", "peerClose", "peerErr"] as const)), code).map(
        ([_tag, code]): Step => ({ _tag, code })
      )
    },
    {
      weight: 2,
      arbitrary: FC.constantFrom(1, 1000, CLOSE_TIMEOUT - 1, CLOSE_TIMEOUT).map((millis): Step => ({
        _tag: "time",
        millis
      }))
    }
  )

  /** The reason for which a step would end a connection. */
  const reasonOf = (step: Step): StopReason | undefined => {
    switch (step._tag) {
      case "stop":
      case "kill":
        return StopReason.StopSignal({ code: step.code, reason: step._tag })
      case "peerClose":
        return StopReason.PeerClosed({ code: step.code, reason: "bye" })
      case "peerErr":
        return StopReason.ProtocolError({ code: step.code, reason: "bad" })
      case "vanish":
      case "socketClose":
        return StopReason.PeerVanished()
      default:
        return undefined
    }
  }

  const take = (life: Life, step: Step, text: string): Effect.Effect<void> => {
    const reason = reasonOf(step)
    switch (step._tag) {
      case "message":
        return Effect.sync(() => life.transport.deliver(text))
      case "vanish":
        return Effect.sync(() => life.transport.peerVanishes())
      case "socketClose":
        return Effect.sync(() => life.transport.socketCloses())
      case "block":
        return Effect.sync(() => life.transport.block())
      case "unblock":
        return Effect.sync(() => life.transport.unblock())
      case "stop":
        return Effect.sync(() => reason && life.lifecycle.stop(reason))
      case "kill":
        return Effect.sync(() => reason && life.lifecycle.kill(reason))
      case "peerClose":
        return Effect.sync(() => life.transport.peerCloses(step.code, "bye"))
      case "peerErr":
        return Effect.sync(() => life.transport.peerErrs(step.code, "bad"))
      case "turn":
        return turn
      case "time":
        return TestClock.adjust(step.millis)
    }
  }

  const handlers: Readonly<Record<string, Handler<ConnectionClosed>>> = {
    echo,
    slow: (connection) =>
      Stream.runForEach(connection.messages, (message) =>
        Effect.zipRight(Effect.sleep("3 seconds"), connection.send(message))
      ),
    stuck: (connection) =>
      Stream.runForEach(connection.messages, (message) =>
        Effect.zipRight(connection.send(message), Effect.never)
      ),
    deaf: () => Effect.never,
    stubborn: (connection) =>
      Effect.zipRight(
        Effect.uninterruptible(Effect.sleep("12 seconds")),
        Effect.suspend(() => echo(connection))
      )
  }

  const run = (handler: string, steps: ReadonlyArray<Step>, answersClose: boolean) =>
    Effect.gen(function* () {
      yield* settle
      const supervisor = yield* Supervisor.track
      const alive = Effect.map(
        supervisor.value,
        (fibers) => fibers.filter((fiber) => fiber.unsafePoll() === null).length
      )
      yield* Effect.gen(function* () {
        const life = yield* begin(handlers[handler] ?? echo, { answersClose })
        const read: Array<string> = []
        let first: StopReason | undefined
        let isLossy = handler !== "echo"
        const all: ReadonlyArray<Step> = [...steps, { _tag: "stop", code: 4000 }]
        for (const [index, step] of all.entries()) {
          if (step._tag === "message" && first === undefined) read.push(`m${index}`)
          if (step._tag === "kill" || step._tag === "socketClose") isLossy = true
          first ??= reasonOf(step)
          yield* take(life, step, `m${index}`)
          expect(life.connection.stopSignal.reason).toEqual(first)
        }
        // A handler may take twice the close timeout, and so the peer once more.
        yield* TestClock.adjust(3 * CLOSE_TIMEOUT)
        yield* over(life)
        // That of the deadlines.
        expect(yield* alive, "fibers left").toBe(1)
        if (first === undefined) throw new Error("it ended for no reason")

        const happened = life.trail.filter((entry) => /^(stopping|farewell|closed) /.test(entry))
        expect(happened).toEqual(["stopping", "farewell", "closed"].map((event) => `${event} ${first._tag}`))
        expect(life.transport.isClosed()).toBe(true)

        const { written } = life.transport
        expect(written).toEqual(isLossy ? read.slice(0, written.length) : read)
        const { connection } = life
        expect(connection.messagesOut).toBe(written.length)
        expect(connection.messagesIn).toBeGreaterThanOrEqual(written.length)
        expect(connection.messagesIn).toBeLessThanOrEqual(read.length)

        // The last word is said once, it is that of the reason, and nothing follows it but the end.
        const said = life.transport.lastWords.filter((word) => word !== "destroy")
        const last = farewell(first)
        const word =
          last._tag === "Close" ? ["close", last.code, last.reason].join(" ") : last._tag.toLowerCase()
        expect([[], [word]]).toContainEqual(said)
        const after = life.trail.slice(life.trail.findIndex((entry) => /^(close |end$)/.test(entry)) + 1)
        if (said.length > 0)
          expect(after.filter((entry) => !/^(destroy$|farewell |closed )/.test(entry))).toEqual([])
        else expect(all.some(({ _tag }) => _tag === "socketClose" || _tag === "kill")).toBe(true)
      }).pipe(Effect.scoped, Effect.supervised(supervisor))
      expect(yield* alive).toBe(0)
    })

  it.effect.prop(
    "there is one reason, the first; what was read is answered in order; and nothing is left",
    [FC.constantFrom(...Object.keys(handlers)), FC.array(step, { maxLength: 14 }), FC.boolean()],
    ([handler, steps, answersClose]) => run(handler, steps, answersClose),
    { timeout: 60_000, fastCheck: { numRuns: 60 } }
  )
})
