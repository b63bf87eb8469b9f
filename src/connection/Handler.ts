/**
 * What a program does with its connections.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection } from "./Connection.js"

/**
 * What a program does with a connection. When it ends the connection is closed with 1000; when it fails, with 1011. Its
 * resources live in the connection's scope.
 *
 * @typeParam E what it may fail with: the log tells, the peer never learns.
 * @typeParam R what it requires of the program around it.
 * @typeParam A what the endpoint's `authorize` has found out about the peer.
 */
export type Handler<E = never, R = never, A = void> = (
  connection: Connection,
  authorized: A
) => Effect.Effect<unknown, E, R | Scope.Scope>

/** A handler that knows already what was found out about the peer. */
export type Handle<E = unknown, R = never> = (
  connection: Connection
) => Effect.Effect<unknown, E, R | Scope.Scope>
