/**
 * Who is let in to the admin API: a pure decision on the facts of a request.
 *
 * With a token, whoever has it. Without one, programs of this machine: that takes more than a look at the TCP peer,
 * since a browser here may be led by a page from anywhere (DNS rebinding: its `Host` gives it away), and a proxy here
 * may speak for anybody (its forwarding headers do; and nginx, which adds none and gives `Host` a loopback address unless it
 * is told otherwise, then speaks HTTP/1.0).
 */
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import * as Network from "../config/Network.js"
import { type Refusal, refusal } from "../protocol/Handshake.js"
import * as Origin from "../protocol/Origin.js"

/** The facts of a request. */
export interface Caller {
  /** The address of the TCP peer; `undefined` if it is gone. */
  readonly address: string | undefined
  /** What the request asks for, as it is written in the request line. */
  readonly target: string
  /** Of HTTP, such as `1.1`. */
  readonly httpVersion: string
  /** Names and values in turn, as they came. */
  readonly rawHeaders: ReadonlyArray<string>
}

/** What is asked of a caller. */
export interface Policy {
  readonly scheme: "http" | "https"
  readonly token: Redacted.Redacted | undefined
}

const loopback = Network.among([
  { address: "127.0.0.0", prefix: 8, family: "ipv4" },
  { address: "::1", prefix: 128, family: "ipv6" }
])

const isLoopbackAddress = (address: string): boolean => loopback(Network.unmapped(address))

/**
 * Whether a `Host` names this machine to itself: a loopback address, `localhost` or a name below it, which never come
 * from a name server (RFC 6761 section 6.3).
 */
export const isLoopbackHost = (host: string): boolean => {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:@/\s]+))(?::\d{0,5})?$/.exec(host) ?? []
  if (bracketed !== undefined) return isLoopbackAddress(bracketed)
  if (plain === undefined) return false
  return isLoopbackAddress(plain) || /^(?:[^.]+\.)*localhost\.?$/i.test(plain)
}

/** What proxies tell of those for whom they speak: RFC 7239, its many forerunners, and RFC 9110 section 7.6.3. */
const isForwarding = (name: string): boolean => /^(?:forwarded|x-forwarded-.*|x-real-ip|via)$/.test(name)

const headersNamed = ({ rawHeaders }: Caller, isWanted: (name: string) => boolean): ReadonlyArray<string> =>
  rawHeaders.filter((_, at) => at % 2 === 1 && isWanted((rawHeaders[at - 1] ?? "").toLowerCase()))

const only = (values: ReadonlyArray<string>): string | undefined =>
  values.length === 1 ? values[0] : undefined

/** What the request says that the server is called: an absolute target counts before `Host` (RFC 9112 section 3.2.2). */
const authoritiesOf = (caller: Caller): ReadonlyArray<string> => {
  const [, ofTarget] = /^https?:\/\/([^/?#]*)/i.exec(caller.target) ?? []
  const hosts = headersNamed(caller, (name) => name === "host")
  return ofTarget === undefined ? hosts : [ofTarget, ...hosts]
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Compares in a time that tells nothing about the token, nor about its length. */
const isToken = (given: string, token: Redacted.Redacted): boolean =>
  timingSafeEqual(digest(given), digest(Redacted.value(token)))

const unauthorized = (hasTried: boolean): Refusal =>
  refusal(
    401,
    "Unauthorized",
    hasTried
      ? "the token is not that of this server: send the one that it was started with (ANSWERBACK_ADMIN_TOKEN)"
      : "the admin API wants the token that the server was started with (ANSWERBACK_ADMIN_TOKEN), as Authorization: Bearer TOKEN",
    {
      "www-authenticate": `Bearer realm="answerback"${hasTried ? ', error="invalid_token"' : ""}`
    }
  )

const forbidden = (why: string): Refusal =>
  refusal(
    403,
    "Forbidden",
    `${why}: without a token the admin API answers only programs of this machine. To reach it in another way, start the server with ANSWERBACK_ADMIN_TOKEN, and send Authorization: Bearer TOKEN`
  )

/** Lets a caller in, or says why not. */
export const decide = (caller: Caller, { scheme, token }: Policy): Refusal | undefined => {
  const authorities = authoritiesOf(caller)
  const origins = headersNamed(caller, (name) => name === "origin")
  if (!origins.every((origin) => Origin.isAllowed([], origin, { scheme, host: authorities[0] }))) {
    return refusal(
      403,
      "OriginNotAllowed",
      `a page of ${origins.join(", ")} may not use the admin API: only those of the server itself may`
    )
  }
  if (token !== undefined) {
    const authorization = only(headersNamed(caller, (name) => name === "authorization"))
    const [, given] = /^bearer +([^ ]+) *$/i.exec(authorization ?? "") ?? []
    return given !== undefined && isToken(given, token)
      ? undefined
      : unauthorized(authorization !== undefined)
  }
  if (caller.address === undefined || !isLoopbackAddress(caller.address)) {
    return forbidden("this request comes from another machine")
  }
  if (authorities.length === 0 || !authorities.every(isLoopbackHost)) {
    return forbidden(`this request is for the host ${authorities.join(", ") || "(none)"}`)
  }
  if (headersNamed(caller, isForwarding).length > 0) return forbidden("this request comes through a proxy")
  if (caller.httpVersion === "1.0")
    return forbidden("this request is HTTP/1.0, as of a proxy that tells nothing")
  return undefined
}
