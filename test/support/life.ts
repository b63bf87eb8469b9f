/**
 * A connection without a socket, and all that comes of it.
 */
import { expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Connection } from "../../src/connection/Connection.js"
import type { ConnectionClosed } from "../../src/connection/ConnectionClosed.js"
import type { Handler } from "../../src/connection/Handler.js"
import * as Deadlines from "../../src/connection/Deadlines.js"
import { monotonic } from "../../src/connection/Monotonic.js"
import * as OwnScope from "../../src/connection/OwnScope.js"
import { Lifecycle } from "../../src/connection/Lifecycle.js"
import { ConnectionId } from "../../src/protocol/ConnectionId.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import type { Action } from "../../src/testing/Action.js"
import { MemoryTransport, type MemoryTransportOptions } from "./MemoryTransport.js"
import { unwatched } from "./registry.js"
import { settle } from "./timeless.js"

/** How long a handler, and then a peer, may take, in milliseconds. */
export const CLOSE_TIMEOUT = 5000

/** Tells an action in one line; a seal, which nobody sees, in none. */
export const describeAction = (action: Action): ReadonlyArray<string> => {
  switch (action._tag) {
    case "seal":
      return []
    case "write":
      return [`write ${action.messages.map(({ text }) => text).join(" ")}`]
    case "close":
      return [
        ["close", action.code, action.reason].filter((part) => part !== undefined && part !== "").join(" ")
      ]
    case "ping":
    case "pong":
      return [`${action._tag} ${action.payload}`]
    case "raw":
      return [`raw ${action.bytes.toString("hex")}`]
    case "end":
    case "destroy":
    case "reset":
      return [action._tag]
  }
}

/** A connection that lives, and all that came of it. */
export interface Life {
  readonly transport: MemoryTransport
  readonly lifecycle: Lifecycle
  readonly connection: Connection
  readonly fiber: Fiber.RuntimeFiber<void>
  /** What was done to the wire and reported of the connection, in order. */
  readonly trail: Array<string>
  /** How many fibers work for it. */
  readonly fibers: Effect.Effect<number>
}

/** Begins the life of a connection on a transport in memory. */
export const begin = <E>(
  handler: Handler<E>,
  options: MemoryTransportOptions = {}
): Effect.Effect<Life, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const set = yield* FiberSet.make<void>()
    const fork = yield* OwnScope.forking<never>(set)
    const deadlines = yield* Deadlines.make(Duration.millis(CLOSE_TIMEOUT))
    const trail: Array<string> = []
    const transport = new MemoryTransport({
      ...options,
      onAction: (action) => trail.push(...describeAction(action))
    })
    // The end of a test must not wait for a peer that doesn't answer.
    yield* Effect.addFinalizer(() => Effect.sync(() => transport.socketCloses()))
    const lifecycle = new Lifecycle(
      {
        now: () => clock.unsafeCurrentTimeMillis(),
        deadlines,
        watch: unwatched,
        elapsed: yield* monotonic,
        onStopping: (_, { _tag }) => trail.push(`stopping ${_tag}`),
        onFarewell: (_, { _tag }) => trail.push(`farewell ${_tag}`),
        onClosed: (_, { _tag }) => trail.push(`closed ${_tag}`)
      },
      {
        id: ConnectionId("c1"),
        about: { path: "/echo", subprotocol: undefined },
        transport,
        jitter: 0,
        log: () => {}
      }
    )
    const fiber = lifecycle.begin(handler, fork)
    return {
      transport,
      lifecycle,
      connection: lifecycle.connection,
      fiber,
      trail,
      fibers: FiberSet.size(set)
    }
  })

/** Waits until the connection is over, and sees that nothing of it is left. */
export const over = ({ fiber, fibers, trail }: Life): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    yield* settle
    const exit = fiber.unsafePoll()
    if (exit === null) throw new Error(`the connection isn't over: ${JSON.stringify(trail)}`)
    expect(Exit.isSuccess(exit) || Exit.isInterrupted(exit)).toBe(true)
    expect(yield* fibers).toBe(0)
    const seen = [...trail]
    yield* TestClock.adjust(4 * CLOSE_TIMEOUT)
    expect(trail).toEqual(seen)
    return seen
  })

/** A stop by an operator. */
export const stopSignal = StopReason.StopSignal({ code: 4000, reason: "enough" })

/** What an orderly stop looks like, when there is nothing to answer. */
export const stopped = [
  "stopping StopSignal",
  "close 4000 enough",
  "farewell StopSignal",
  "closed StopSignal"
]

/** What was counted. */
export const count = ({ bytesIn, bytesOut, messagesIn, messagesOut }: Connection) => ({
  messagesIn,
  messagesOut,
  bytesIn,
  bytesOut
})

/** Answers each batch only when it is allowed to. */
export const echoWhen =
  (gate: Deferred.Deferred<void>): Handler<ConnectionClosed> =>
  (connection) =>
    Stream.runForEachChunk(connection.messages, (messages) =>
      Effect.zipRight(Deferred.await(gate), connection.sendChunk(messages))
    )

/** Takes messages, and then has other things to do. */
export const busy: Handler = (connection) => Stream.runForEach(connection.messages, () => Effect.never)
