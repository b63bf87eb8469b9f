/**
 * What can be told of a connection from outside.
 */
import type { Connection } from "../connection/Connection.js"
import type { ConnectionId } from "../protocol/ConnectionId.js"

/**
 * A snapshot of a connection. Times are in milliseconds since 1970; bytes are payload bytes.
 *
 * @example
 * ```ts
 * import { type ConnectionInfo, Connections } from "answerback"
 * import { Effect } from "effect"
 *
 * // Who has the most waiting to be taken?
 * const byBacklog = (a: ConnectionInfo, b: ConnectionInfo) => b.bufferedBytes - a.bufferedBytes
 * export const slowest = Effect.gen(function* () {
 *   const { list } = yield* Connections
 *   return [...(yield* list)].sort(byBacklog).slice(0, 10)
 * })
 * ```
 */
export interface ConnectionInfo {
  readonly id: ConnectionId
  /** `address:port` of the peer. */
  readonly remote: string
  readonly path: string
  readonly subprotocol: string | null
  readonly openedAt: number
  readonly lastMessageAt: number | null
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Outbound bytes that wait to be taken by the kernel. */
  readonly bufferedBytes: number
  /** `stalled` is one that has gone silent, as somebody had asked. */
  readonly state: "open" | "stopping" | "stalled"
}

/**
 * Some of the connections that are open.
 *
 * @example
 * ```ts
 * import { type ConnectionInfo, Connections, type Page } from "answerback"
 * import { Chunk, Effect, Option, Stream } from "effect"
 *
 * // All of them, a hundred at a time, while some come and go.
 * export const all: Stream.Stream<ConnectionInfo, never, Connections> = Stream.unwrap(
 *   Effect.map(Connections, ({ page }) =>
 *     Stream.paginateChunkEffect(undefined as Page["next"] | undefined, (after) =>
 *       Effect.map(page({ limit: 100, after: after ?? undefined }), ({ connections, next }) => [
 *         Chunk.fromIterable(connections),
 *         Option.fromNullable(next)
 *       ])
 *     )
 *   )
 * )
 * ```
 */
export interface Page {
  /** How many are open in all. */
  readonly total: number
  readonly connections: ReadonlyArray<ConnectionInfo>
  /** After which to go on; `null` if there are no more. */
  readonly next: ConnectionId | null
}

/** Takes a snapshot. */
export const snapshot = (connection: Connection): ConnectionInfo => ({
  id: connection.id,
  remote: connection.remote,
  path: connection.path,
  subprotocol: connection.subprotocol ?? null,
  openedAt: connection.openedAt,
  lastMessageAt: connection.lastMessageAt ?? null,
  messagesIn: connection.messagesIn,
  messagesOut: connection.messagesOut,
  bytesIn: connection.bytesIn,
  bytesOut: connection.bytesOut,
  bufferedBytes: connection.bufferedBytes,
  state: connection.stopSignal.reason === undefined ? (connection.isStalled ? "stalled" : "open") : "stopping"
})
