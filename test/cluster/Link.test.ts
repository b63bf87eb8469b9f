/**
 * Questions and answers between two processes.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as TestClock from "effect/TestClock"
import { Link, type LinkOptions, type Packet, PATIENCE } from "../../src/cluster/Link.js"

const nobody = { onAsk: () => Effect.never, onTell: () => {} }

/** Two sides whose packets go from one to the other at once, and are kept. */
const pair = (one: Partial<LinkOptions>, other: Partial<LinkOptions>) =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, void>()
    const packets: Array<Packet> = []
    const make = (name: string, options: Partial<LinkOptions>, to: () => Link): Link =>
      new Link({
        name,
        run,
        send: (packet) => {
          packets.push(packet)
          to().receive(packet)
          return true
        },
        ...nobody,
        ...options
      })
    const left: Link = make("right", one, () => right)
    const right: Link = make("left", other, () => left)
    return { left, right, packets }
  })

describe("who asks", () => {
  it.scoped("gets the answer to each question, whichever comes first", () =>
    Effect.gen(function* () {
      const later = yield* Deferred.make<string>()
      const { left } = yield* pair(
        {},
        { onAsk: (it) => (it === "late" ? Deferred.await(later) : Effect.succeed(`${String(it)}!`)) }
      )
      const late = yield* Effect.fork(left.ask("late"))
      yield* Effect.yieldNow()
      expect(yield* left.ask("early")).toBe("early!")
      yield* Deferred.succeed(later, "at last")
      expect(yield* Fiber.join(late)).toBe("at last")
    })
  )

  it.scoped("doesn't wait for one who is silent for two seconds", () =>
    Effect.gen(function* () {
      const { left } = yield* pair({ send: () => true }, {})
      const asking = yield* Effect.fork(Effect.flip(left.ask("anybody?")))
      yield* TestClock.adjust(PATIENCE - 1)
      expect(asking.unsafePoll()).toBeNull()
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "NoAnswer", server: "right" })
    })
  )

  it.scoped("waits as long as it takes for one who says that it is at work", () =>
    Effect.gen(function* () {
      const later = yield* Deferred.make<string>()
      const { left } = yield* pair({}, { onAsk: () => Deferred.await(later) })
      const asking = yield* Effect.fork(left.ask("a lot"))
      yield* TestClock.adjust(5 * PATIENCE)
      expect(asking.unsafePoll()).toBeNull()
      yield* Deferred.succeed(later, "done")
      expect(yield* Fiber.join(asking)).toBe("done")
    })
  )

  it.scoped("doesn't wait for one to whom nothing can be sent, or who is gone", () =>
    Effect.gen(function* () {
      const unreachable = yield* pair({ send: () => false }, {})
      expect(yield* Effect.flip(unreachable.left.ask("?"))).toMatchObject({ _tag: "NoAnswer" })
      const { left } = yield* pair({ send: () => true }, {})
      const asking = yield* Effect.fork(Effect.flip(left.ask("?")))
      yield* Effect.yieldNow()
      left.close()
      expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "NoAnswer" })
      expect(yield* Effect.flip(left.ask("again?"))).toMatchObject({ _tag: "NoAnswer" })
    })
  )

  it.scoped("isn't told what comes too late, nor by one who was not asked", () =>
    Effect.gen(function* () {
      const { left } = yield* pair({ send: () => true }, {})
      const asking = yield* Effect.fork(Effect.flip(left.ask("?")))
      yield* TestClock.adjust(PATIENCE)
      yield* Fiber.join(asking)
      left.receive({ answer: 1, it: "too late" })
      left.receive({ answer: 99, it: "to nothing" })
      left.receive({ working: 99 })
    })
  )
})

describe("who is asked", () => {
  it.scoped("and fails to answer, gives none", () =>
    Effect.gen(function* () {
      const { left, packets } = yield* pair({}, { onAsk: () => Effect.die("a defect") })
      const asking = yield* Effect.fork(Effect.flip(left.ask("?")))
      yield* TestClock.adjust(PATIENCE)
      expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "NoAnswer" })
      expect(packets).toEqual([{ ask: 1, it: "?" }])
    })
  )

  it.scoped("hears what is told, in its order", () =>
    Effect.gen(function* () {
      const heard: Array<unknown> = []
      const { left } = yield* pair({}, { onTell: (it) => heard.push(it) })
      left.tell("one")
      left.tell("two")
      expect(heard).toEqual(["one", "two"])
    })
  )
})
