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

/** Headers, packed: as one string they take a quarter of the memory, and most connections are never asked for them. */
export const pack = (headers: About["headers"]): string => JSON.stringify(headers ?? {})

/** What was packed. */
export const unpack = (packed: string): NonNullable<About["headers"]> => JSON.parse(packed)
