/**
 * The scope of a connection: one like any other, which is made when it is used.
 */
import { describe, expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { begin, over, stopSignal } from "../support/life.js"
import { settle, timeless } from "../support/timeless.js"

/** A connection whose handler has nothing to be released, its scope, and what happens in it. */
const idle = Effect.gen(function* () {
  const story: Array<string> = []
  const given = yield* Deferred.make<Scope.Scope>()
  const life = yield* begin(() => Effect.zipRight(Effect.intoDeferred(Effect.scope, given), Effect.never))
  return {
    life,
    story,
    scope: yield* Deferred.await(given),
    tell: (what: string) => Effect.sync(() => void story.push(what))
  }
})

describe("the scope of a connection", () => {
  timeless("releases what others put into it, the last first, before the last word", () =>
    Effect.gen(function* () {
      const { life, scope, story, tell } = yield* idle
      yield* Scope.addFinalizer(scope, tell("first"))
      yield* Scope.addFinalizerExit(scope, (exit) => tell(`second, after ${exit._tag}`))
      yield* Scope.addFinalizer(
        scope,
        Effect.suspend(() => tell(`${life.transport.lastWords.length} words`))
      )
      life.lifecycle.stop(stopSignal)
      yield* over(life)
      expect(story).toEqual(["0 words", "second, after Failure", "first"])
    })
  )

  timeless("interrupts the fibers that were forked into it", () =>
    Effect.gen(function* () {
      const { life, scope } = yield* idle
      const fiber = yield* Effect.forkIn(Effect.never, scope)
      life.lifecycle.stop(stopSignal)
      yield* over(life)
      expect(Exit.isInterrupted(yield* Fiber.await(fiber))).toBe(true)
    })
  )

  timeless("closes the scopes that were forked from it", () =>
    Effect.gen(function* () {
      const { life, scope, story, tell } = yield* idle
      const child = yield* Scope.fork(scope, scope.strategy)
      yield* Scope.addFinalizer(child, tell("of the child"))
      life.lifecycle.stop(stopSignal)
      yield* over(life)
      expect(story).toEqual(["of the child"])
    })
  )

  timeless("that is over releases at once what comes then, if it was used or not", () =>
    Effect.gen(function* () {
      for (const isUsed of [false, true]) {
        const { life, scope, story, tell } = yield* idle
        if (isUsed) yield* Scope.addFinalizer(scope, tell("in time"))
        life.lifecycle.stop(stopSignal)
        yield* over(life)
        story.length = 0
        yield* Scope.addFinalizer(scope, tell("too late"))
        expect(story).toEqual(["too late"])
        const fiber = yield* Effect.forkIn(Effect.never, scope)
        expect(Exit.isInterrupted(yield* Fiber.await(fiber))).toBe(true)
      }
    })
  )

  timeless("is each connection's own", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* idle, yield* idle]
      yield* Scope.addFinalizer(one.scope, one.tell("released"))
      other.life.lifecycle.stop(stopSignal)
      yield* over(other.life)
      yield* settle
      expect(one.story).toEqual([])
    })
  )
})
