/**
 * What happens to connections, for those who follow it.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { waitersUntil } from "../connection/Waiters.js"
import type { StopReason } from "../protocol/StopReason.js"
import type { ConnectionInfo } from "./ConnectionInfo.js"

/**
 * Something happened to a connection. `stopping` comes before `closed`, and each comes once.
 *
 * @example
 * ```ts
 * import { type ConnectionEvent, Connections } from "answerback"
 * import { Effect, Stream } from "effect"
 *
 * const say = (event: ConnectionEvent): string => {
 *   const { id, remote } = event.connection
 *   return event._tag === "opened" ? `${remote} opened ${id}` : `${remote} ${event._tag}: ${event.reason._tag}`
 * }
 * export const follow = Effect.flatMap(Connections, ({ events }) =>
 *   Stream.runForEach(events, (event) => Effect.log(say(event)))
 * )
 * ```
 */
export type ConnectionEvent =
  | { readonly _tag: "opened"; readonly connection: ConnectionInfo }
  | { readonly _tag: "stopping"; readonly connection: ConnectionInfo; readonly reason: StopReason }
  | {
      readonly _tag: "closed"
      readonly connection: ConnectionInfo
      readonly reason: StopReason
      /** The close code that was sent or received: 1005 after an empty Close frame, `null` where TCP ended without one. */
      readonly code: number | null
    }

/** An event with its number: the first of a server has 1, and none is left out, so that a gap tells what was lost. */
export interface NumberedEvent<E> {
  readonly number: number
  readonly event: E
}

/** Events that wait for a subscriber who lags, and those kept for one who comes back; then the oldest go. */
export const MOST_EVENTS = 1000

const pushBounded = <E>(events: Array<E>, event: E): void => {
  if (events.length === MOST_EVENTS) events.shift()
  events.push(event)
}

/** Somebody who follows what happens. */
export class Subscriber<E> {
  readonly #waiting: Array<NumberedEvent<E>>
  readonly #waiters = waitersUntil(() => this.#waiting.length > 0)

  constructor(missed: ReadonlyArray<NumberedEvent<E>>) {
    this.#waiting = [...missed]
  }

  push(event: NumberedEvent<E>): void {
    pushBounded(this.#waiting, event)
    this.#waiters.wake()
  }

  /** Waits until there is an event to take. */
  get ready(): Effect.Effect<void> {
    return this.#waiters.until
  }

  /** Takes the oldest events that wait, so many at most. Synchronous: what was taken is not lost in an interruption. */
  take(most: number): ReadonlyArray<NumberedEvent<E>> {
    return this.#waiting.splice(0, most)
  }
}

/**
 * Publishes events, synchronously, so that they have the order of what they tell. (A `PubSub` that slides does so only
 * when its `publish` is run as an effect.)
 */
export class Events<E> {
  readonly #subscribers = new Set<Subscriber<E>>()
  /** Who passes them on to other servers. */
  #relay: ((event: NumberedEvent<E>) => void) | undefined = undefined
  /** The latest, once somebody has subscribed who may come back. */
  #recent: Array<NumberedEvent<E>> | undefined = undefined
  #last = 0

  /** The number of the latest event. */
  get last(): number {
    return this.#last
  }

  /** What happens from now on. A subscriber who lags by more than 1,000 events loses the oldest, and holds up nobody. */
  readonly stream: Stream.Stream<E> = Stream.unwrapScoped(
    Effect.map(this.#subscribe(), (subscriber) =>
      Stream.repeatEffectChunk(
        Effect.map(subscriber.ready, () =>
          Chunk.unsafeFromArray(subscriber.take(MOST_EVENTS).map(({ event }) => event))
        )
      )
    )
  )

  /** Keeps the latest from now on, and tells which they are. */
  remember(): ReadonlyArray<NumberedEvent<E>> {
    this.#recent ??= []
    return this.#recent
  }

  /** Subscribes to what has happened since the event with that number, as far as it is remembered, and from now on. */
  subscribeSince(number: number): Effect.Effect<Subscriber<E>, never, Scope.Scope> {
    return this.#subscribe(() => this.remember().filter((event) => event.number > number))
  }

  #subscribe(
    missed: () => ReadonlyArray<NumberedEvent<E>> = () => []
  ): Effect.Effect<Subscriber<E>, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        const subscriber = new Subscriber(missed())
        this.#subscribers.add(subscriber)
        return subscriber
      }),
      (subscriber) => Effect.sync(() => this.#subscribers.delete(subscriber))
    )
  }

  /** Hands each event from now on to one who passes it on, at once. */
  relay(to: (event: NumberedEvent<E>) => void): void {
    this.#relay = to
  }

  /** Publishes an event, which is made only if somebody follows. */
  publish(make: () => E): void {
    const number = ++this.#last
    if (this.#subscribers.size === 0 && this.#recent === undefined && this.#relay === undefined) return
    this.#hand({ number, event: make() })
  }

  /** Passes on an event that has its number already; a gap in the numbers tells what was lost. */
  receive(event: NumberedEvent<E>): void {
    this.#last = event.number
    this.#hand(event)
  }

  /** So many events are lost that would have come next. */
  lose(count: number): void {
    this.#last += count
  }

  #hand(event: NumberedEvent<E>): void {
    if (this.#recent !== undefined) pushBounded(this.#recent, event)
    this.#relay?.(event)
    for (const subscriber of this.#subscribers) subscriber.push(event)
  }
}
