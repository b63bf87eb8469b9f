/**
 * The command line of the probe: what each option is called, what it takes, and what it is when nothing is given.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Arguments from "../config/Arguments.js"
import { explain, type Option, readEach, repeated, type Settings, single } from "../config/Option.js"
import * as Value from "../config/Value.js"
import { awaitsEnding, expectation } from "./Expectation.js"
import { MIN_SIZE } from "./Ledger.js"

/** A field of an HTTP header. */
export interface Header {
  readonly name: string
  readonly value: string
}

/** The largest payload of a ping (RFC 6455 section 5.5). */
const MAX_PING = 125

/** Headers that other options give, or that are the handshake itself. */
const reserved = /^(connection|upgrade|origin|sec-websocket-.*|content-length|transfer-encoding)$/i

const header: Value.Value<Header> = {
  placeholder: "'NAME: VALUE'",
  accepts:
    "a header such as 'Authorization: Bearer 1234', in ASCII, and none of Connection, Upgrade, Content-Length, Transfer-Encoding, Sec-WebSocket-* or Origin (--subprotocol, --origin)",
  read: (text) => {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e]*)$/.exec(text) ?? []
    return name === undefined || value === undefined || reserved.test(name)
      ? undefined
      : { name, value: value.trimEnd() }
  }
}

const originText: Value.Value<string> = {
  placeholder: "ORIGIN",
  accepts: "an origin such as https://example.com, or null",
  read: (text) => {
    if (text === "null") return text
    return URL.canParse(text) && new URL(text).origin === text ? text : undefined
  }
}

const positive: Value.Value<Duration.Duration> = {
  placeholder: Value.duration.placeholder,
  accepts: 'a duration from 1ms up such as 500ms, 30s, 2m, or "30 seconds"',
  read: (text) => {
    const read = Value.duration.read(text)
    // Beyond that a timer of Node fires at once.
    return read !== undefined && Duration.toMillis(read) >= 1 && Duration.toMillis(read) < 2 ** 31
      ? read
      : undefined
  }
}

const pause: Value.Value<Duration.Duration> = {
  ...positive,
  accepts: 'a duration such as 500ms, 30s, 2m, "30 seconds", or 0s',
  read: (text) => {
    const read = Value.duration.read(text)
    return read !== undefined && Duration.toMillis(read) === 0 ? read : positive.read(text)
  }
}

/** The options that have a value, in the order in which the help lists them. */
export const options = {
  count: single(
    {
      flag: "count",
      defaultText: "until interrupted",
      help: "How many messages to send in all, before the probe closes the connection."
    },
    Value.count,
    undefined
  ),
  duration: single(
    {
      flag: "duration",
      defaultText: "until interrupted",
      help: "How long to go on, connecting and reconnecting included, before the probe closes the connection."
    },
    positive,
    undefined
  ),
  interval: single(
    {
      flag: "interval",
      defaultText: "1s",
      help: "Time from one message to the next; 0s sends each when the one before it has come back."
    },
    pause,
    Duration.seconds(1)
  ),
  size: single(
    { flag: "size", defaultText: "64", help: "Payload of a message, in bytes or with a unit." },
    Value.size(MIN_SIZE, 64 * 1024 ** 2, "16 bytes to 64MiB"),
    64
  ),
  timeout: single(
    {
      flag: "timeout",
      defaultText: "5s",
      help: "How long the handshake, an echo, and the answer to the Close frame may take."
    },
    positive,
    Duration.seconds(5)
  ),
  headers: repeated(
    { flag: "header", defaultText: "none", help: "Header to send with the handshake." },
    header
  ),
  origin: single(
    { flag: "origin", defaultText: "none", help: "Origin to send, as a browser would." },
    originText,
    undefined
  ),
  subprotocols: repeated(
    { flag: "subprotocol", defaultText: "none", help: "Subprotocol to ask for; the first one is preferred." },
    Value.subprotocol
  ),
  reconnectAttempts: single(
    {
      flag: "reconnect-attempts",
      defaultText: "10",
      help: "With --reconnect: how many attempts may follow one another without an echo, or off for any number."
    },
    Value.orOff(Value.count, Number.POSITIVE_INFINITY),
    10
  ),
  reconnectMaxDelay: single(
    {
      flag: "reconnect-max-delay",
      defaultText: "30s",
      help: "With --reconnect: the most that the back-off waits before an attempt."
    },
    positive,
    Duration.seconds(30)
  ),
  expect: repeated(
    {
      flag: "expect",
      defaultText: "open, lost=0, duplicates=0, changed=0 and out-of-order=0",
      help: "What makes the exit code 0. Given at all, it replaces the default."
    },
    expectation
  )
}

/** The options without a value. */
export const switches = {
  binary: "Send binary messages instead of text.",
  ping: "Measure with pings of the protocol, which any server answers, instead of messages.",
  compression: "Offer permessage-deflate.",
  insecure: "Take any TLS certificate, also one that is signed by itself.",
  reconnect: "Connect again when a connection ends in a way that isn't expected, or can't be had.",
  json: "Print one JSON document at the end, and nothing else.",
  quiet: "Print no line for each echo."
}

/** Letters that stand for switches. */
export const shorts: Readonly<Record<string, string>> = { help: "h", quiet: "q" }

/** What the probe shall do. */
export type ProbeSettings = Settings<typeof options> & {
  readonly [K in keyof typeof switches]: boolean
} & { readonly url: URL }

/** What the command line says. */
export type Command =
  | { readonly _tag: "Help" }
  | { readonly _tag: "Invalid"; readonly problems: ReadonlyArray<string> }
  | { readonly _tag: "Probe"; readonly settings: ProbeSettings }

const url = (text: string): URL | undefined => {
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  if (parsed === undefined || parsed.hash !== "" || text.endsWith("#")) return undefined
  const scheme = { "ws:": "ws:", "wss:": "wss:", "http:": "ws:", "https:": "wss:" }[parsed.protocol]
  if (scheme === undefined) return undefined
  parsed.protocol = scheme
  return parsed
}

const contradictions = (settings: Omit<ProbeSettings, "url">): ReadonlyArray<string> => {
  const problems: Array<string> = []
  if (settings.ping && settings.binary)
    problems.push("--ping and --binary don't go together: pings have no type")
  if (settings.ping && settings.size > MAX_PING)
    problems.push(
      `--ping and --size ${settings.size} don't go together: a ping has at most ${MAX_PING} bytes`
    )
  if (settings.json && settings.quiet)
    problems.push("--json and --quiet don't go together: --json prints no line for each echo")
  if (new Set(settings.subprotocols).size < settings.subprotocols.length)
    problems.push("--subprotocol names one more than once (RFC 6455 section 4.1)")
  return problems
}

const SEE_HELP = ": see probe --help"

/** Reads the arguments that follow `probe`. */
export const parse = (args: ReadonlyArray<string>): Command => {
  const syntax = {
    flags: Object.values(options).map(({ flag }) => flag),
    switches: Object.fromEntries([...Object.keys(switches), "help"].map((name) => [name, shorts[name]]))
  }
  const given = Arguments.read(args, syntax, SEE_HELP)
  if (given.switches.has("help")) return { _tag: "Help" }
  const problems = [...given.problems]
  const read = <A>(option: Option<A>): A => {
    const texts = given.values.get(option.flag)
    if (texts === undefined) return option.default
    return Either.getOrElse(option.read(texts), (error) => {
      problems.push(`--${option.flag} ${explain(error)}`)
      return option.default
    })
  }
  const is = (name: keyof typeof switches): boolean => given.switches.has(name)
  const settings = {
    ...readEach(options, read),
    binary: is("binary"),
    ping: is("ping"),
    compression: is("compression"),
    insecure: is("insecure"),
    reconnect: is("reconnect"),
    json: is("json"),
    quiet: is("quiet")
  }
  problems.push(...contradictions(settings))
  for (const flag of [options.reconnectAttempts.flag, options.reconnectMaxDelay.flag])
    if (given.values.has(flag) && !settings.reconnect) problems.push(`--${flag} needs --reconnect`)

  const [text, ...more] = given.positionals
  const target = text === undefined ? undefined : url(text)
  if (text === undefined) problems.push(`there is no URL to connect to${SEE_HELP}`)
  else if (target === undefined) {
    problems.push(
      explain({ text, accepts: "a URL such as ws://localhost:8080/echo or wss://example.com, without #" })
    )
  }
  for (const other of more) problems.push(`unexpected argument ${JSON.stringify(other)}${SEE_HELP}`)
  return problems.length > 0 || target === undefined
    ? { _tag: "Invalid", problems }
    : { _tag: "Probe", settings: { ...settings, url: target } }
}

/** Whether the probe waits, after the last message, for an ending that it doesn't bring about itself. */
export const waitsForEnding = (settings: ProbeSettings): boolean => awaitsEnding(settings.expect)
