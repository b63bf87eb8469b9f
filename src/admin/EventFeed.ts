/**
 * Events for those who follow them by HTTP: server-sent events (WHATWG HTML, section 9.2), each with an id from which
 * a follower who has been away goes on.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Joined } from "../cluster/Cluster.js"
import type { Event } from "../cluster/Message.js"
import type { NumberedEvent } from "../registry/Events.js"
import { toJson } from "./Json.js"

/** What a feed is made of. */
export interface FeedOptions extends Pick<Joined, "events" | "follow" | "epoch"> {
  /** How many milliseconds nothing may come: then a comment does, so that nobody takes the feed for dead. */
  readonly quiet: number
  /** Ends all feeds when it is done. */
  readonly closing: Deferred.Deferred<void>
}

/** The longest time in milliseconds for which nothing comes. */
export const MOST_QUIET = 15_000

/** How long a follower is to wait before it comes back, in milliseconds. */
const RETRY = 1000

/** Events that are handed to the socket at once: the others still wait where they can be counted. */
const BATCH = 16

const payloadOf = (event: Event): Readonly<Record<string, unknown>> => {
  const connection = toJson(event.connection)
  switch (event._tag) {
    case "opened":
      return connection
    case "stopping":
      return { ...connection, reason: event.reason._tag }
    case "closed":
      return { ...connection, reason: event.reason._tag, code: event.code }
  }
}

/** Makes what follows the events, from the one with the given id on, or from now on. */
export const make = ({ closing, epoch, events, follow, quiet }: FeedOptions) => {
  const write = (number: number, name: string, data: unknown): string =>
    `id: ${epoch}-${number}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`

  /** The number of the last event that a follower knows of: 0 for one who knew another server, and missed all of this. */
  const lastKnown = (id: string | undefined): number => {
    if (id === undefined || id === "") return events.last
    const [, of, number = ""] = /^(\w+)-(\d{1,15})$/.exec(id) ?? []
    return of === epoch && Number(number) <= events.last ? Number(number) : 0
  }

  return (lastEventId: string | undefined): Stream.Stream<string> =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        yield* follow
        let known = lastKnown(lastEventId)
        const subscriber = yield* events.subscribeSince(known)
        /** Tells what is lost up to an event, with the id of that: whoever goes on from there has been told. */
        const writeLost = (upTo: number): string => {
          const lost = upTo - known
          known = upTo
          return lost > 0 ? write(upTo, "lagged", { lost }) : ""
        }
        const writeNext = ({ event, number }: NumberedEvent<Event>): string => {
          const lagged = writeLost(number - 1)
          known = number
          return lagged + write(number, event._tag, payloadOf(event))
        }
        // At once, and not with the next event, which may be long in coming.
        const missed = subscriber.take(BATCH).map(writeNext).join("") || writeLost(events.last)
        const next = Effect.raceFirst(
          Effect.zipRight(Deferred.await(closing), Effect.succeed("end" as const)),
          Effect.timeoutTo(subscriber.ready, {
            duration: quiet,
            onSuccess: () => "events" as const,
            onTimeout: () => "quiet" as const
          })
        ).pipe(
          Effect.flatMap((what) => {
            if (what === "end") return Effect.fail(Option.none())
            return Effect.succeed(
              what === "quiet" ? ": nothing new\n\n" : subscriber.take(BATCH).map(writeNext).join("")
            )
          })
        )
        return Stream.concat(Stream.make(`retry: ${RETRY}\n\n${missed}`), Stream.repeatEffectOption(next))
      })
    )
}
