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
import { type Batch, batchOf, type Followed, type Known } from "./Envelope.js"
import type { Event } from "./Message.js"

/** How many events go in one message, and how long, in milliseconds, they are gathered. */
const MOST_IN_BATCH = 200
const GATHERING = 20

/** How many servers are remembered that may come back. */
const MOST_SERVERS = 1000

/** The number of the last event of a server that was handed on; or it told nothing, and whatever comes is the first. */
type Cursor = number | "any"

/** The events of all. */
export class SharedEvents {
  /** Those for who follows here. */
  readonly events = new Events<Event>()
  readonly #id: string
  readonly #own: Own["events"]
  /** The latest own ones, if anybody elsewhere ever wanted them. */
  readonly #kept: Array<NumberedEvent<Event>> = []
  /** The number of the last own event that was not kept, and when that was. */
  #keptSince: { readonly number: number; readonly time: number } | undefined = undefined
  /** The number of the last one that was published. */
  #published = 0
  /** What was handed on here, by the server. */
  readonly #cursors = new Map<string, Cursor>()
  /** Servers that have been asked, and haven't answered; and those that have: what they publish now comes next. */
  readonly #asked = new Set<string>()
  readonly #current = new Set<string>()
  #isFollowing = false
  #followedSince = 0
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

  /** Hands on what happens from now on here, and what the others tell. */
  follow(): void {
    if (this.#isFollowing) return
    this.#isFollowing = true
    this.#followedSince = performance.now()
    // Whoever knew another server here, and comes back, is told how much was missed.
    this.events.lose(this.#own.last)
    this.#cursors.set(this.#id, this.#own.last)
    this.#relay()
  }

  /** Keeps own events from now on, for those elsewhere. */
  keep(): void {
    if (this.#keptSince !== undefined) return
    this.#keptSince = { number: this.#own.last, time: performance.now() }
    this.#published = this.#own.last
    this.#relay()
  }

  /** Tells one elsewhere, who asks so, what it doesn't know yet, as far as it is kept; and the number of the latest. */
  answer({ after, following }: Followed, tell: (batch: Batch) => void): Known {
    this.keep()
    const { last } = this.#own
    const kept = this.#keptSince
    const isSince = kept !== undefined && performance.now() - kept.time <= following
    const since = after ?? (isSince ? kept.number : last)
    const events = this.#kept.filter(({ number }) => number > since)
    for (let at = 0; at < events.length; at += MOST_IN_BATCH)
      tell(batchOf(this.#id, since, events.slice(at, at + MOST_IN_BATCH)))
    return { last, since }
  }

  /** Whether a server has to be asked what it has to tell. */
  isUnknown(server: string): boolean {
    return !this.#current.has(server) && !this.#asked.has(server)
  }

  /** Nothing was heard for a while: all have to be asked. */
  interrupted(): void {
    this.#current.clear()
  }

  /** Begins to ask a server; what it publishes for all until it has answered, it will have told before. */
  asking(server: string): Followed {
    this.#asked.add(server)
    this.#current.delete(server)
    const cursor = this.#cursors.get(server)
    return {
      after: typeof cursor === "number" ? cursor : undefined,
      following: Math.round(performance.now() - this.#followedSince)
    }
  }

  /** A server, asked what isn't known yet, tells some of it. */
  told({ events, from, since }: Batch): void {
    if (!this.#isFollowing) return
    for (const event of events) this.#hand(from, this.#lastOf(from) ?? since, event)
  }

  /** It has told all. */
  settle(server: string, { last, since }: Known): void {
    this.#asked.delete(server)
    this.#current.add(server)
    const cursor = this.#lastOf(server) ?? since
    if (last > cursor) this.events.lose(last - cursor)
    this.#remember(server, Math.max(last, cursor))
  }

  /** It has told nothing. */
  settleWithout(server: string): void {
    this.#asked.delete(server)
    this.#current.add(server)
    if (!this.#cursors.has(server)) this.#remember(server, "any")
  }

  /** Takes what a server publishes for all, in the order in which it did. */
  take({ events, from }: Batch): void {
    if (!this.#isFollowing || !this.#current.has(from)) return
    for (const event of events) this.#hand(from, this.#lastOf(from) ?? event.number - 1, event)
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
    return batchOf(this.#id, this.#keptSince?.number ?? 0, events)
  }

  #lastOf(server: string): number | undefined {
    const cursor = this.#cursors.get(server)
    return typeof cursor === "number" ? cursor : undefined
  }

  #relay(): void {
    if (this.#isRelayed) return
    this.#isRelayed = true
    this.#own.relay((event) => {
      if (this.#isFollowing) this.#hand(this.#id, this.#lastOf(this.#id) ?? 0, event)
      if (this.#keptSince === undefined) return
      if (this.#kept.length === MOST_EVENTS) this.#kept.shift()
      this.#kept.push(event)
      this.#arrival.wake()
    })
  }

  #hand(server: string, last: number, { event, number }: NumberedEvent<Event>): void {
    if (number <= last) return
    if (number > last + 1) this.events.lose(number - last - 1)
    this.#remember(server, number)
    this.events.publish(() => event)
  }

  #remember(server: string, cursor: Cursor): void {
    this.#cursors.delete(server)
    this.#cursors.set(server, cursor)
    if (this.#cursors.size <= MOST_SERVERS) return
    const oldest = [...this.#cursors.keys()].find((id) => id !== this.#id)
    if (oldest === undefined) return
    this.#cursors.delete(oldest)
    this.#current.delete(oldest)
  }
}
