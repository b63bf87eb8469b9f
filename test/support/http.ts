/**
 * HTTP/1.1 by hand: requests as a client may send them, right or wrong, and the responses of a server.
 */
import { createHash } from "node:crypto"

/** Status and headers of an HTTP response; names in lower case, values that came several times joined by a comma. */
export interface ResponseHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

export interface Response extends ResponseHead {
  readonly body: string
}

/** Headers of a request; `null` leaves out one that is there by default, several values are sent as several headers. */
export type Headers = Readonly<Record<string, string | ReadonlyArray<string> | null>>

/** A request; without anything else, a handshake as it should be (RFC 6455 section 4.1). */
export interface RequestOptions {
  readonly method?: string
  /** By default `/echo`. */
  readonly path?: string
  readonly httpVersion?: string
  readonly headers?: Headers
  readonly body?: string
}

/** The key of the example in RFC 6455 section 1.3. */
export const SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="

/** The answer to a key (RFC 6455 section 4.2.2). */
export const acceptOf = (key: string): string =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

/** Writes a request. */
export const request = (options: RequestOptions = {}): string => {
  const defaults: Headers = {
    Host: "127.0.0.1",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": SAMPLE_KEY,
    "Sec-WebSocket-Version": "13"
  }
  const given = options.headers ?? {}
  const overridden = new Set(Object.keys(given).map((name) => name.toLowerCase()))
  const kept = Object.entries(defaults).filter(([name]) => !overridden.has(name.toLowerCase()))
  const lines = [...kept, ...Object.entries(given)].flatMap(([name, value]) =>
    value === null ? [] : [value].flat().map((one) => `${name}: ${one}`)
  )
  const first = `${options.method ?? "GET"} ${options.path ?? "/echo"} HTTP/${options.httpVersion ?? "1.1"}`
  return `${[first, ...lines].join("\r\n")}\r\n\r\n${options.body ?? ""}`
}

const HEAD_END = "\r\n\r\n"

/** The head of a response, if all of it is here. */
export const parseHead = (
  bytes: Buffer
): { readonly head: ResponseHead; readonly length: number } | undefined => {
  const end = bytes.indexOf(HEAD_END)
  if (end < 0) return undefined
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(":")
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1]
  if (status === undefined) throw new Error(`no status line of HTTP: ${JSON.stringify(first)}`)
  return { head: { status: Number(status), headers }, length: end + HEAD_END.length }
}

/** A chunked body (RFC 9112 section 7.1), if all of it is here. */
const parseChunked = (bytes: Buffer): { readonly body: Buffer; readonly length: number } | undefined => {
  const chunks: Array<Buffer> = []
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString("latin1"), 16)
    const start = lineEnd + 2
    if (bytes.length < start + size + 2) return undefined
    chunks.push(bytes.subarray(start, start + size))
    at = start + size + 2
    if (size === 0) return { body: Buffer.concat(chunks), length: at }
  }
}

/**
 * A response with its body, if all of it is here.
 *
 * @param isWhole whether nothing more will come: it is what ends a body without a length.
 */
export const parseResponse = (
  bytes: Buffer,
  isWhole: boolean
): { readonly response: Response; readonly length: number } | undefined => {
  const found = parseHead(bytes)
  if (found === undefined) return undefined
  const { head } = found
  const after = bytes.subarray(found.length)
  const take = (body: Buffer, size: number) => ({
    response: { ...head, body: body.toString("utf8") },
    length: found.length + size
  })
  if (head.status === 101 || head.status === 204 || head.status === 304) return take(Buffer.alloc(0), 0)
  if (head.headers["transfer-encoding"] === "chunked") {
    const chunked = parseChunked(after)
    return chunked === undefined ? undefined : take(chunked.body, chunked.length)
  }
  const declared = head.headers["content-length"]
  const size = declared === undefined ? (isWhole ? after.length : undefined) : Number(declared)
  return size === undefined || after.length < size ? undefined : take(after.subarray(0, size), size)
}

/** Headers that a response is to have: a value, a pattern of it, or `undefined` for one that must not be there. */
export type Expected = Readonly<Record<string, string | RegExp | undefined>>

/** The headers that are not as expected, with the value that they have. */
export const lacking = (
  headers: ResponseHead["headers"],
  expected: Expected
): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(
    Object.entries(expected)
      .filter(([name, value]) =>
        value instanceof RegExp ? !value.test(headers[name] ?? "") : headers[name] !== value
      )
      .map(([name]) => [name, headers[name] ?? "(none)"])
  )
