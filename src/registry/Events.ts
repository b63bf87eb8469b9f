/**
 * What happens to connections, for those who follow it.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Waiters } from "../connection/Waiters.js"
import type { StopReason } from "../protocol/StopReason.js"
import type { ConnectionInfo } from "./ConnectionInfo.js"

/** Something happened to a connection. `stopping` comes before `closed`, and each comes once. */
export type ConnectionEvent =
  | { readonly _tag: "opened"; readonly connection: ConnectionInfo }
  | { readonly _tag: "stopping"; readonly connection: ConnectionInfo; readonly reason: StopReason }
  | { readonly _tag: "closed"; readonly connection: ConnectionInfo; readonly reason: StopReason }

/** Events that wait for a subscriber who lags; then the oldest go. */
const EVENTS_WAITING = 1000

class Subscriber {
  readonly #waiters = new Waiters(() => this.#waiting.length > 0)
  #waiting: Array<ConnectionEvent> = []

  push(event: ConnectionEvent): void {
    if (this.#waiting.length === EVENTS_WAITING) this.#waiting.shift()
    this.#waiting.push(event)
    this.#waiters.wake()
  }

  readonly take: Effect.Effect<Chunk.Chunk<ConnectionEvent>> = Effect.suspend(() => {
    if (this.#waiting.length === 0) return Effect.zipRight(this.#waiters.wait, this.take)
    const events = Chunk.unsafeFromArray(this.#waiting)
    this.#waiting = []
    return Effect.succeed(events)
  })
}

/**
 * Publishes events, synchronously, so that they have the order of what they tell. (A `PubSub` that slides does so only
 * when its `publish` is run as an effect.)
 */
export class Events {
  readonly #subscribers = new Set<Subscriber>()

  /** What happens from now on. A subscriber who lags by more than 1,000 events loses the oldest, and holds up nobody. */
  readonly stream: Stream.Stream<ConnectionEvent> = Stream.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const subscriber = new Subscriber()
          this.#subscribers.add(subscriber)
          return subscriber
        }),
        (subscriber) => Effect.sync(() => this.#subscribers.delete(subscriber))
      ),
      (subscriber) => Stream.repeatEffectChunk(subscriber.take)
    )
  )

  /** Publishes an event, which is made only if somebody follows. */
  publish(event: () => ConnectionEvent): void {
    if (this.#subscribers.size === 0) return
    const made = event()
    for (const subscriber of this.#subscribers) subscriber.push(made)
  }
}
