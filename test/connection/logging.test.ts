/**
 * A program's logger may fail: that decides nothing about connections.
 */
import { describe, expect } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { begin, over, stopSignal } from "../support/life.js"
import { serve } from "../support/registry.js"
import { settle, timeless } from "../support/timeless.js"

/** Fails at lines with these words. */
const failing = (words: string) =>
  Logger.add(
    Logger.make(({ message }) => {
      if (String(message).includes(words)) throw new Error("the disk is full")
    })
  )

describe("a logger that fails", () => {
  timeless("at the failure of a handler doesn't keep its connection", () =>
    Effect.gen(function* () {
      const life = yield* begin(() => Effect.fail("oh"))
      expect(yield* over(life)).toEqual([
        "stopping HandlerFailed",
        "close 1011 internal error",
        "farewell HandlerFailed",
        "closed HandlerFailed"
      ])
    }).pipe(Effect.provide(failing("handler failed")))
  )

  for (const words of ["connection interrupted", "connection closed"]) {
    timeless(`at "${words}" keeps no connection, and no shutdown`, () =>
      Effect.gen(function* () {
        const server = yield* serve((connection) => Stream.runDrain(connection.messages))
        const transport = server.open()
        yield* settle
        yield* Effect.orDie(server.connections.stopAll({ code: 4000, reason: "enough" }))
        yield* settle
        expect(transport.lastWords).toEqual(["close 4000 enough"])
        expect(yield* server.connections.count).toBe(0)
        yield* server.registry.drain({ reason: stopSignal, spread: Duration.zero, deadline: 1000 })
      }).pipe(Effect.provide(failing(words)))
    )
  }
})
