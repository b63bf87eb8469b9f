/**
 * What a program does with its connections.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hasProperty, isTagged } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type { Connection } from "./Connection.js"
import { ConnectionClosed } from "./ConnectionClosed.js"

/**
 * What a program does with a connection. When it ends the connection is closed with 1000; when it fails, with 1011. Its
 * resources live in the connection's scope.
 *
 * @typeParam E what it may fail with: the log tells, the peer never learns.
 * @typeParam R what it requires of the program around it.
 * @typeParam A what the endpoint's `authorize` has found out about the peer.
 *
 * @example
 * ```ts
 * import type { ConnectionClosed, Handler } from "answerback"
 * import { Stream } from "effect"
 *
 * export const shout: Handler<ConnectionClosed> = (connection) =>
 *   Stream.runForEach(connection.messages, ({ text }) => connection.send(text.toUpperCase()))
 * ```
 */
export type Handler<E = never, R = never, A = void> = (
  connection: Connection,
  authorized: A
) => Effect.Effect<unknown, E, R | Scope.Scope>

/** A handler that knows already what was found out about the peer. */
export type Handle<E = unknown, R = never> = (
  connection: Connection
) => Effect.Effect<unknown, E, R | Scope.Scope>

/** How a handler ends that was stopped: interrupted, or by finding that it is over, as a platform's `Socket` tells too. */
export const isExpected = (cause: Cause.Cause<unknown>): boolean =>
  Cause.isInterruptedOnly(cause) ||
  Option.exists(
    Cause.failureOption(cause),
    (error) =>
      error instanceof ConnectionClosed || (isTagged(error, "SocketError") && hasProperty(error, "code"))
  )

/** What is told must not decide what happens: a program's logger may fail. */
export const quietly = (effect: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.catchAllCause(effect, () => Effect.void)

/** Logs how a handler failed, or what it had acquired when that was released. */
export const failed = (cause: Cause.Cause<unknown>, connection: string): Effect.Effect<void> =>
  quietly(Effect.annotateLogs(Effect.logError("handler failed", cause), { connection }))
