/**
 * The name of a connection.
 */
import * as Brand from "effect/Brand"
import * as Data from "effect/Data"

/**
 * Names one connection among all servers of a fleet. Ids sort, as strings, in the order in which one server opened
 * its connections, so that a list can be paged by id while connections come and go.
 *
 * @example
 * ```ts
 * import type { ConnectionId } from "answerback"
 *
 * // Which user is behind which connection: no other string gets in by mistake.
 * export const users = new Map<ConnectionId, string>()
 * ```
 */
export type ConnectionId = string & Brand.Brand<"ConnectionId">

/**
 * Reads a string as an id. Any string is one: whether a connection has it is another question.
 *
 * @example
 * ```ts
 * import { ConnectionId } from "answerback"
 *
 * // From the outside, such as a URL or a queue, where it was a mere string.
 * export const fromPath = (path: string): ConnectionId => ConnectionId(path.slice("/connections/".length))
 * ```
 */
export const ConnectionId = Brand.nominal<ConnectionId>()

const base36 = (value: number, width: number): string => value.toString(36).padStart(width, "0")

/** How many digits at the end of an id tell servers apart. */
const TAG = 6

/**
 * What tells the ids of one server from those of others.
 *
 * @param random a number from 0 to 1.
 */
export const tagOf = (random: number): string => base36(Math.floor(random * 36 ** TAG), TAG)

/** The tag of the server that gave this id. */
export const serverOf = (id: string): string => id.slice(-TAG)

/** Makes a source of ids: nine digits of the time in milliseconds, five of a count, and the tag of the server. */
export const source = (tag: string): ((now: number) => ConnectionId) => {
  let time = 0
  let digits = base36(time, 9)
  let count = 0
  return (now) => {
    // A clock that is set back must not break the order.
    if (now > time) {
      time = now
      digits = base36(time, 9)
      count = 0
    }
    // In one piece: one of three would be kept in its pieces, which is twice the memory.
    return ConnectionId([digits, base36(count++, 5), tag].join(""))
  }
}

/**
 * No open connection has this id: it has ended, or there never was one.
 *
 * @example
 * ```ts
 * import { Connections } from "answerback"
 * import { Effect } from "effect"
 *
 * // Somebody who is gone already needs no stop.
 * export const stopIfOpen = (id: string) =>
 *   Effect.flatMap(Connections, ({ stop }) => stop(id)).pipe(
 *     Effect.catchTag("ConnectionNotFound", () => Effect.void)
 *   )
 * ```
 */
export class ConnectionNotFound extends Data.TaggedError("ConnectionNotFound")<{ readonly id: string }> {
  override get message(): string {
    return `there is no open connection ${this.id}`
  }
}
