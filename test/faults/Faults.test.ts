/**
 * Who decides what goes wrong: a URL, or a program, at the handshake and later.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as FaultPlan from "../../src/faults/FaultPlan.js"
import * as Faults from "../../src/faults/Faults.js"
import { ConnectionNotFound } from "../../src/protocol/ConnectionId.js"
import { faulty, numbered, planOf, serveFaulty, STOPPED } from "../support/faulty.js"
import { echoWhen } from "../support/life.js"
import { timeless } from "../support/timeless.js"

/** What a layer decides on a handshake that asks for this. */
const decide = (layer: Layer.Layer<Faults.Faults>, target: string) =>
  Effect.scoped(
    Effect.map(Layer.build(layer), (context) =>
      Context.get(context, Faults.Faults).decide({ method: "GET", httpVersion: "1.1", headers: {}, target })
    )
  )

describe("a handshake, decided by its URL,", () => {
  it.effect.each([
    ["/echo", undefined],
    ["/echo?", undefined],
    ["/echo?after=3msg", undefined],
    ["/echo?fault=reset", { fault: "reset" }],
    ["/echo?fault=reset#here", { fault: "reset" }],
    ["/echo?x=1&fault=close&code=4001", { fault: "close", code: 4001, reason: "" }],
    ["/echo?fault=close&reason=a%26b+c", { fault: "close", code: 1000, reason: "a&b c" }],
    ["http://host/echo?fault=hang", { fault: "hang" }],
    ["/?fault=refuse", { fault: "refuse", status: 503 }]
  ] as const)("has the plan that stands in it: %s", ([target, plan]) =>
    Effect.gen(function* () {
      expect(yield* decide(Faults.layerUrl(), target)).toEqual(Either.right(plan))
    })
  )

  it.effect.each([
    "/echo?fault=explode",
    "/echo?fault=drop&rate=2",
    "/echo?fault=reset&fault=stall",
    "/?fault"
  ])("is refused with 400 if that can't be read: %s", (target) =>
    Effect.gen(function* () {
      const decision = yield* decide(Faults.layerUrl(), target)
      const plan = FaultPlan.fromQuery(new URLSearchParams(target.slice(target.indexOf("?"))))
      const message = Either.isLeft(plan) ? plan.left.message : "readable"
      expect(Either.flip(decision)).toMatchObject(
        Either.right({ status: 400, error: "InvalidFault", message })
      )
    })
  )

  it.effect.each(["/echo?fault=reset", "/echo?fault=explode", "/echo?fault=hang"])(
    "is refused with 403 where faults are off, readable or not: %s",
    (target) =>
      Effect.gen(function* () {
        const decision = yield* decide(Faults.layerUrl(false), target)
        expect(Either.flip(decision)).toMatchObject(Either.right({ status: 403, error: "FaultsDisabled" }))
        expect(yield* decide(Faults.layerUrl(false), "/echo?after=3msg")).toEqual(Either.right(undefined))
      })
  )
})

describe("a handshake, decided by a program,", () => {
  it.effect("has nothing go wrong unless the program says so", () =>
    Effect.gen(function* () {
      expect(yield* decide(Faults.layer(), "/echo?fault=reset")).toEqual(Either.right(undefined))
    })
  )

  it.effect("has what the program makes of the request", () =>
    Effect.gen(function* () {
      const layer = Faults.layer(({ target }) =>
        target.startsWith("/bad") ? FaultPlan.make({ fault: "drop", rate: 0.5 }) : undefined
      )
      expect(yield* decide(layer, "/bad?x")).toEqual(Either.right({ fault: "drop", rate: 0.5 }))
      expect(yield* decide(layer, "/good")).toEqual(Either.right(undefined))
    })
  )
})

describe("a fault that is asked for later", () => {
  timeless("goes wrong on a connection on which nothing did", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("")
      yield* connection.says("a")
      yield* connection.apply("fault=duplicate&rate=1")
      yield* connection.says("b")
      expect(connection.trail).toEqual(["write a", "write b b"])
    })
  )

  timeless("replaces an earlier one, and what that held back goes out first", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=delay&time=1h")
      yield* connection.says("a", "b")
      yield* connection.apply("fault=duplicate&rate=1")
      yield* connection.says("c")
      expect(connection.trail).toEqual(["write a b", "write c c"])
    })
  )

  timeless("counts its moment from then, in messages", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=reset&after=3msg")
      yield* connection.says("1", "2")
      yield* connection.apply("fault=close&code=4001&after=3msg")
      yield* connection.says("3", "4", "5", "6")
      expect(connection.trail).toEqual(["write 1 2", "write 3 4 5", "close 4001"])
    })
  )

  timeless("counts its moment from then, in time", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=reset&after=5s")
      yield* TestClock.adjust(4000)
      yield* connection.apply("fault=vanish&after=5s")
      yield* TestClock.adjust(4999)
      expect(connection.trail).toEqual([])
      yield* TestClock.adjust(1)
      expect(connection.trail).toEqual(["end"])
    })
  )

  timeless("comes at once without a moment, before what waits to be read", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=stall")
      yield* connection.says("a", "b")
      yield* connection.apply("fault=close")
      expect(connection.trail).toEqual(["close 1000"])
    })
  )

  timeless("ends a silence: pings are answered, and the heartbeat works again", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=mute", {
        watch: { heartbeatInterval: 1000, heartbeatTimeout: 500 }
      })
      yield* TestClock.adjust(3000)
      expect(connection.trail).toEqual([])
      yield* connection.apply("fault=drop&rate=1")
      connection.transport.peerPings("back?")
      expect(connection.trail).toEqual(["pong back?"])
      yield* TestClock.adjust(2000)
      expect(connection.trail).toEqual(["pong back?", "ping 1", "reset"])
    })
  )

  timeless("takes back a corruption that is yet to come, and none that has been sent", (log) =>
    Effect.gen(function* () {
      const early = yield* faulty("fault=corrupt")
      yield* early.apply("fault=drop&rate=0")
      yield* early.says("a")
      early.transport.peerCloses(1002)
      yield* TestClock.adjust(0)
      expect(early.trail).toEqual(["write a", "close 1002"])
      expect(log.lines.at(-1)).toMatchObject({ reason: "PeerClosed" })
      const late = yield* faulty("fault=corrupt")
      yield* late.says("a")
      yield* late.apply("fault=drop&rate=0")
      late.transport.peerCloses(1002)
      yield* TestClock.adjust(0)
      expect(log.lines.at(-1)).toMatchObject({ reason: "Fault", code: 1002 })
    })
  )

  timeless("keeps the counts of all that went out before", () =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=throttle&rate=1MiB")
      yield* connection.says("abc")
      yield* TestClock.adjust(20)
      for (const query of ["fault=duplicate&rate=1", "fault=corrupt", "fault=delay&time=1h"]) {
        yield* connection.apply(query)
        yield* connection.says("abc")
      }
      expect(yield* connection.info).toMatchObject({
        messagesIn: 4,
        bytesIn: 12,
        messagesOut: 4,
        bytesOut: 12,
        bufferedBytes: 3
      })
    })
  )

  timeless("shows in the log, the last of them", (log) =>
    Effect.gen(function* () {
      const connection = yield* faulty("fault=drop&rate=0.5&seed=1")
      yield* connection.apply("fault=mute")
      yield* connection.stop
      expect(log.lines.at(-1)).toMatchObject({ fault: "mute" })
      expect(log.lines.at(-1)).not.toHaveProperty("seed")
    })
  )

  for (const query of ["fault=stall", "fault=mute", "fault=close", "fault=reset", "fault=delay&time=1h"]) {
    for (const earlier of ["", "fault=drop&rate=0"]) {
      timeless(
        `changes nothing when the connection is ending: ${query} after ${earlier || "nothing"}`,
        (log) =>
          Effect.gen(function* () {
            const gate = yield* Deferred.make<void>()
            const connection = yield* faulty(earlier, { handler: echoWhen(gate) })
            yield* connection.says("a")
            yield* connection.says("b")
            yield* connection.stop
            yield* connection.apply(query)
            yield* Deferred.succeed(gate, undefined)
            yield* TestClock.adjust(0)
            expect(connection.trail).toEqual(["write a", "write b", STOPPED])
            expect(log.lines.at(-1)).toMatchObject({ reason: "StopSignal", messagesOut: 2 })
          })
      )
    }
  }

  timeless("fails for a connection that isn't there, or not any more", () =>
    Effect.gen(function* () {
      const server = yield* serveFaulty()
      const plan = planOf("fault=reset")
      const missing = yield* Effect.flip(server.faults.apply("nobody", plan))
      expect(missing).toEqual(new ConnectionNotFound({ id: "nobody" }))
      const connection = yield* server.open("")
      yield* TestClock.adjust(0)
      yield* server.faults.apply(connection.id, plan)
      yield* TestClock.adjust(0)
      expect(connection.trail).toEqual(["reset"])
      expect(yield* Effect.flip(server.faults.apply(connection.id, plan))).toEqual(
        new ConnectionNotFound({ id: connection.id })
      )
    })
  )

  timeless("goes wrong on that connection alone", () =>
    Effect.gen(function* () {
      const server = yield* serveFaulty()
      const one = yield* server.open("")
      const other = yield* server.open("")
      yield* one.apply("fault=drop&rate=1")
      for (const connection of [one, other]) yield* connection.says(...numbered(3))
      expect(one.trail).toEqual([])
      expect(other.trail).toEqual(["write 1 2 3"])
    })
  )
})
