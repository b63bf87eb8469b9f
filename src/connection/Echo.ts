/**
 * The echo: a handler like any other.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Connection, ConnectionClosed } from "./Connection.js"

/**
 * Sends every message back: same type, same bytes, in order, once.
 *
 * A loop over the pull of the stream, in the connection's own fiber and scope: running the stream would fork a second
 * fiber, which doubles the memory of an idle connection.
 */
export const echo = (connection: Connection): Effect.Effect<void, ConnectionClosed, Scope.Scope> =>
  Effect.flatMap(Stream.toPull(connection.messages), (pull) => {
    // Not `Effect.forever`, which yields each time: the wait for messages does.
    const loop: Effect.Effect<never, Option.Option<never> | ConnectionClosed> = Effect.flatMap(
      pull,
      (messages) => Effect.flatMap(connection.sendChunk(messages), () => loop)
    )
    return Effect.catchAll(loop, (end) => (Option.isOption(end) ? Effect.void : Effect.fail(end)))
  })
