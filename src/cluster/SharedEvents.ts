/**
 * What happens to the connections of all servers: the own events, and those that the others publish.
 *
 * Each server numbers its events, and keeps the latest from when somebody wants them: so nobody who was away for a
 * while misses any, and who missed too many knows how many they were.
 */
import * as Effect from "effect/Effect"
import { waitersUntil } from "../connection/Waiters.js"
import { Events, MOST_EVENTS, type NumberedEvent } from "../registry/Events.js"
import type { Own } from "./Cluster.js"
import { type Batch, batchOf } from "./Envelope.js"
import type { Event } from "./Message.js"

/** How many events go in one message, and how long, in milliseconds, they are gathered. */
const MOST_IN_BATCH = 200
const GATHERING = 20

/** How many servers are remembered that may come back. */
const MOST_SERVERS = 1000

/**
 * The number of the last event of a server that was handed on. Or it has been asked what that is, and what comes until
 * it answers is from before; or it gave no answer, and whatever comes is the first.
 */
type Cursor = number | "asked" | "any"

/** The events of all. */
export class SharedEvents {
  /** Those for who follows here. */
  readonly events = new Events<Event>()
  readonly #id: string
  readonly #own: Own["events"]
  /** The latest own ones, if anybody elsewhere ever wanted them. */
  readonly #kept: Array<NumberedEvent<Event>> = []
  /** The number of the last own event that was not kept. */
  #since: number | undefined = undefined
  /** The number of the last one that was published. */
  #published = 0
  /** What was handed on here, by the server. */
  readonly #cursors = new Map<string, Cursor>()
  #isFollowing = false
  #isRelayed = false
  #areWanted: () => boolean = () => false
  readonly #arrival = waitersUntil(() => this.#areWanted() && this.#latest > this.#published)

  constructor(id: string, own: Own["events"]) {
    this.#id = id
    this.#own = own
  }

  get isFollowing(): boolean {
    return this.#isFollowing
  }

  /** Hands on what happens from now on, here and at these servers. */
  follow(servers: ReadonlyArray<string>): void {
    if (this.#isFollowing) return
    this.#isFollowing = true
    // Whoever knew another server here, and comes back, is told how much was missed.
    this.events.lose(this.#own.last)
    this.#cursors.set(this.#id, this.#own.last)
    for (const server of servers) this.#remember(server, "asked")
    this.#relay()
  }

  /** Keeps own events from now on, for those elsewhere. */
  keep(): { readonly last: number; readonly since: number } {
    if (this.#since === undefined) {
      this.#since = this.#published = this.#own.last
      this.#relay()
    }
    return { last: this.#own.last, since: this.#since }
  }

  /** Kept events after that number. */
  keptAfter(number: number): ReadonlyArray<Batch> {
    const events = this.#kept.filter((event) => event.number > number)
    return Array.from({ length: Math.ceil(events.length / MOST_IN_BATCH) }, (_, at) =>
      this.#batch(events.slice(at * MOST_IN_BATCH, (at + 1) * MOST_IN_BATCH))
    )
  }

  /** The number of the latest event of a server that was handed on; 0 where all are wanted, nothing where none before now is. */
  lastOf(server: string): number | undefined {
    const cursor = this.#cursors.get(server) ?? 0
    return typeof cursor === "number" ? cursor : undefined
  }

  /** Takes events of another server, in the order in which they were published. */
  take({ events, from, since }: Batch): void {
    if (!this.#isFollowing) return
    for (const { event, number } of events) this.#hand(from, since, { number, event })
  }

  /** A server has told all that it will of its events up to the last. */
  settle(server: string, { last, since }: { readonly last: number; readonly since: number }): void {
    const known = this.#cursors.get(server) ?? since
    const cursor = typeof known === "number" ? known : last
    if (last > cursor) this.events.lose(last - cursor)
    this.#remember(server, Math.max(last, cursor))
  }

  /** A server has told nothing. */
  settleWithout(server: string): void {
    if (this.#cursors.get(server) === "asked") this.#remember(server, "any")
  }

  /** Publishes own events as they come, while somebody elsewhere wants them. */
  publishing(areWanted: () => boolean, publish: (batch: Batch) => Promise<boolean>): Effect.Effect<never> {
    this.#areWanted = areWanted
    return Effect.forever(
      Effect.zipRight(this.#arrival.until, Effect.zipRight(Effect.sleep(GATHERING), this.publishAll(publish)))
    )
  }

  /** Publishes what waits to be, until something can't be. */
  publishAll(publish: (batch: Batch) => Promise<boolean>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const events = this.#unpublished.slice(0, MOST_IN_BATCH)
      const last = events.at(-1)?.number
      if (last === undefined || !this.#areWanted()) return Effect.void
      return Effect.flatMap(
        Effect.promise(() => publish(this.#batch(events))),
        (isDone) => {
          if (!isDone) return Effect.void
          this.#published = Math.max(this.#published, last)
          return this.publishAll(publish)
        }
      )
    })
  }

  /** Whether they are wanted may have changed. */
  look(): void {
    this.#arrival.wake()
  }

  /** The number of the latest that is kept. */
  get #latest(): number {
    return this.#kept.at(-1)?.number ?? 0
  }

  get #unpublished(): ReadonlyArray<NumberedEvent<Event>> {
    if (this.#latest <= this.#published) return []
    return this.#kept.filter(({ number }) => number > this.#published)
  }

  #batch(events: ReadonlyArray<NumberedEvent<Event>>): Batch {
    return batchOf(this.#id, this.#since ?? 0, events)
  }

  #relay(): void {
    if (this.#isRelayed) return
    this.#isRelayed = true
    this.#own.relay((event) => {
      if (this.#isFollowing) this.#hand(this.#id, 0, event)
      if (this.#since === undefined) return
      if (this.#kept.length === MOST_EVENTS) this.#kept.shift()
      this.#kept.push(event)
      this.#arrival.wake()
    })
  }

  #hand(server: string, since: number, { event, number }: NumberedEvent<Event>): void {
    const known = this.#cursors.get(server) ?? since
    const cursor = known === "any" ? number - 1 : known
    if (cursor === "asked" || number <= cursor) return
    if (number > cursor + 1) this.events.lose(number - cursor - 1)
    this.#remember(server, number)
    this.events.publish(() => event)
  }

  #remember(server: string, cursor: Cursor): void {
    this.#cursors.delete(server)
    this.#cursors.set(server, cursor)
    if (this.#cursors.size <= MOST_SERVERS) return
    const oldest = [...this.#cursors.keys()].find((id) => id !== this.#id)
    if (oldest !== undefined) this.#cursors.delete(oldest)
  }
}
