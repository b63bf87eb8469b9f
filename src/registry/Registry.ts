/**
 * Keeps the connections of a server, from their first moment to their last.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import type { About } from "../connection/About.js"
import { stopReason } from "../connection/StopOptions.js"
import * as Deadlines from "../connection/Deadlines.js"
import type { Handle } from "../connection/Handler.js"
import { Lifecycle, type SharedOptions } from "../connection/Lifecycle.js"
import * as OwnScope from "../connection/OwnScope.js"
import * as Log from "../connection/Log.js"
import { monotonic } from "../connection/Monotonic.js"
import type { Transport } from "../connection/Transport.js"
import type { WatchOptions } from "../connection/Watch.js"
import * as ConnectionId from "../protocol/ConnectionId.js"
import { ConnectionNotFound } from "../protocol/ConnectionId.js"
import { codeOf, isInterruption, type StopReason } from "../protocol/StopReason.js"
import { type ConnectionInfo, type Page, snapshot } from "./ConnectionInfo.js"
import type { Connections, PageOptions } from "./Connections.js"
import { type ConnectionEvent, Events } from "./Events.js"
import type { Ending, Observer } from "./Observer.js"
import { stopEach, stopOver } from "./Stops.js"
import * as Sweep from "./Sweep.js"

/** Runs fibers of connections, with what they require. */
export type Fork<R> = (effect: Effect.Effect<void, never, R>) => Fiber.RuntimeFiber<void>

/** What is around connections: what was there where it was asked for. */
export interface Surroundings<R> {
  /** Runs fibers in it. They count among those that `drain` waits for. */
  readonly fork: Fork<R>
  /** Runs those of connections, which have scopes of their own. */
  readonly begin: OwnScope.Fork<R>
  readonly log: Log.Log
}

/** Begins the life of a connection, synchronously, in a fiber of its own. Gives nothing once `drain` has begun. */
export type Accept = <E, R>(
  transport: Transport,
  about: About,
  handle: Handle<E, R>,
  surroundings: Surroundings<R>
) => Accepted | undefined

/** A connection whose life has begun. */
export interface Accepted {
  readonly id: ConnectionId.ConnectionId
  /** Ends when TCP is closed and the handler's resources are released. */
  readonly fiber: Fiber.RuntimeFiber<void>
}

/** How connections live. */
export interface LifeOptions {
  readonly closeTimeout: Duration.Duration
  readonly watch: WatchOptions
}

/** The connections, with what only the server itself does with them. */
export interface Registry {
  readonly connections: Omit<Context.Tag.Service<Connections>, "drain">
  /** Prepares for connections that live alike. */
  readonly accepting: (options: LifeOptions) => Effect.Effect<Accept>
  /** What is there where this is run. */
  readonly surroundings: <R>() => Effect.Effect<Surroundings<R>, never, R>
  /** What the ids of its connections end in. */
  readonly tag: string
  readonly events: Events<ConnectionEvent>
  /** Ends all connections, and accepts no more. */
  readonly drain: (options: DrainOptions) => Effect.Effect<void>
}

/** How connections are drained. */
export interface DrainOptions {
  readonly reason: StopReason
  /** The time over which the stops are spread evenly. */
  readonly spread: Duration.Duration
  /** When those that haven't ended are destroyed, by the monotonic clock. */
  readonly deadline: number
}

/** How long, in milliseconds, sockets that are destroyed may take to be gone: a drain must not wait for ever. */
const DESTROYED_WITHIN = 1000

/** Makes the registry of a server. */
export const make = (observers: ReadonlyArray<Observer> = []): Effect.Effect<Registry, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const elapsed = yield* monotonic
    const tag = ConnectionId.tagOf(yield* Random.next)
    const newId = ConnectionId.source(tag)
    const random = new PCGRandom(yield* Random.nextInt)
    const events = new Events<ConnectionEvent>()
    /** When those that are ending began to, in milliseconds: the time that only goes on, and with its fractions. */
    const stopping = new Map<string, number>()
    const precisely = () => Number(clock.unsafeCurrentTimeNanos()) / 1e6
    // Not waited for: `drain` has, and a handler that can't be interrupted must not outlast its deadline.
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) =>
      Effect.forkDaemon(Scope.close(scope, exit))
    )
    const fibers = yield* Scope.extend(FiberSet.make<void>(), scope)
    const live = new Map<string, Lifecycle>()
    const sweep = yield* Sweep.make(live)
    const own = yield* Effect.scope
    const empty = yield* Deferred.make<void>()
    let isDraining = false

    /** One who fails decides nothing either. */
    const tell = (what: (observer: Observer) => void): void => {
      for (const observer of observers) {
        try {
          what(observer)
        } catch {
          // The program's tracer.
        }
      }
    }

    const onStopping: SharedOptions["onStopping"] = ({ connection }, reason) => {
      stopping.set(connection.id, precisely())
      tell((observer) => observer.stopping?.(connection, reason))
      events.publish(() => ({ _tag: "stopping", connection: snapshot(connection), reason }))
    }

    const onFarewell: SharedOptions["onFarewell"] = ({ connection, log }, reason) => {
      if (!isInterruption(reason)) return
      log("connection interrupted", {
        connection: connection.id,
        remote: connection.remote,
        reason: reason._tag,
        code: codeOf(reason)
      })
    }

    const onClosed: SharedOptions["onClosed"] = ({ connection, log, startedAt }, reason, code) => {
      live.delete(connection.id)
      const ended = precisely()
      const ending: Ending = {
        reason,
        code,
        durationMs: elapsed() - startedAt,
        stopMs: ended - (stopping.get(connection.id) ?? ended)
      }
      stopping.delete(connection.id)
      tell((observer) => observer.closed(connection, ending))
      events.publish(() => ({ _tag: "closed", connection: snapshot(connection), reason, code }))
      log("connection closed", {
        connection: connection.id,
        remote: connection.remote,
        reason: reason._tag,
        code,
        durationMs: ending.durationMs,
        messagesIn: connection.messagesIn,
        messagesOut: connection.messagesOut,
        bytesIn: connection.bytesIn,
        bytesOut: connection.bytesOut,
        ...connection.remarks
      })
      if (isDraining && live.size === 0) Deferred.unsafeDone(empty, Effect.void)
    }

    const accepting: Registry["accepting"] = ({ closeTimeout, watch }) =>
      // For as long as the server: those who asked for them may go before their connections do.
      Effect.map(Scope.extend(Deadlines.make(closeTimeout), own), (deadlines) => {
        const shared = { now, deadlines, watch, elapsed, onStopping, onFarewell, onClosed }
        sweep.add(watch)
        return (transport, about, handle, { begin, log }) => {
          if (isDraining) return undefined
          const jitter = random.number() * 2 - 1
          const lifecycle = new Lifecycle(shared, { about, id: newId(now()), transport, jitter, log })
          const { connection } = lifecycle
          live.set(connection.id, lifecycle)
          sweep.wake()
          tell((observer) => observer.opened(connection))
          events.publish(() => ({ _tag: "opened", connection: snapshot(connection) }))
          return { id: connection.id, fiber: lifecycle.begin(handle, begin) }
        }
      })

    const find = (id: string): Effect.Effect<Lifecycle, ConnectionNotFound> =>
      Effect.suspend(() => {
        const found = live.get(id)
        return found === undefined ? Effect.fail(new ConnectionNotFound({ id })) : Effect.succeed(found)
      })

    const page = ({ after = "", limit }: PageOptions): Page => {
      const connections: Array<ConnectionInfo> = []
      let next: ConnectionInfo["id"] | null = null
      // They stand here in the order of their ids.
      for (const [id, { connection }] of live) {
        if (id <= after) continue
        if (connections.length === limit) {
          next = connections.at(-1)?.id ?? null
          break
        }
        connections.push(snapshot(connection))
      }
      return { total: live.size, connections, next }
    }

    const drain: Registry["drain"] = ({ deadline, reason, spread }) =>
      Effect.gen(function* () {
        isDraining = true
        if (live.size === 0) yield* Deferred.succeed(empty, undefined)
        yield* stopOver([...live.values()], reason, Duration.toMillis(spread), elapsed).pipe(
          Effect.zipRight(Deferred.await(empty)),
          Effect.interruptible,
          Effect.timeoutOption(Math.max(0, deadline - elapsed()))
        )
        for (const lifecycle of live.values()) lifecycle.kill(reason)
        if (live.size > 0)
          yield* Effect.timeoutOption(Effect.interruptible(Deferred.await(empty)), DESTROYED_WITHIN)
        // What handlers have to release.
        yield* FiberSet.awaitEmpty(fibers).pipe(
          Effect.interruptible,
          Effect.timeoutOption(Math.max(0, deadline - elapsed()))
        )
      })

    return {
      tag,
      accepting,
      surroundings: <R>() =>
        Effect.zipWith(
          Effect.zip(FiberSet.runtime(fibers)<R>(), OwnScope.forking<R>(fibers)),
          Log.here,
          ([run, begin], log): Surroundings<R> => ({ fork: (effect) => run(effect), begin, log })
        ),
      drain,
      events,
      connections: {
        count: Effect.sync(() => live.size),
        list: Effect.sync(() => Array.from(live.values(), ({ connection }) => snapshot(connection))),
        page: (options) => Effect.sync(() => page(options)),
        get: (id) => Effect.map(find(id), ({ connection }) => snapshot(connection)),
        stop: Effect.fn("Connections.stop")(function* (id, stopOptions) {
          const lifecycle = yield* find(id)
          lifecycle.stop(yield* stopReason(stopOptions))
          // The connection's fiber goes first: its peer has the Close frame before the operator has an answer.
          yield* Effect.yieldNow()
        }),
        stopAll: Effect.fn("Connections.stopAll")(function* (stopOptions) {
          const reason = yield* stopReason(stopOptions)
          // Whoever has asked may go away: all are stopped, or none.
          return yield* Effect.uninterruptible(stopEach([...live.values()], reason))
        }),
        events: events.stream
      }
    }
  })
