/**
 * How a run begins: a server, and those who watch it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import { Faults } from "../../src/index.js"
import { serverWith } from "../support/server.js"
import * as Ledgers from "./Ledgers.js"
import * as Limits from "./Limits.js"
import { PATIENCE } from "./Peer.js"
import * as Places from "./Places.js"
import * as Pulse from "./Pulse.js"
import type { Script } from "./Script.js"
import { CLOSE_TIMEOUT, World } from "./World.js"

/** Starts a server without peers, and follows what happens. */
export const begin = (script: Script) =>
  Effect.gen(function* () {
    const { handlerTime, isHurried, limits } = script
    const runtime = yield* Effect.runtime<Scope.Scope>()
    const drainTimeout = isHurried ? CLOSE_TIMEOUT / 3 : 2 * PATIENCE
    const refusedBefore = yield* Places.counted
    const ledgers: Ledgers.Ledgers = new Map()
    const supervisor = yield* Supervisor.track
    // Not in the scope of the server: what it leaves behind is still there when that has closed.
    const context = yield* Effect.supervised(Layer.build(Faults.layerUrl()), supervisor)
    const spoiler = Context.get(context, Faults.Faults)
    const server = yield* serverWith(
      Ledgers.recording(ledgers, handlerTime),
      { ...Limits.optionsOf(limits), closeTimeout: CLOSE_TIMEOUT, drainTimeout },
      Layer.succeed(Faults.Faults, spoiler)
    )
    const spoilers = Effect.map(
      supervisor.value,
      (fibers) => fibers.filter((fiber) => fiber.unsafePoll() === null).length
    )
    const world = new World(script, {
      drainTimeout,
      ledgers,
      refusedBefore,
      runtime,
      server,
      spoiler,
      spoilers
    })
    world.heldUp = (yield* Pulse.begin(Effect.asVoid(world.look))).heldUp
    yield* server.connections.events.pipe(
      Stream.runForEach((event) => Effect.sync(() => world.events.push({ event, at: performance.now() }))),
      Effect.forkScoped
    )
    // The subscription stands once the fiber waits.
    yield* Effect.yieldNow()
    const onFault = (fault: unknown): void => void world.faults.push(fault)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("uncaughtExceptionMonitor", onFault).on("unhandledRejection", onFault)),
      () =>
        Effect.sync(() => process.off("uncaughtExceptionMonitor", onFault).off("unhandledRejection", onFault))
    )
    return world
  })
