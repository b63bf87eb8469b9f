/**
 * The other servers that are seen as one with this one: none, the workers of one machine, or all that share a Redis.
 * The lifecycle of connections and the routes of HTTP don't know which.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { Server } from "node:http"
import type { Admission } from "../http/Admission.js"
import type { Bound } from "../http/HttpServer.js"
import type { Events } from "../registry/Events.js"
import type { Family } from "../telemetry/Prometheus.js"
import type { Fleet } from "./Fleet.js"
import type { Event } from "./Message.js"

/** What a server brings along. */
export interface Own {
  readonly fleet: Fleet
  /** What the ids of its connections end in: another with each of its processes. */
  readonly tags: () => ReadonlyArray<string>
  readonly events: Followed & Pick<Events<Event>, "relay">
  /** The metrics of its process. */
  readonly families: () => ReadonlyArray<Family>
}

/** Whether others are seen who should be: `degraded` if they are not. */
export type Health = "ok" | "degraded"

/** Events that can be followed. */
export type Followed = Pick<Events<Event>, "last" | "subscribeSince">

/** Brings TCP connections that another process has accepted. */
export interface Intake {
  /** From now on a server gets them, as long as it isn't closed. */
  readonly listen: (server: Server) => Effect.Effect<Bound>
  /** Tells that it serves, and where it is to be found: it isn't for the server to log that. */
  readonly listening: (urls: Readonly<Record<string, string>>) => Effect.Effect<void>
}

/** A server among others, and what it shares with them. */
export interface Joined {
  /** The connections of all. */
  readonly fleet: Fleet
  /** What happens to them. Only after `follow` is all of it there. */
  readonly events: Followed
  readonly follow: Effect.Effect<void>
  /** Tells numbers of these events from those of others: of this server before it was started anew. */
  readonly epoch: string
  readonly health: () => Health
  /** Who may come in, if there are limits for all together. */
  readonly admission: Admission | undefined
  /** The metrics of all, if they are counted together. */
  readonly scrape: Effect.Effect<ReadonlyArray<Family>> | undefined
  /** Where TCP connections come from, if not from a socket of its own that listens. */
  readonly intake: Intake | undefined
}

/** The other servers. */
export class Cluster extends Context.Tag("answerback/Cluster")<
  Cluster,
  {
    /** Joins them, until the scope closes. */
    readonly join: (own: Own) => Effect.Effect<Joined, never, Scope.Scope>
  }
>() {}

/** How long leaving the others may hold up the end of a server, in milliseconds, at most. */
export const GOODBYE = 250

/** A name for the time from now to the end of this process. */
export const newEpoch: Effect.Effect<string> = Effect.map(Random.nextIntBetween(0, 36 ** 6), (number) =>
  number.toString(36)
)

/** A server with no others. */
export const alone: Context.Tag.Service<Cluster> = {
  join: ({ events, fleet }) =>
    Effect.map(newEpoch, (epoch) => ({
      fleet,
      events,
      follow: Effect.void,
      epoch,
      health: () => "ok",
      admission: undefined,
      scrape: undefined,
      intake: undefined
    }))
}
