/**
 * Who is alive: the connections of this server, to list, stop and follow.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { PCGRandom } from "effect/Utils"
import { type Connection, type Handler, stopReason, type StopOptions } from "../connection/Connection.js"
import * as Deadlines from "../connection/Deadlines.js"
import { Lifecycle, type LifecycleOptions } from "../connection/Lifecycle.js"
import { monotonic } from "../connection/Monotonic.js"
import type { Transport } from "../connection/Transport.js"
import type { WatchOptions } from "../connection/Watch.js"
import type { InvalidClose } from "../protocol/CloseCode.js"
import * as ConnectionId from "../protocol/ConnectionId.js"
import { ConnectionNotFound } from "../protocol/ConnectionId.js"
import { codeOf, isInterruption, type StopReason } from "../protocol/StopReason.js"
import { type ConnectionInfo, type Page, snapshot } from "./ConnectionInfo.js"
import { type ConnectionEvent, Events } from "./Events.js"
import { logLine } from "./LastLine.js"
import type { Ending, Observer } from "./Observer.js"
import { stopEach, stopOver } from "./Stops.js"
import * as Sweep from "./Sweep.js"

/** The connections of this server. */
export class Connections extends Context.Tag("answerback/Connections")<
  Connections,
  {
    /** How many are open. */
    readonly count: Effect.Effect<number>
    /** All that are open, in the order of their ids, which is that of their opening. */
    readonly list: Effect.Effect<ReadonlyArray<ConnectionInfo>>
    /** Some of them, in that order. A page stays right while connections come and go. */
    readonly page: (options: PageOptions) => Effect.Effect<Page>
    /** One of them. */
    readonly get: (id: string) => Effect.Effect<ConnectionInfo, ConnectionNotFound>
    /** Stops one. Stopping one that is stopping already changes nothing. Doesn't wait until it has ended. */
    readonly stop: (
      id: string,
      options?: StopOptions
    ) => Effect.Effect<void, ConnectionNotFound | InvalidClose>
    /** Stops all that are open now, and tells how many this call stopped. */
    readonly stopAll: (options?: StopOptions) => Effect.Effect<number, InvalidClose>
    /** What happens from now on. A subscriber who lags by more than 1,000 events loses the oldest. */
    readonly events: Stream.Stream<ConnectionEvent>
  }
>() {}

/** Which of the connections are wanted. */
export interface PageOptions {
  /** How many at most. */
  readonly limit: number
  /** The id after which to begin; its connection may have ended. By default, from the first on. */
  readonly after?: string | undefined
}

/** The connections, with what only the server itself does with them. */
export interface Registry {
  readonly connections: Context.Tag.Service<Connections>
  /** Begins the life of a connection, synchronously. Does nothing once `drain` has begun, and gives it no id. */
  readonly accept: (
    transport: Transport,
    about: Pick<Connection, "path" | "subprotocol">
  ) => ConnectionId.ConnectionId | undefined
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

/** Makes the registry of a server, all of whose connections have this handler. */
export const make = <E, R>(options: {
  readonly handler: Handler<E, R>
  readonly closeTimeout: Duration.Duration
  readonly watch: WatchOptions
  readonly observers?: ReadonlyArray<Observer>
}): Effect.Effect<Registry, never, Scope.Scope | Exclude<R, Scope.Scope>> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const elapsed = yield* monotonic
    const tag = ConnectionId.tagOf(yield* Random.next)
    const newId = ConnectionId.source(tag)
    const random = new PCGRandom(yield* Random.nextInt)
    const events = new Events<ConnectionEvent>()
    const { observers = [] } = options
    /** When those that are ending began to, in milliseconds: the time that only goes on, and with its fractions. */
    const stopping = new Map<string, number>()
    const precisely = () => Number(clock.unsafeCurrentTimeNanos()) / 1e6
    // Not waited for: `drain` has, and a handler that can't be interrupted must not outlast its deadline.
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) =>
      Effect.forkDaemon(Scope.close(scope, exit))
    )
    const fibers = yield* Scope.extend(FiberSet.make<void>(), scope)
    const fork = yield* FiberSet.runtime(fibers)<Exclude<R, Scope.Scope>>()
    const deadlines = yield* Deadlines.make(options.closeTimeout)
    const live = new Map<string, Lifecycle>()
    const sweep = yield* Sweep.make(live, options.watch)
    const empty = yield* Deferred.make<void>()
    let isDraining = false

    const onStopping: LifecycleOptions["onStopping"] = (connection, reason) => {
      stopping.set(connection.id, precisely())
      for (const observer of observers) observer.stopping?.(connection, reason)
      events.publish(() => ({ _tag: "stopping", connection: snapshot(connection), reason }))
    }

    const onFarewell: LifecycleOptions["onFarewell"] = (connection, reason) =>
      isInterruption(reason)
        ? logLine("connection interrupted", {
            connection: connection.id,
            remote: connection.remote,
            reason: reason._tag,
            code: codeOf(reason)
          })
        : Effect.void

    const onClosed: LifecycleOptions["onClosed"] = (connection, reason, code) =>
      Effect.suspend(() => {
        const started = live.get(connection.id)?.startedAt ?? elapsed()
        live.delete(connection.id)
        const ended = precisely()
        const ending: Ending = {
          reason,
          code,
          durationMs: elapsed() - started,
          stopMs: ended - (stopping.get(connection.id) ?? ended)
        }
        stopping.delete(connection.id)
        for (const observer of observers) observer.closed(connection, ending)
        events.publish(() => ({ _tag: "closed", connection: snapshot(connection), reason, code }))
        if (isDraining && live.size === 0) Deferred.unsafeDone(empty, Effect.void)
        return logLine("connection closed", {
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
      })

    const accept: Registry["accept"] = (transport, about) => {
      if (isDraining) return undefined
      const lifecycle = new Lifecycle({
        ...about,
        id: newId(now()),
        transport,
        now,
        deadlines,
        watch: options.watch,
        jitter: random.number() * 2 - 1,
        elapsed,
        fork,
        onStopping,
        onFarewell,
        onClosed
      })
      live.set(lifecycle.connection.id, lifecycle)
      sweep.wake()
      for (const observer of observers) observer.opened(lifecycle.connection)
      events.publish(() => ({ _tag: "opened", connection: snapshot(lifecycle.connection) }))
      fork(lifecycle.run(options.handler))
      return lifecycle.connection.id
    }

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
        if (live.size > 0) yield* Deferred.await(empty)
        // What handlers have to release.
        yield* FiberSet.awaitEmpty(fibers).pipe(
          Effect.interruptible,
          Effect.timeoutOption(Math.max(0, deadline - elapsed()))
        )
      })

    return {
      tag,
      accept,
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
