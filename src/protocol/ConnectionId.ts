/**
 * The name of a connection.
 */
import * as Brand from "effect/Brand"
import * as Data from "effect/Data"

/**
 * Names one connection among all servers of a fleet. Ids sort, as strings, in the order in which one server opened
 * its connections, so that a list can be paged by id while connections come and go.
 */
export type ConnectionId = string & Brand.Brand<"ConnectionId">

/** Reads a string as an id. Any string is one: whether a connection has it is another question. */
export const ConnectionId = Brand.nominal<ConnectionId>()

const base36 = (value: number, width: number): string => value.toString(36).padStart(width, "0")

/**
 * Makes a source of ids: nine digits of the time in milliseconds, five of a count, six that tell servers apart.
 *
 * @param random a number from 0 to 1 that tells this server from others.
 */
export const source = (random: number): ((now: number) => ConnectionId) => {
  const server = base36(Math.floor(random * 36 ** 6), 6)
  let time = 0
  let count = 0
  return (now) => {
    // A clock that is set back must not break the order.
    if (now > time) {
      time = now
      count = 0
    }
    return ConnectionId(`${base36(time, 9)}${base36(count++, 5)}${server}`)
  }
}

/** No open connection has this id: it has ended, or there never was one. */
export class ConnectionNotFound extends Data.TaggedError("ConnectionNotFound")<{ readonly id: string }> {
  override get message(): string {
    return `there is no open connection ${this.id}`
  }
}
