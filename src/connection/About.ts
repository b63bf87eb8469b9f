/**
 * What is known of a connection from its handshake.
 */

/** What a request for a connection told. */
export interface About {
  /** The path that was asked for, without the query. */
  readonly path: string
  /** The subprotocol agreed on. */
  readonly subprotocol: string | undefined
  /** What was asked for: the path, and the query if there was one. */
  readonly target?: string
  /** With names in lower case, as Node gives them. */
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}
