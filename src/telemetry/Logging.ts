/**
 * How the program logs: one line an entry, in one of three formats, on standard output.
 */
import * as Cause from "effect/Cause"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"

/** How an entry is written. */
export type Format = "pretty" | "logfmt" | "json"

/** The names of the log levels, from the most talkative to none. */
export const levelNames = ["trace", "debug", "info", "warn", "error", "fatal", "off"] as const

/** The name of a log level. */
export type Level = (typeof levelNames)[number]

const levels: Readonly<Record<Level, LogLevel.LogLevel>> = {
  trace: LogLevel.Trace,
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warn: LogLevel.Warning,
  error: LogLevel.Error,
  fatal: LogLevel.Fatal,
  off: LogLevel.None
}

interface Entry {
  readonly timestamp: string
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

const plain = (value: unknown): unknown =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value === null
    ? value
    : Inspectable.toStringUnknown(value, 0)

/** Annotations have no order of their own; a person reads these first, and in this one. */
const order = [
  "connection",
  "remote",
  "reason",
  "code",
  "durationMs",
  "messagesIn",
  "messagesOut",
  "bytesIn",
  "bytesOut"
]

const place = ([name]: [string, unknown]): number =>
  order.includes(name) ? order.indexOf(name) : order.length

/** What every line has: no field takes its place. */
const taken: ReadonlySet<string> = new Set(["timestamp", "level", "message"])

const entry = ({ annotations, cause, date, logLevel, message }: Logger.Logger.Options<unknown>): Entry => {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of [...annotations].sort((a, b) => place(a) - place(b)))
    fields[taken.has(name) ? `_${name}` : name] = plain(value)
  if (!Cause.isEmpty(cause)) fields["cause"] = Cause.pretty(cause, { renderErrorCause: true })
  return {
    timestamp: date.toISOString(),
    level: logLevel === LogLevel.Warning ? "warn" : logLevel.label.toLowerCase(),
    message: (Array.isArray(message) ? message : [message]).map((part) => String(plain(part))).join(" "),
    fields
  }
}

/** Values with blanks, quotes or line ends are quoted, so that an entry stays one line of pairs. */
const pair = (name: string, value: unknown): string => {
  const text = String(value)
  return `${name}=${/^[^\s"=\\]+$/.test(text) ? text : JSON.stringify(text)}`
}

const pairs = (fields: Entry["fields"]): ReadonlyArray<string> =>
  Object.entries(fields).map(([name, value]) => pair(name, value))

const json = ({ fields, level, message, timestamp }: Entry): string =>
  JSON.stringify({ timestamp, level, message, ...fields })

const logfmt = ({ fields, level, message, timestamp }: Entry): string =>
  [pair("timestamp", timestamp), pair("level", level), pair("message", message), ...pairs(fields)].join(" ")

const colours: Readonly<Record<string, number>> = {
  trace: 90,
  debug: 90,
  info: 32,
  warn: 33,
  error: 31,
  fatal: 31
}

const pretty =
  (isColoured: boolean) =>
  ({ fields, level, message, timestamp }: Entry): string => {
    const paint = (code: number, text: string) => (isColoured ? `\u001b[${code}m${text}\u001b[0m` : text)
    return [
      paint(90, timestamp.slice(11, 23)),
      paint(colours[level] ?? 0, level.padEnd(5)),
      paint(1, message),
      ...pairs(fields).map((text) => paint(90, text))
    ].join(" ")
  }

/** Replaces the logger of a program. */
export const layer = (options: {
  readonly format: Format
  readonly level: Level
  readonly isColoured: boolean
  /** Writes one line. */
  readonly write: (line: string) => void
}): Layer.Layer<never> => {
  const render =
    options.format === "json" ? json : options.format === "logfmt" ? logfmt : pretty(options.isColoured)
  return Layer.merge(
    Logger.replace(
      Logger.defaultLogger,
      Logger.make((logged) => options.write(`${render(entry(logged))}\n`))
    ),
    Logger.minimumLogLevel(levels[options.level])
  )
}
