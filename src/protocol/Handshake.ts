/**
 * What becomes of a request for the WebSocket endpoint (RFC 6455 section 4.2): it is accepted with a subprotocol or
 * without one, or refused with an HTTP status and words that say why.
 */
import * as Origin from "./Origin.js"

/** The facts of a request that the decision rests on. Header names are in lower case, as Node gives them. */
export interface Request {
  readonly method: string
  readonly httpVersion: string
  readonly headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
}

/** What this server asks of a handshake. */
export interface Policy {
  readonly scheme: "http" | "https"
  readonly origins: Origin.Policy
  /** In the order of preference. */
  readonly subprotocols: ReadonlyArray<string>
}

/** A refusal: an HTTP response whose JSON body names the error and says what to do about it. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly error: string
  readonly message: string
}

/** What becomes of a handshake. */
export type Decision = { readonly _tag: "Accept"; readonly subprotocol: string | undefined } | Refusal

/** Makes a refusal. */
export const refusal = (
  status: number,
  error: string,
  message: string,
  headers: Readonly<Record<string, string>> = {}
): Refusal => ({ _tag: "Refusal", status, headers, error, message })

/** 16 random bytes in base64 (RFC 6455 section 4.1); the last digit carries four bits that mean nothing. */
const keyShape = /^[+/0-9A-Za-z]{22}==$/
/** A `token` of RFC 9110 section 5.6.2, which is what a subprotocol is (RFC 6455 section 4.1). */
const tokenShape = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Whether a string can be the name of a subprotocol. */
export const isSubprotocol = (name: string): boolean => tokenShape.test(name)

const header = (request: Request, name: string): string | undefined => {
  const value = request.headers[name]
  return typeof value === "string" || value === undefined ? value : value.join(", ")
}

const hasToken = (value: string | undefined, token: string): boolean =>
  value !== undefined && value.split(",").some((part) => part.trim().toLowerCase() === token)

/** Refuses a request for the endpoint that is no handshake, with what it would have to upgrade to (RFC 9110 section 15.5.22). */
export const upgradeRequired: Refusal = refusal(
  426,
  "UpgradeRequired",
  "this is a WebSocket endpoint: connect to it with a WebSocket client (ws:// or wss://)",
  { upgrade: "websocket", connection: "Upgrade" }
)

/** Refuses a path that leads nowhere. */
export const notFound = (path: string, endpoints: ReadonlyArray<string>): Refusal =>
  refusal(
    404,
    "NotFound",
    `there is nothing at ${path}: ${
      endpoints.length === 1
        ? `the WebSocket endpoint is ${endpoints[0]}`
        : `the WebSocket endpoints are ${endpoints.join(", ")}`
    }`
  )

/** Refuses what comes while the server drains. */
export const draining: Refusal = refusal(
  503,
  "Draining",
  "the server is shutting down: connect again later",
  {
    "retry-after": "1"
  }
)

const badRequest = (error: string, message: string): Refusal => refusal(400, error, message)

/** Decides on a request for the endpoint. */
export const decide = (request: Request, policy: Policy): Decision => {
  // HTTP/1.0 knows no Upgrade: the header is to be ignored there (RFC 9110 section 7.8).
  const isHandshake =
    request.httpVersion === "1.1" &&
    hasToken(header(request, "connection"), "upgrade") &&
    hasToken(header(request, "upgrade"), "websocket")
  if (!isHandshake) return upgradeRequired
  if (request.method !== "GET") {
    return refusal(
      405,
      "MethodNotAllowed",
      `a handshake is a GET request, this is ${request.method} (RFC 6455 section 4.1)`,
      { allow: "GET" }
    )
  }
  const version = header(request, "sec-websocket-version")
  if (version !== "13") {
    return refusal(
      426,
      "UnsupportedVersion",
      `WebSocket version ${version ?? "(none)"} is not supported: this server speaks version 13 (RFC 6455 section 4.4)`,
      { upgrade: "websocket", connection: "Upgrade", "sec-websocket-version": "13" }
    )
  }
  if (header(request, "host") === undefined) {
    return badRequest("MissingHost", "a handshake must name its Host (RFC 6455 section 4.1)")
  }
  const key = header(request, "sec-websocket-key")
  if (key === undefined || !keyShape.test(key)) {
    return badRequest("InvalidKey", "Sec-WebSocket-Key must be 16 bytes in base64 (RFC 6455 section 4.1)")
  }
  const origin = header(request, "origin")
  if (!Origin.isAllowed(policy.origins, origin, { scheme: policy.scheme, host: header(request, "host") })) {
    const flag = origin === undefined || Origin.parsePattern(origin) === undefined ? "*" : origin
    return refusal(
      403,
      "OriginNotAllowed",
      `the origin ${origin ?? ""} may not connect: to allow it, start the server with --origin '${flag}' (or ANSWERBACK_ORIGIN)`
    )
  }
  const offered = header(request, "sec-websocket-protocol")
    ?.split(",")
    .map((name) => name.trim())
  if (offered !== undefined && (!offered.every(isSubprotocol) || new Set(offered).size !== offered.length)) {
    return badRequest(
      "InvalidSubprotocol",
      "Sec-WebSocket-Protocol must be a comma separated list of distinct tokens (RFC 6455 section 4.1)"
    )
  }
  return { _tag: "Accept", subprotocol: policy.subprotocols.find((name) => offered?.includes(name)) }
}
