/**
 * An endpoint: what becomes of the connections to one path, who is let in, and within which limits.
 */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as Scope from "effect/Scope"
import type { Covariant } from "effect/Types"
import type { Connection } from "../connection/Connection.js"
import type { Handle, Handler } from "../connection/Handler.js"
import type { Limits } from "../ServerConfig.js"
import type { HandshakeRefused, HandshakeRequest } from "./HandshakeRefused.js"

const TypeId: unique symbol = Symbol.for("answerback/Endpoint")

/**
 * What becomes of the connections to a path.
 *
 * @typeParam R what its handler and its `authorize` require of the program around them.
 *
 * @example
 * ```ts
 * import { Connections, Endpoint } from "answerback"
 * import { Effect } from "effect"
 *
 * // A server provides `Connections` itself: its own.
 * export const census: Endpoint.Endpoint<Connections> = Endpoint.make((connection) =>
 *   Effect.gen(function* () {
 *     const { count } = yield* Connections
 *     yield* connection.send(`${yield* count} are here`)
 *   })
 * )
 * ```
 */
export interface Endpoint<out R = never> {
  readonly [TypeId]: { readonly _R: Covariant<R> }
  /** @internal */
  readonly limits: Limits
  /**
   * Who is let in, and what is then done with the connection.
   *
   * @internal
   */
  readonly admit: Admit<R>
}

/**
 * What is done with all connections; or with one, which is asked for by a request, or refused.
 *
 * @internal
 */
export type Admit<R> =
  | { readonly _tag: "All"; readonly handle: Handle<unknown, R> }
  | {
      readonly _tag: "Authorized"
      readonly authorize: (
        request: HandshakeRequest
      ) => Effect.Effect<Handle<unknown, R>, HandshakeRefused, R>
    }

/**
 * An endpoint that lets in everybody whose handshake is right.
 *
 * @example
 * ```ts
 * import { echo, Endpoint } from "answerback"
 *
 * export const endpoint = Endpoint.make({ handler: echo, maxPayload: "16KiB", idleTimeout: "5 minutes" })
 * ```
 */
export interface OpenOptions<E, R> extends Limits {
  readonly handler: Handler<E, R>
  readonly authorize?: undefined
}

/**
 * An endpoint that decides who is let in.
 *
 * @example
 * ```ts
 * import { echo, Endpoint, HandshakeRefused } from "answerback"
 * import { Effect } from "effect"
 *
 * export const weekdays = Endpoint.make({
 *   authorize: () =>
 *     new Date().getDay() % 6 === 0
 *       ? Effect.fail(new HandshakeRefused({ status: 403, message: "come back on Monday" }))
 *       : Effect.void,
 *   handler: echo
 * })
 * ```
 */
export interface AuthorizedOptions<A, E, R, RA> extends Limits {
  /**
   * Decides on a handshake before it is accepted, within the handshake timeout: fails with the answer that the peer gets
   * instead of a connection. What it succeeds with, the handler gets. Each request that it decides on counts as a connection
   * in the limits. A defect is answered with 500, and goes to the log.
   */
  readonly authorize: (request: HandshakeRequest) => Effect.Effect<A, HandshakeRefused, RA>
  readonly handler: Handler<E, R, A>
}

/**
 * Makes an endpoint. Limits and policies that are left out are those of the server.
 *
 * @example
 * ```ts
 * import { Endpoint, HandshakeRefused } from "answerback"
 * import { Effect, Stream } from "effect"
 *
 * export const greeter = Endpoint.make({
 *   maxPayload: "16KiB",
 *   authorize: ({ query }) => {
 *     const name = query.get("name")
 *     return name === null
 *       ? Effect.fail(new HandshakeRefused({ status: 400, message: "who are you? Connect with ?name=" }))
 *       : Effect.succeed(name)
 *   },
 *   handler: (connection, name) =>
 *     Stream.runForEach(connection.messages, ({ text }) => connection.send(`${name}: ${text}`))
 * })
 * ```
 */
export const make: {
  <E, R>(options: OpenOptions<E, R> | Handler<E, R>): Endpoint<Exclude<R, Scope.Scope>>
  <A, E, R, RA>(options: AuthorizedOptions<A, E, R, RA>): Endpoint<Exclude<R, Scope.Scope> | RA>
} = <A, E, R, RA>(
  options: AuthorizedOptions<A, E, R, RA> | OpenOptions<E, R> | Handler<E, R>
): Endpoint<Exclude<R, Scope.Scope> | RA> => {
  const { authorize, handler, ...limits } =
    typeof options === "function" ? { authorize: undefined, handler: options } : options
  const admit =
    authorize === undefined
      ? { _tag: "All", handle: handler }
      : {
          _tag: "Authorized",
          authorize: (request: HandshakeRequest) =>
            Effect.map(
              authorize(request),
              (authorized) => (connection: Connection) => handler(connection, authorized)
            )
        }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the connection brings its own scope
  return { [TypeId]: { _R: identity }, limits, admit } as Endpoint<Exclude<R, Scope.Scope> | RA>
}

/**
 * Endpoints by their paths, such as `/chat`.
 *
 * @example
 * ```ts
 * import { echo, Endpoint } from "answerback"
 *
 * export const endpoints = { "/echo": Endpoint.make(echo) } satisfies Endpoint.Endpoints
 * ```
 */
export type Endpoints = Readonly<Record<string, Endpoint<unknown>>>

/**
 * What endpoints require of the program around them.
 *
 * @example
 * ```ts
 * import { Connections, echo, Endpoint } from "answerback"
 *
 * const endpoints = {
 *   "/echo": Endpoint.make(echo),
 *   "/count": Endpoint.make(() => Connections)
 * }
 * export type Needed = Endpoint.Requires<typeof endpoints> // Connections, which a server provides itself
 * ```
 */
export type Requires<E extends Endpoints> = {
  readonly [K in keyof E]: E[K] extends Endpoint<infer R> ? R : never
}[keyof E]

/**
 * Takes what one of them requires for what each does.
 *
 * @internal
 */
export const together = <E extends Endpoints>(
  endpoints: E
): Readonly<Record<string, Endpoint<Requires<E>>>> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what each requires is among what all do
  endpoints as Readonly<Record<string, Endpoint<Requires<E>>>>
