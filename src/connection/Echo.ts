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
  Effect.flatMap(Stream.toPull(connection.messages), (pull) =>
    pull.pipe(
      Effect.flatMap((messages) => Effect.mapError(connection.sendChunk(messages), Option.some)),
      Effect.forever,
      Effect.catchAll((end) => (Option.isSome(end) ? Effect.fail(end.value) : Effect.void))
    )
  )
