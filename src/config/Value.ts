/**
 * How the values of options are written: by a person, as text.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as os from "node:os"
import * as CloseCode from "../protocol/CloseCode.js"
import { isSubprotocol } from "../protocol/Handshake.js"
import * as Network from "./Network.js"
import * as Origin from "../protocol/Origin.js"

/** One kind of value. */
export interface Value<A> {
  /** Stands for the value in the help. */
  readonly placeholder: string
  /** Says what is accepted, to follow "accepted is". */
  readonly accepts: string
  /** Reads a text; `undefined` if it can't be read. */
  readonly read: (text: string) => A | undefined
  /** What of a text that can't be read may be shown; by default all. */
  readonly show?: (text: string) => string
}

const integer = (text: string): number | undefined => (/^\d{1,15}$/.test(text) ? Number(text) : undefined)

/** Text that may not be empty. */
export const text = (placeholder: string, accepts: string): Value<string> => ({
  placeholder,
  accepts,
  read: (value) => (value.trim() === "" ? undefined : value)
})

/** What can be turned off, and what it then is. */
export const orOff = <A>(value: Value<A>, off: A): Value<A> => ({
  placeholder: value.placeholder,
  accepts: `${value.accepts}, or off`,
  read: (text) => (text === "off" ? off : value.read(text))
})

/** A secret that is sent as a token of HTTP (RFC 6750 section 2.1): hidden from whoever prints it. */
export const secret: Value<Redacted.Redacted> = {
  placeholder: "TOKEN",
  accepts: "visible ASCII characters without a space",
  show: () => "***",
  read: (value) => (/^[\x21-\x7e]+$/.test(value) ? Redacted.make(value) : undefined)
}

/** How many of something there may be: one at least. */
export const count: Value<number> = {
  placeholder: "NUMBER",
  accepts: "a whole number from 1 up",
  read: (value) => {
    const number = integer(value)
    return number !== undefined && number > 0 ? number : undefined
  }
}

/** How many processes there are. More than a thousand is a mistake. */
export const workers: Value<number> = {
  placeholder: "NUMBER|auto",
  accepts: "a whole number from 1 to 1000, or auto for one a core",
  read: (value) => {
    if (value === "auto") return os.availableParallelism()
    const number = count.read(value)
    return number !== undefined && number <= 1000 ? number : undefined
  }
}

/** A TCP port to listen on. */
export const port: Value<number> = {
  placeholder: "PORT",
  accepts: "a number from 0 to 65535 (0 picks a free port)",
  read: (value) => {
    const number = integer(value)
    return number !== undefined && number <= 65_535 ? number : undefined
  }
}

const shortUnits: Readonly<Record<string, Duration.Unit>> = {
  ms: "millis",
  s: "seconds",
  m: "minutes",
  h: "hours",
  d: "days"
}

/** A duration, short (`30s`) or as Effect's `Duration` reads it (`"30 seconds"`). */
export const duration: Value<Duration.Duration> = {
  placeholder: "DURATION",
  accepts: 'a duration such as 500ms, 30s, 2m, or "30 seconds"',
  read: (value) => {
    const short = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value)
    const unit = short === null ? undefined : shortUnits[short[2] ?? ""]
    const long = unit === undefined ? value : `${short?.[1]} ${unit}`
    if (!/^\d+(?:\.\d+)? +[a-z]+$/.test(long)) return undefined
    return Option.getOrUndefined(Duration.decodeUnknown(long))
  }
}

/** A duration after which something is over; `off` for never. */
export const timeout: Value<Duration.Duration> = orOff(
  {
    placeholder: duration.placeholder,
    accepts: 'a duration above zero such as 500ms, 30s, 2m, or "30 seconds"',
    read: (value) => {
      const read = duration.read(value)
      return read !== undefined && Duration.toMillis(read) > 0 ? read : undefined
    }
  },
  Duration.infinity
)

const sizeUnits: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2 }

/** A size in bytes, or with a unit. */
export const size = (min: number, max: number, written: string): Value<number> => ({
  placeholder: "SIZE",
  accepts: `a size of ${written}, in bytes or with a unit: 65536, 64KiB, 1MiB`,
  read: (value) => {
    const match = /^(\d{1,15})(KiB|MiB|)$/.exec(value)
    const bytes = Number(match?.[1]) * (sizeUnits[match?.[2] ?? ""] ?? Number.NaN)
    return bytes >= min && bytes <= max ? bytes : undefined
  }
})

/** A close code that may be sent. */
export const closeCode: Value<number> = {
  placeholder: "CODE",
  accepts: `a close code that may be sent: ${CloseCode.SENDABLE}`,
  read: (value) => {
    const code = integer(value)
    return code !== undefined && CloseCode.isSendable(code) ? code : undefined
  }
}

/** `on` or `off`. */
export const toggle: Value<boolean> = {
  placeholder: "on|off",
  accepts: "on or off",
  read: (value) => (value === "on" ? true : value === "off" ? false : undefined)
}

/** One of a few words. */
export const oneOf = <const A extends string>(...words: ReadonlyArray<A>): Value<A> => ({
  placeholder: words.join("|"),
  accepts: `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
  read: (value) => words.find((word) => word === value)
})

/** Paths that the server answers itself. */
const reserved: ReadonlyArray<string> = [
  "/livez",
  "/readyz",
  "/metrics",
  "/connections",
  "/events",
  "/openapi.json",
  "/docs"
]

const isReserved = (pathname: string): boolean =>
  reserved.includes(pathname) || pathname.startsWith("/connections/")

/** The path of a URL, as a client's URL parser would write it. */
export const path: Value<string> = {
  placeholder: "PATH",
  accepts: `a path that starts with "/", without "?" or "#", and is none of ${reserved.join(", ")}`,
  read: (value) => {
    if (!/^\/(?!\/)[^?#\\]*$/.test(value) || !URL.canParse(value, "http://localhost")) return undefined
    const { pathname } = new URL(value, "http://localhost")
    return isReserved(pathname) ? undefined : pathname
  }
}

/** An address, or a network of addresses. */
export const network: Value<Network.Network> = {
  placeholder: "ADDRESS",
  accepts: "an IP address such as 10.0.0.1, or a network such as 10.0.0.0/8 or fd00::/8",
  read: Network.parse
}

/** An origin, or a pattern for origins. */
export const origin: Value<Origin.Pattern> = {
  placeholder: "ORIGIN",
  accepts: "* (any), an origin such as https://example.com, or https://*.example.com for its subdomains",
  read: Origin.parsePattern
}

/** The name of a subprotocol. */
export const subprotocol: Value<string> = {
  placeholder: "NAME",
  accepts: "the name of a subprotocol: letters, digits and !#$%&'*+-.^_`|~",
  read: (value) => (isSubprotocol(value) ? value : undefined)
}

/** Whether the user and the password in a URL can be read. */
const hasReadableCredentials = ({ password, username }: URL): boolean => {
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}

/** A URL without the user and the password in it, also where there is more than one @, or a scheme that isn't accepted. */
const withoutCredentials = (text: string): string => text.replace(/^([^/]*\/\/)?.*@/s, "$1***@")

/** The base URL of a service that speaks HTTP, maybe with a user and a password in it, which nobody is shown. */
export const httpUrl: Value<URL> = {
  placeholder: "URL",
  accepts: "a URL such as http://localhost:4318, with http or https, and without a query or a fragment",
  read: (value) => {
    if (!/^https?:\/\/[^?#]+$/i.test(value) || !URL.canParse(value)) return undefined
    const url = new URL(value)
    return hasReadableCredentials(url) ? url : undefined
  },
  show: withoutCredentials
}

/** Where a Redis is, maybe with a user and a password, which nobody is shown. */
export const redisUrl: Value<Redacted.Redacted<URL>> = {
  placeholder: "URL",
  accepts:
    "a URL such as redis://localhost:6379 or rediss://USER:PASSWORD@redis.example.com:6380/1, with redis or rediss (TLS), and maybe the number of a database",
  read: (value) => {
    if (!/^rediss?:\/\/[^?#\s]+$/i.test(value) || !URL.canParse(value)) return undefined
    const url = new URL(value)
    const isComplete = url.hostname !== "" && url.port !== "0" && /^(?:\/\d{0,5})?$/.test(url.pathname)
    return isComplete && hasReadableCredentials(url) ? Redacted.make(url) : undefined
  },
  show: withoutCredentials
}

/** What the names of keys and channels in Redis begin with: nothing that is a pattern there. */
export const redisPrefix: Value<string> = {
  placeholder: "PREFIX",
  accepts: "1 to 64 letters, digits and -_.:{}",
  read: (value) => (/^[\w.:{}-]{1,64}$/.test(value) ? value : undefined)
}
