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

/** How many of those that ended are remembered, lest a page that was made before brings them back. */
const REMEMBERED = 20_000

export const timeOf = (time: number | string): number => (typeof time === "number" ? time : Date.parse(time))

/** Puts them together. */
export class Roster {
  readonly #live = new Map<string, Connection>()
  readonly #ended = new Set<string>()
  opened = 0
  closed = 0

  get count(): number {
    return this.#live.size
  }

  get connections(): Iterable<Connection> {
    return this.#live.values()
  }

  get(id: string): Connection | undefined {
    return this.#live.get(id)
  }

  /** Takes an event. */
  happened(name: string, connection: Connection): void {
    if (name === "closed") {
      if (this.#ended.has(connection.id)) return
      this.closed++
      this.#forget(connection.id)
      return
    }
    if (name === "opened") this.opened++
    if (!this.#ended.has(connection.id)) this.#live.set(connection.id, connection)
  }

  /**
   * Takes a page of the list, which began after an id. Ids are in order: who isn't on the page and should be has ended,
   * though no event told; who comes behind the last page may have just come.
   */
  listed(after: string | undefined, { connections, next }: Page): void {
    const last = connections.at(-1)?.id
    const listed = new Set(connections.map(({ id }) => id))
    for (const connection of connections)
      if (!this.#ended.has(connection.id)) this.#live.set(connection.id, connection)
    if (last === undefined && next !== null) return
    for (const id of this.#live.keys()) {
      const isWithin = (after === undefined || id > after) && last !== undefined && id <= last
      if (isWithin && !listed.has(id)) this.#forget(id)
    }
  }

  clear(): void {
    this.#live.clear()
    this.#ended.clear()
  }

  #forget(id: string): void {
    this.#live.delete(id)
    this.#ended.add(id)
    if (this.#ended.size <= REMEMBERED) return
    for (const oldest of this.#ended) {
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
  | "openedAt"
  | "messagesIn"
  | "messagesOut"
  | "bytes"
  | "bufferedBytes"

const valueOf = (connection: Connection, key: SortKey): number | string => {
  switch (key) {
    case "openedAt":
      return timeOf(connection.openedAt)
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
