/**
 * What a program is asked before a handshake is accepted, and how it says no.
 */
import type * as Headers from "@effect/platform/Headers"
import * as Data from "effect/Data"

/** A request to open a connection, which is right as far as RFC 6455 goes. */
export interface HandshakeRequest {
  /** `address:port` of the peer; the address alone of a client behind a trusted proxy. */
  readonly remote: string
  /** The path that is asked for, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** With names in lower case. */
  readonly headers: Headers.Headers
  /** The subprotocol that the connection will have (RFC 6455 section 1.9). */
  readonly subprotocol: string | undefined
}

/**
 * A handshake is refused: the answer is this HTTP status, with `{"error", "message"}` as JSON.
 *
 * @example
 * ```ts
 * import { HandshakeRefused } from "answerback"
 *
 * export const unauthorized = new HandshakeRefused({
 *   status: 401,
 *   message: "a token is wanted: Authorization: Bearer TOKEN",
 *   headers: { "www-authenticate": "Bearer" }
 * })
 * ```
 */
export class HandshakeRefused extends Data.TaggedError("HandshakeRefused")<{
  /** From 300 to 599. */
  readonly status: number
  /** What a program reads; by default `HandshakeRefused`. */
  readonly error?: string
  /** What a person reads. */
  readonly message: string
  /** Headers of the answer, beside its own. */
  readonly headers?: Readonly<Record<string, string>>
}> {}
