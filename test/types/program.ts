/**
 * Parts of a program that are only types: what its handlers use, and what may go wrong in them.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"

export class Database extends Context.Tag("Database")<
  Database,
  { readonly save: (text: string) => Effect.Effect<void, DatabaseError> }
>() {}

export class Sessions extends Context.Tag("Sessions")<
  Sessions,
  { readonly userOf: (token: string) => Effect.Effect<User, NoSession> }
>() {}

export class Clock extends Context.Tag("Clock")<Clock, { readonly ticks: Effect.Effect<number> }>() {}

export class DatabaseError extends Data.TaggedError("DatabaseError") {}

export class NoSession extends Data.TaggedError("NoSession") {}

export interface User {
  readonly name: string
}
