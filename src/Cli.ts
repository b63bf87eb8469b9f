/**
 * The command line: flags and environment variables, turned into what to do.
 */
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import * as Arguments from "./config/Arguments.js"
import { explain, type Option, readEach, readVariable, single } from "./config/Option.js"
import { options as serverOptions } from "./config/ServerOptions.js"
import * as Value from "./config/Value.js"
import { contradiction, type ServerSettings } from "./ServerConfig.js"
import * as Logging from "./telemetry/Logging.js"

const programOptions = {
  workers: single(
    {
      flag: "workers",
      defaultText: "1",
      help: "Processes that share the port, and are seen as one server; auto for one a core."
    },
    Value.workers,
    1
  ),
  logFormat: single(
    {
      flag: "log-format",
      defaultText: "pretty on a terminal, else json",
      help: "How a log line is written."
    },
    Value.oneOf("pretty", "logfmt", "json"),
    undefined
  ),
  logLevel: single(
    { flag: "log-level", defaultText: "info", help: "The least important log lines to write." },
    Value.oneOf(...Logging.levelNames),
    "info"
  ),
  otlpUrl: single(
    {
      flag: "otlp-url",
      defaultText: "none",
      help: "Collector of OpenTelemetry that gets traces and metrics by OTLP over HTTP, at /v1/traces and /v1/metrics below this URL."
    },
    Value.httpUrl,
    undefined
  ),
  redisUrl: single(
    {
      flag: "redis-url",
      defaultText: "none",
      help: "Redis 7 or later through which servers see one another's connections. With a password in it better given by the environment: flags can be read by others on the machine."
    },
    Value.redisUrl,
    undefined
  ),
  redisPrefix: single(
    {
      flag: "redis-prefix",
      defaultText: "answerback",
      help: "What the names of keys and channels in Redis begin with: servers with different ones don't see one another."
    },
    Value.redisPrefix,
    "answerback"
  )
}

const allOptions = { ...serverOptions, ...programOptions }

/** What the program was told to do. */
export type Command =
  | { readonly _tag: "Help" }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Invalid"; readonly problems: ReadonlyArray<string> }
  | {
      readonly _tag: "Serve"
      readonly settings: ServerSettings
      readonly workers: number
      readonly logFormat: Logging.Format | undefined
      readonly logLevel: Logging.Level
      readonly otlpUrl: URL | undefined
      readonly redisUrl: Redacted.Redacted<URL> | undefined
      readonly redisPrefix: string
    }

const syntax: Arguments.Syntax = {
  flags: Object.values(allOptions).map(({ flag }) => flag),
  switches: { help: "h", version: "v" }
}

/** Reads the arguments, without the program's own name, and the environment. */
export const parse = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string | undefined>>
): Command => {
  const given = Arguments.read(args, syntax, ": see --help")
  const [asked] = given.switches
  if (asked !== undefined) return { _tag: asked === "help" ? "Help" : "Version" }
  const problems = [
    ...given.problems,
    ...given.positionals.map((text) => `unexpected argument ${JSON.stringify(text)}: see --help`)
  ]

  const read = <A>(option: Option<A>): A => {
    const texts = given.values.get(option.flag)
    if (texts !== undefined) {
      return Either.getOrElse(option.read(texts), (error) => {
        problems.push(`--${option.flag} ${explain(error)}`)
        return option.default
      })
    }
    for (const name of option.env) {
      const value = readVariable(option, environment[name] ?? "")
      if (value === undefined) continue
      return Either.getOrElse(value, (error) => {
        problems.push(`${name} ${explain(error)}`)
        return option.default
      })
    }
    return option.default
  }
  const { logFormat, logLevel, otlpUrl, redisPrefix, redisUrl, workers, ...settings } = readEach(
    allOptions,
    read
  )
  const problem = contradiction(settings)
  if (problem !== undefined) problems.push(problem)
  return problems.length > 0
    ? { _tag: "Invalid", problems }
    : { _tag: "Serve", settings, workers, logFormat, logLevel, otlpUrl, redisUrl, redisPrefix }
}

const describe = ({ defaultText, env, flag, help, isRepeatable, placeholder }: Option<unknown>): string =>
  [
    `  --${flag} ${placeholder}${isRepeatable ? "   (repeatable)" : ""}`,
    Arguments.wrap(help, "      "),
    Arguments.wrap(
      `Default: ${defaultText}. Environment: ${env.join(", else ")}${isRepeatable ? " (comma separated)" : ""}.`,
      "      "
    )
  ].join("\n")

/** The help, in the order in which a person reads it. */
export const help = (): string => `answerback: a WebSocket echo server that always has the last word

Usage: answerback [options]
       answerback probe [options] URL     the client's side: see probe --help

Every option is a flag and an environment variable; the flag wins. Durations are
written as 500ms, 30s, 2m or "30 seconds", sizes as bytes, 64KiB or 1MiB.

Options:
${Object.values(allOptions).map(describe).join("\n")}
  -h, --help
      Show this help.
  -v, --version
      Show the version.

Signals: SIGTERM and SIGINT drain the connections and end the program with exit
code 0; a second one ends it at once. Exit code 1: it could not start; 2: an
option can't be read.
`
