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

/**
 * Headers, packed: as one string they take a quarter of the memory, and most connections are never asked for them. It is
 * put together in one piece, where one of `JSON.stringify` stays in its ten.
 */
export const pack = (headers: About["headers"] = {}): string => {
  const parts: Array<string> = []
  for (const [name, value] of Object.entries(headers)) {
    // No value holds the end of a line (RFC 9110 section 5.5).
    if (typeof value === "string") parts.push(name, value)
    else for (const one of value ?? []) parts.push(name, one)
  }
  return parts.join("\n")
}

/** What was packed. */
export const unpack = (packed: string): NonNullable<About["headers"]> => {
  const headers = new Map<string, string | ReadonlyArray<string>>()
  const parts = packed === "" ? [] : packed.split("\n")
  for (let i = 0; i < parts.length; i += 2) {
    const name = parts[i] ?? ""
    const value = parts[i + 1] ?? ""
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : [before, value].flat())
  }
  return Object.fromEntries(headers)
}
