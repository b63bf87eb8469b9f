/**
 * Who is connected, put together from pages of the list and from events.
 */

/** A connection, as the server's API tells of it. Times are in milliseconds since 1970, or as ISO 8601. */
export interface Connection {
  readonly id: string
  readonly remote: string
  readonly path: string
  readonly subprotocol: string | null
  readonly openedAt: number | string
  readonly lastMessageAt: number | string | null
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly bufferedBytes: number
  readonly state: string
}

export interface Page {
  readonly total: number
  readonly connections: ReadonlyArray<Connection>
  readonly next: string | null
}

/** A connection in the table, which may have ended while its row was held. */
export interface Row extends Connection {
  /** When that was noticed, in milliseconds since 1970. */
  readonly endedAt?: number
}

/** How many of those that ended are remembered, lest a page that was made before brings them back. */
const REMEMBERED = 20_000

export const timeOf = (time: number | string): number => (typeof time === "number" ? time : Date.parse(time))

/** Puts them together. */
export class Roster {
  readonly #live = new Map<string, Connection>()
  /** With how they were in the end, if an event told. */
  readonly #ended = new Map<string, Connection | undefined>()
  /** With which event those came that were not learned from a list. */
  readonly #since = new Map<string, number>()
  #events = 0
  opened = 0
  closed = 0
  /** Whether some events never came: then more were opened and closed. */
  isBehind = false

  get count(): number {
    return this.#live.size
  }

  get connections(): Iterable<Connection> {
    return this.#live.values()
  }

  get(id: string): Connection | undefined {
    return this.#live.get(id)
  }

  /** How many events have come: what a page of the list is to be taken with that is asked for now. */
  get events(): number {
    return this.#events
  }

  /** Takes an event. */
  happened(name: string, connection: Connection): void {
    this.#events++
    if (name === "closed") {
      if (this.#ended.has(connection.id)) return
      this.closed++
      this.#forget(connection.id, connection)
      return
    }
    if (name === "opened") this.opened++
    if (this.#ended.has(connection.id)) return
    if (!this.#live.has(connection.id)) this.#since.set(connection.id, this.#events)
    this.#live.set(connection.id, connection)
  }

  /**
   * Takes a page of the list, which began after an id, and was asked for when so many events had come. Ids are in order:
   * who was there by then, should be on the page and isn't has ended, though no event told.
   */
  listed(after: string | undefined, { connections, next }: Page, asked: number): void {
    const last = connections.at(-1)?.id
    const listed = new Set(connections.map(({ id }) => id))
    for (const connection of connections)
      if (!this.#ended.has(connection.id)) this.#live.set(connection.id, connection)
    for (const id of this.#live.keys()) {
      const isWithin =
        (after === undefined || id > after) && (next === null || (last !== undefined && id <= last))
      if (isWithin && !listed.has(id) && (this.#since.get(id) ?? 0) <= asked) this.#forget(id)
    }
  }

  /** Rows that stay where they are, as they are at a time: those that have ended stand still. */
  held(rows: ReadonlyArray<Row>, now: number): Array<Row> {
    return rows.map(
      (row) =>
        this.#live.get(row.id) ??
        (row.endedAt === undefined
          ? { ...(this.#ended.get(row.id) ?? row), state: "closed", endedAt: now }
          : row)
    )
  }

  clear(): void {
    this.#live.clear()
    this.#ended.clear()
    this.#since.clear()
  }

  #forget(id: string, last?: Connection): void {
    this.#live.delete(id)
    this.#since.delete(id)
    this.#ended.set(id, last)
    if (this.#ended.size <= REMEMBERED) return
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest)
      break
    }
  }
}

/** What the table can be sorted by. */
export type SortKey =
  | "id"
  | "remote"
  | "state"
  | "age"
  | "messagesIn"
  | "messagesOut"
  | "bytes"
  | "bufferedBytes"

const valueOf = (connection: Connection, key: SortKey): number | string => {
  switch (key) {
    case "age":
      // Who came last is the youngest.
      return -timeOf(connection.openedAt)
    case "bytes":
      return connection.bytesIn + connection.bytesOut
    default:
      return connection[key]
  }
}

/** The connections in an order; those that are alike, in the order of their ids. */
export const sorted = (
  connections: Iterable<Connection>,
  key: SortKey,
  isDescending: boolean
): Array<Connection> => {
  const sign = isDescending ? -1 : 1
  const order = (one: number | string, other: number | string): number =>
    one < other ? -1 : one > other ? 1 : 0
  return [...connections].sort(
    (one, other) => sign * (order(valueOf(one, key), valueOf(other, key)) || order(one.id, other.id))
  )
}
