/**
 * What can be set on a server.
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { explain, repeated, type Settings, single, toConfigs } from "./config/Option.js"
import * as Value from "./config/Value.js"

/**
 * The options of a server, in the order in which the help lists them. Each is a flag of the program, an environment
 * variable, and a field of `ServerConfig`.
 */
export const options = {
  host: single(
    {
      flag: "host",
      defaultText: ":: (all addresses, IPv6 and IPv4; 0.0.0.0 where IPv6 is off)",
      help: "Address to listen on."
    },
    Value.text("ADDRESS", "an address or the name of a host"),
    "::"
  ),
  port: single(
    { flag: "port", env: ["PORT"], defaultText: "8080", help: "TCP port to listen on; 0 picks a free one." },
    Value.port,
    8080
  ),
  path: single(
    { flag: "path", defaultText: "/echo", help: "Path of the WebSocket endpoint." },
    Value.path,
    "/echo"
  ),
  subprotocols: repeated(
    {
      flag: "subprotocol",
      defaultText: "none",
      help: "Subprotocol to offer; the first one given is preferred."
    },
    Value.subprotocol
  ),
  origins: repeated(
    {
      flag: "origin",
      defaultText: "same origin",
      help: "Origin whose pages may connect: * for any, an exact origin, or https://*.example.com. A list replaces the default."
    },
    Value.origin
  ),
  compression: single(
    { flag: "compression", defaultText: "off", help: "Whether to accept permessage-deflate." },
    Value.toggle,
    false
  ),
  // A string can't hold more than 512 MiB less 24 bytes.
  maxPayload: single(
    {
      flag: "max-payload",
      defaultText: "1MiB",
      help: "Largest message; a larger one closes the connection with 1009."
    },
    Value.size(1, 511 * 1024 ** 2, "1 byte to 511MiB"),
    1024 ** 2
  ),
  closeTimeout: single(
    {
      flag: "close-timeout",
      defaultText: "5s",
      help: "How long a close handshake may take before the TCP connection is destroyed."
    },
    Value.duration,
    Duration.seconds(5)
  ),
  drainTimeout: single(
    {
      flag: "drain-timeout",
      defaultText: "8s",
      help: "How long a whole shutdown may take; then the connections that are left are destroyed."
    },
    Value.duration,
    Duration.seconds(8)
  ),
  drainDelay: single(
    {
      flag: "drain-delay",
      defaultText: "0s",
      help: "How long to go on serving, not ready any more, before draining starts."
    },
    Value.duration,
    Duration.zero
  ),
  drainSpread: single(
    {
      flag: "drain-spread",
      defaultText: "0s",
      help: "Time over which the closes of a shutdown are spread evenly."
    },
    Value.duration,
    Duration.zero
  ),
  shutdownCode: single(
    {
      flag: "shutdown-code",
      defaultText: "1001",
      help: "Close code of a shutdown; some clients reconnect only on 1012."
    },
    Value.closeCode,
    1001
  ),
  tlsCert: single(
    {
      flag: "tls-cert",
      defaultText: "none",
      help: "PEM file with the certificate and its chain; with --tls-key, serves https and wss."
    },
    Value.text("FILE", "the path of a PEM file"),
    undefined
  ),
  tlsKey: single(
    { flag: "tls-key", defaultText: "none", help: "PEM file with the private key of the certificate." },
    Value.text("FILE", "the path of a PEM file"),
    undefined
  )
}

/** The settings of a server. */
export type ServerSettings = Settings<typeof options>

/** Settings as a program writes them: those left out have their defaults. */
export interface ServerOptions {
  /** Address to listen on, by default `::`: all addresses, IPv6 and IPv4. */
  readonly host?: string
  /** TCP port to listen on, by default 8080; 0 picks a free one. */
  readonly port?: number
  /** Path of the WebSocket endpoint, by default `/echo`. */
  readonly path?: string
  /** Subprotocols to offer, in the order of preference; by default none. */
  readonly subprotocols?: ReadonlyArray<string>
  /** Origins whose pages may connect, such as `*`, `https://example.com`, `https://*.example.com`; by default the server's own. */
  readonly origins?: ReadonlyArray<string>
  /** Whether to accept permessage-deflate (RFC 7692), by default not. */
  readonly compression?: boolean
  /** Largest message, in bytes or as `1MiB`; by default 1 MiB. */
  readonly maxPayload?: number | string
  /** How long a close handshake may take, by default 5 seconds; a number is in milliseconds. */
  readonly closeTimeout?: Duration.DurationInput
  /** How long a whole shutdown may take, by default 8 seconds; a number is in milliseconds. */
  readonly drainTimeout?: Duration.DurationInput
  /** How long to go on serving before draining starts, by default not at all; a number is in milliseconds. */
  readonly drainDelay?: Duration.DurationInput
  /** Time over which the closes of a shutdown are spread, by default none; a number is in milliseconds. */
  readonly drainSpread?: Duration.DurationInput
  /** Close code of a shutdown, by default 1001. */
  readonly shutdownCode?: number
  /** PEM file with the certificate and its chain; needs `tlsKey`. */
  readonly tlsCert?: string
  /** PEM file with the private key of the certificate. */
  readonly tlsKey?: string
}

/** Says what is wrong with settings that can each be read, but don't go together. */
export const contradiction = (settings: ServerSettings): string | undefined =>
  (settings.tlsCert === undefined) === (settings.tlsKey === undefined)
    ? undefined
    : "--tls-cert and --tls-key (ANSWERBACK_TLS_CERT and ANSWERBACK_TLS_KEY) go together: give both, or neither"

/** The settings of a server that runs. */
export class ServerConfig extends Context.Tag("answerback/ServerConfig")<ServerConfig, ServerSettings>() {
  /** The settings, read from `ANSWERBACK_*` (and `PORT`). */
  static readonly config: Config.Config<ServerSettings> = Config.mapOrFail(toConfigs(options), (settings) => {
    const problem = contradiction(settings)
    return problem === undefined ? Either.right(settings) : Either.left(ConfigError.InvalidData([], problem))
  })

  /** Reads settings that a program wrote. Fails with a `ConfigError` that says which can't be read, and what is accepted. */
  static readonly make = (
    settings: ServerOptions = {}
  ): Effect.Effect<ServerSettings, ConfigError.ConfigError> =>
    Effect.flatMap(written(settings), (variables) =>
      Effect.withConfigProvider(ServerConfig.config, ConfigProvider.fromMap(variables))
    )

  /** Settings that a program wrote. */
  static readonly layer = (settings?: ServerOptions): Layer.Layer<ServerConfig, ConfigError.ConfigError> =>
    Layer.effect(ServerConfig, ServerConfig.make(settings))

  /** Settings from a `Config`, by default from `ANSWERBACK_*` (and `PORT`). */
  static readonly layerConfig = (
    config: Config.Config<ServerSettings> = ServerConfig.config
  ): Layer.Layer<ServerConfig, ConfigError.ConfigError> => Layer.effect(ServerConfig, config)
}

const millis = (duration: Duration.DurationInput | undefined): string | undefined => {
  if (duration === undefined || typeof duration === "string") return duration
  return `${typeof duration === "number" ? duration : Duration.toMillis(duration)}ms`
}

/** Writes settings as a person would, so that there is one place where they are read. */
const written = (settings: ServerOptions): Either.Either<Map<string, string>, ConfigError.ConfigError> => {
  const texts = [
    [options.host, settings.host],
    [options.port, settings.port?.toString()],
    [options.path, settings.path],
    [options.subprotocols, settings.subprotocols?.join(",")],
    [options.origins, settings.origins?.join(",")],
    [
      options.compression,
      settings.compression === undefined ? undefined : settings.compression ? "on" : "off"
    ],
    [options.maxPayload, settings.maxPayload?.toString()],
    [options.closeTimeout, millis(settings.closeTimeout)],
    [options.drainTimeout, millis(settings.drainTimeout)],
    [options.drainDelay, millis(settings.drainDelay)],
    [options.drainSpread, millis(settings.drainSpread)],
    [options.shutdownCode, settings.shutdownCode?.toString()],
    [options.tlsCert, settings.tlsCert],
    [options.tlsKey, settings.tlsKey]
  ] as const
  const variables = new Map<string, string>()
  for (const [option, text] of texts) {
    const [name] = option.env
    // A variable that is set to nothing counts as not set; a setting that is, is one that can't be read.
    if (text === "" && !option.isRepeatable) {
      return Either.left(ConfigError.InvalidData([name], explain({ text, accepts: option.accepts })))
    }
    if (text !== undefined) variables.set(name, text)
  }
  return Either.right(variables)
}
