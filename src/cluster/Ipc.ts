/**
 * What the processes of one server tell one another: those that hold its connections (workers), and the one that has
 * started them (the primary). Both are this program, so nothing of it is checked on arrival.
 */
import type { Bound } from "../http/HttpServer.js"
import type { Refusal } from "../protocol/Handshake.js"
import type { NumberedEvent } from "../registry/Events.js"
import type { Format } from "../telemetry/Logging.js"
import type { Family } from "../telemetry/Prometheus.js"
import type { Health } from "./Cluster.js"
import type { Event, Request } from "./Message.js"

/** Tells a process that it is a worker, and what it has to know of its primary: `Birth` as JSON. */
export const VARIABLE = "ANSWERBACK_WORKER"

/** What a worker is born with. */
export interface Birth {
  /** The epoch of the events. */
  readonly epoch: string
  /** Where the primary listens. */
  readonly bound: Bound
  /** How a line of log is written, which goes to where the primary writes its own. */
  readonly logFormat: Format
  readonly isColoured: boolean
}

/** What a worker asks of the primary, and the primary of a worker: beside connections, their metrics. */
export type Question = Request | { readonly _tag: "Families" }

/** Where a server is to be found, as the log tells it. */
export type Urls = Readonly<Record<string, string>>

/** What a worker tells. */
export type FromWorker =
  /** It is about to listen; its ids end in these. */
  | { readonly _tag: "Hello"; readonly tags: ReadonlyArray<string> }
  /** It can be given connections, which are found here. */
  | { readonly _tag: "Listening"; readonly urls: Urls }
  /** It is no more to be given any. */
  | { readonly _tag: "Closed" }
  /** It has taken that connection: whatever becomes of it is in its hands. */
  | { readonly _tag: "Taken"; readonly number: number }
  /** It takes no connection any more, or got that one too late. */
  | { readonly _tag: "Declined"; readonly number: number }
  /** It ends, and this is what it has counted. */
  | { readonly _tag: "Counted"; readonly families: ReadonlyArray<Family> }
  /** It can't, for a reason that a person is to read. */
  | { readonly _tag: "Failed"; readonly message: string }
  /** So many who had places have gone, by their hosts, and then others ask for places, each with a number. */
  | {
      readonly _tag: "Places"
      readonly left: ReadonlyArray<string>
      readonly asked: ReadonlyArray<readonly [number: number, host: string]>
    }
  /** Somebody wants to know what happens to the connections of all. */
  | { readonly _tag: "Follow" }
  | { readonly _tag: "Happened"; readonly events: ReadonlyArray<Event> }

/** What the primary tells. */
export type FromPrimary =
  /** There is a connection, which comes with this. It is another's if it isn't taken by then (`Date.now`). */
  | { readonly _tag: "Connection"; readonly number: number; readonly until: number }
  /** Who asked for a place has one, or is told why not. */
  | { readonly _tag: "Entered"; readonly all: ReadonlyArray<readonly [number: number, full: Refusal | null]> }
  /** From now on it wants to know what happens. */
  | { readonly _tag: "Report" }
  /** What has happened to the connections of all, as far as it is remembered. The rest follows as it happens. */
  | {
      readonly _tag: "Following"
      readonly last: number
      readonly recent: ReadonlyArray<NumberedEvent<Event>>
    }
  | { readonly _tag: "Events"; readonly events: ReadonlyArray<NumberedEvent<Event>> }
  | { readonly _tag: "Health"; readonly health: Health }
  /** The server shuts down. */
  | { readonly _tag: "Drain" }

/** What came from the other side is what this program has sent there. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters
export const trust = <A>(it: unknown): A => it as A
