/**
 * A test on real sockets, under a leak check: what a test starts, it stops.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Supervisor from "effect/Supervisor"
import { it } from "vitest"

/** Handles of the operating system, by kind, and listeners on the process: what a server could leave behind. */
const resources = (): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  const kinds = new Set([
    "TCPSocketWrap",
    "TCPServerWrap",
    "TLSWrap",
    "Timeout",
    "Immediate",
    "TCPConnectWrap",
    "TTYWrap"
  ])
  for (const kind of process.getActiveResourcesInfo()) {
    if (kinds.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  for (const name of process.eventNames()) {
    counts.set(`process.on(${String(name)})`, process.listenerCount(String(name)))
  }
  return counts
}

const grown = (before: ReadonlyMap<string, number>): ReadonlyArray<string> => {
  const after = resources()
  return [...after]
    .filter(([name, count]) => count > (before.get(name) ?? 0))
    .map(([name, count]) => `${name}: ${before.get(name) ?? 0} before, ${count} after`)
}

/** A turn of the event loop, in which handles are let go: nothing reports that. */
const turn = Effect.async<void>((resume) => {
  setTimeout(() => resume(Effect.void), 5)
})

/** How many turns what was stopped may take to be gone. */
const PATIENCE = 400

const nothingIsLeft = (before: ReadonlyMap<string, number>, fibers: Effect.Effect<ReadonlyArray<string>>) =>
  Effect.gen(function* () {
    let left: ReadonlyArray<string> = []
    for (let turns = 0; turns < PATIENCE; turns++) {
      left = [...grown(before), ...(yield* fibers)]
      if (left.length === 0) return
      yield* turn
    }
    return yield* Effect.die(new Error(`the test left behind: ${left.join("; ")}`))
  })

const alive = (supervisor: Supervisor.Supervisor<Array<Fiber.RuntimeFiber<unknown, unknown>>>) =>
  Effect.map(supervisor.value, (fibers) =>
    fibers.filter((fiber) => fiber.unsafePoll() === null).map((fiber) => `fiber #${fiber.id().id}`)
  )

/**
 * Runs an effect in a scope of its own. It dies if fibers, sockets, timers or listeners of the process are left when
 * the scope has closed.
 */
export const leavingNothing = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const before = resources()
    const supervisor = yield* Supervisor.track
    const value = yield* Effect.supervised(Effect.scoped(effect), supervisor)
    yield* nothingIsLeft(before, alive(supervisor))
    return value
  })

/**
 * Registers a test that runs an effect with real time, in a scope of its own. It fails if fibers, sockets, timers or
 * listeners of the process are left when the scope has closed.
 */
export const live = (
  name: string,
  test: () => Effect.Effect<unknown, unknown, Scope.Scope>,
  timeoutMs?: number
): void => {
  it(
    name,
    async () => {
      const exit = await Effect.runPromiseExit(leavingNothing(Effect.suspend(test)))
      if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    },
    timeoutMs
  )
}
