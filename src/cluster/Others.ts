/**
 * The other servers that share a Redis: who they are, what is asked of them, and what they ask.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type Ask, type Batch, type Envelope, readEnvelope, type Reply } from "./Envelope.js"
import { NoAnswer } from "./Fleet.js"
import type { Member } from "./Gather.js"
import { type Found, LEASE, type Leased } from "./Lease.js"
import { Link, PATIENCE } from "./Link.js"
import { remote, type Request } from "./Message.js"
import type { RedisClock } from "./RedisClock.js"

/**
 * How long before the asker loses patience, in milliseconds, what was asked isn't begun any more: who was told that no
 * answer came must not find it done much later.
 */
const MARGIN = 500

/** How many servers are known at most who have no lease: a server is heard before its lease is seen. */
const MOST_STRANGERS = 100

interface Other {
  readonly id: string
  readonly name: string
  readonly link: Link
  readonly fleet: Member["fleet"]
  lease: Leased | undefined
  /** Since when, by the clock of Redis, it owes an answer, and nothing was heard of it. */
  silentSince: number | undefined
}

/** What the other servers have to do with. */
export interface OthersOptions {
  readonly id: string
  readonly name: string
  readonly clock: RedisClock
  /** Sends a text to the server with that id; tells if it is known that it doesn't get there. */
  readonly send: (id: string, text: string) => boolean | Promise<boolean>
  readonly run: (effect: Effect.Effect<void>) => void
  readonly answer: (asker: string, ask: Ask) => Effect.Effect<Reply>
  readonly onTold: (batch: Batch) => void
}

/** The other servers. */
export class Others {
  readonly #options: OthersOptions
  readonly #all = new Map<string, Other>()

  constructor(options: OthersOptions) {
    this.#options = options
  }

  /** Those with a lease that lasts. */
  get #living(): ReadonlyArray<Other> {
    const now = this.#options.clock.earliest ?? Number.POSITIVE_INFINITY
    return [...this.#all.values()].filter(({ lease }) => lease !== undefined && lease.until > now)
  }

  get ids(): ReadonlyArray<string> {
    return this.#living.map(({ id }) => id)
  }

  /** Whether any wants to be told what happens here. */
  get areFollowing(): boolean {
    return this.#living.some(({ lease }) => lease?.follows === true)
  }

  get members(): ReadonlyArray<Member> {
    return this.#living.map(({ fleet, lease, name }) => ({ name, tags: lease?.tags ?? [], fleet }))
  }

  /** Takes who was found. */
  found({ others }: Found): void {
    const ids = new Set(others.map(({ id }) => id))
    for (const { id, lease } of this.#all.values()) if (lease !== undefined && !ids.has(id)) this.#forget(id)
    for (const lease of others) {
      if (lease.id === this.#options.id) continue
      const other = this.#meet(lease.id, lease.name)
      other.lease = lease
      if (other.silentSince !== undefined && lease.until - LEASE > other.silentSince)
        other.silentSince = undefined
    }
  }

  /** Redis has failed: nothing can be answered, and nobody is to blame for it. */
  abandon(): void {
    for (const other of this.#all.values()) {
      other.link.abandon()
      other.silentSince = undefined
    }
  }

  close(): void {
    for (const id of this.#all.keys()) this.#forget(id)
  }

  /** Asks one of them. */
  ask(id: string, it: Ask): Effect.Effect<Reply, NoAnswer> {
    return Effect.suspend(() => {
      const other = this.#all.get(id)
      if (other === undefined) return Effect.fail(new NoAnswer({ server: id }))
      const asked = performance.now()
      const answer = Effect.tapError(other.link.ask(it), () =>
        Effect.sync(() => {
          // Of one that has gone it is known at once, each time: nobody waits for it.
          if (performance.now() - asked >= PATIENCE) other.silentSince = this.#options.clock.latest
        })
      )
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it was read when it came
      return Effect.map(answer, (reply) => reply as Reply)
    })
  }

  /** Tells one of them what has happened. */
  tell(id: string, batch: Batch): void {
    this.#all.get(id)?.link.tell(batch)
  }

  /** Takes what came for this server; says what is wrong with it, if anything. */
  receive(text: string): string | undefined {
    const read = readEnvelope(text)
    if (Either.isLeft(read)) return read.left.message
    const { from, name, packet, until } = read.right
    if (from === this.#options.id) return undefined
    if ("ask" in packet) {
      const now = this.#options.clock.latest
      // Whoever asked has been told by now that no answer came.
      if (until === undefined || now === undefined || now > until) return undefined
      this.#meet(from, name)
    }
    const other = this.#all.get(from)
    if (other === undefined) return undefined
    other.silentSince = undefined
    other.link.receive(packet)
    return undefined
  }

  #forget(id: string): void {
    this.#all.get(id)?.link.close()
    this.#all.delete(id)
  }

  #meet(id: string, name: string): Other {
    const known = this.#all.get(id)
    if (known !== undefined) return known
    const { answer, clock, onTold, run, send } = this.#options
    const envelope = (packet: Envelope["packet"]): Envelope => ({
      from: this.#options.id,
      name: this.#options.name,
      ...("ask" in packet ? { until: (clock.earliest ?? 0) + PATIENCE - MARGIN } : {}),
      packet
    })
    const link = new Link({
      name,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it holds what `ask`, `answer` and `tell` were given
      send: (packet) => send(id, JSON.stringify(envelope(packet as Envelope["packet"]))),
      run,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it was read when it came
      onAsk: (it) => answer(id, it as Ask),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- so was this
      onTell: (it) => onTold(it as Batch)
    })
    const other: Other = {
      id,
      name,
      link,
      fleet: this.#fleetOf(id, name),
      lease: undefined,
      silentSince: undefined
    }
    const strangers = [...this.#all.values()].filter(({ lease }) => lease === undefined)
    if (strangers.length >= MOST_STRANGERS) this.#forget(strangers[0]?.id ?? "")
    this.#all.set(id, other)
    return other
  }

  #fleetOf(id: string, name: string): Member["fleet"] {
    const noAnswer = Effect.fail(new NoAnswer({ server: name }))
    const fleet = remote(name, (request: Request) =>
      Effect.flatMap(this.ask(id, request), (reply) =>
        reply._tag === "Following" ? noAnswer : Effect.succeed(reply)
      )
    )
    return {
      ...fleet,
      page: (options) =>
        // Only the first list waits for it.
        Effect.suspend(() => (this.#all.get(id)?.silentSince === undefined ? fleet.page(options) : noAnswer))
    }
  }
}
