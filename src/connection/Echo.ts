/**
 * The echo: a handler like any other.
 */
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Connection } from "./Connection.js"
import type { ConnectionClosed } from "./ConnectionClosed.js"

/**
 * Sends every message back: same type, same bytes, in order, once.
 *
 * A loop over the pull of the stream, in the connection's own fiber and scope: running the stream would fork a second
 * fiber, which doubles the memory of an idle connection.
 *
 * @example
 * ```ts
 * import { type Connection, echo } from "answerback"
 * import { Effect } from "effect"
 *
 * // A part of a handler like any other: here it also says who has come.
 * export const greeting = (connection: Connection) =>
 *   Effect.zipRight(connection.send(`welcome, ${connection.remote}`), echo(connection))
 * ```
 */
export const echo = (connection: Connection): Effect.Effect<void, ConnectionClosed, Scope.Scope> =>
  // The pull of its channel, since that of the stream itself turns each chunk over once more, for errors that there
  // are none of.
  Effect.flatMap(Channel.toPull(Stream.toChannel(connection.messages)), (pull) => {
    // Not `Effect.forever`, which yields each time: the wait for messages does.
    const loop: Effect.Effect<void, ConnectionClosed> = Effect.flatMap(pull, (next) =>
      Either.isLeft(next) ? Effect.void : Effect.flatMap(connection.sendChunk(next.right), () => loop)
    )
    return loop
  })
