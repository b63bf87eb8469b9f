/**
 * The echo: a handler like any other.
 */
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Connection } from "./Connection.js"
import type { ConnectionClosed } from "./ConnectionClosed.js"

let nowhere: Scope.Scope | undefined

/**
 * A scope that keeps nothing. The channel of a connection has nothing to be released, but to keep what would do it, and to
 * run that, was half of what the end of a connection cost, and a tenth of the memory of an idle one.
 */
const scopeOfNothing: Effect.Effect<Scope.Scope> = Effect.suspend(() =>
  nowhere === undefined
    ? Effect.map(
        Scope.make(),
        (scope) => (nowhere = Object.assign(scope, { addFinalizer: () => Effect.void }))
      )
    : Effect.succeed(nowhere)
)

/**
 * The pull of the channel of its messages, since that of the stream itself turns each chunk over once more, for errors that
 * there are none of.
 */
const pullOf = ({ messages }: Connection) =>
  Effect.flatMap(scopeOfNothing, (scope) => Channel.toPullIn(Stream.toChannel(messages), scope))

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
  // Most connections say nothing for long, some nothing at all: those have no stream yet, which would be a fifth of the
  // memory of each, and of the time that its opening takes.
  connection.afterArrival((isAny) => (isAny ? echoAll(connection) : Effect.void))

const echoAll = (connection: Connection): Effect.Effect<void, ConnectionClosed, Scope.Scope> =>
  Effect.flatMap(pullOf(connection), (pull) => {
    // Not `Effect.forever`, which yields each time: the wait for messages does.
    const loop: Effect.Effect<void, ConnectionClosed> = Effect.flatMap(pull, (next) => {
      if (Either.isLeft(next)) return Effect.void
      const sent = connection.sendNow(next.right)
      // Three steps less where nothing is to be waited for, of some dozen that a message takes.
      return sent === Effect.void ? loop : Effect.flatMap(sent, () => loop)
    })
    return loop
  })
