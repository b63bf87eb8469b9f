/**
 * It is too late to send.
 */
import * as Data from "effect/Data"
import type { ConnectionId } from "../protocol/ConnectionId.js"

/**
 * Something was to be sent on a connection that has said its last word, or whose peer is gone.
 *
 * @example
 * ```ts
 * import type { Connection } from "answerback"
 * import { Effect } from "effect"
 *
 * export const notify = (connection: Connection, text: string) =>
 *   connection.send(text).pipe(
 *     Effect.catchTag("ConnectionClosed", () => Effect.logInfo("nobody was there any more"))
 *   )
 * ```
 */
export class ConnectionClosed extends Data.TaggedError("ConnectionClosed")<{
  readonly connection: ConnectionId
}> {
  override get message(): string {
    return `connection ${this.connection} is closed: nothing can be sent on it any more`
  }
}
