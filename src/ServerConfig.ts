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
import * as Redacted from "effect/Redacted"
import { explain, type Settings, toConfigs } from "./config/Option.js"
import { options } from "./config/ServerOptions.js"

/**
 * The settings of a server.
 *
 * @example
 * ```ts
 * import { EchoServer, ServerConfig, type ServerSettings } from "answerback"
 * import { Config } from "effect"
 *
 * // What the environment says, but no console.
 * const settings: Config.Config<ServerSettings> = Config.map(ServerConfig.config, (read) => ({
 *   ...read,
 *   console: false
 * }))
 * export const Echo = EchoServer.layerConfig(settings)
 * ```
 */
export type ServerSettings = Settings<typeof options>

/**
 * A length of time, or `off`. A number is in milliseconds.
 *
 * @example
 * ```ts
 * import { echo, type Timeout, WebSocketServer } from "answerback"
 *
 * export const patient = (idleTimeout: Timeout) => WebSocketServer.layer(echo, { idleTimeout })
 * ```
 */
export type Timeout = Duration.DurationInput | "off"

/**
 * Settings as a program writes them: those left out have their defaults.
 *
 * @example
 * ```ts
 * import { echo, type ServerOptions, WebSocketServer } from "answerback"
 *
 * const options: ServerOptions = {
 *   port: 8080,
 *   path: "/chat",
 *   origins: ["https://example.com"],
 *   maxPayload: "64KiB",
 *   idleTimeout: "5 minutes",
 *   maxConnectionsPerAddress: 20
 * }
 * export const Server = WebSocketServer.layer(echo, options)
 * ```
 */
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
  /** Addresses and networks (CIDR) of proxies whose `X-Forwarded-For` tells the peer's address; by default none. */
  readonly trustedProxies?: ReadonlyArray<string>
  /** How many connections may be open, by default 10,000. */
  readonly maxConnections?: number | "off"
  /** How many connections one address (IPv6: one /64 network) may have open, by default any number. */
  readonly maxConnectionsPerAddress?: number | "off"
  /** How long a TCP peer may take to finish its HTTP request, by default 10 seconds; a number is in milliseconds. */
  readonly handshakeTimeout?: Timeout
  /** Quiet time after which the peer is pinged, by default 25 seconds; a number is in milliseconds. */
  readonly heartbeatInterval?: Timeout
  /** How long after a ping without a byte from the peer it is dead, by default 10 seconds; a number is in milliseconds. */
  readonly heartbeatTimeout?: Timeout
  /** How long a connection may go without a message, by default for ever; a number is in milliseconds. */
  readonly idleTimeout?: Timeout
  /** How old a connection may become, 10 % more or less, by default any age; a number is in milliseconds. */
  readonly maxLifetime?: Timeout
  /** How long outbound data may be stuck, by default 30 seconds; a number is in milliseconds. */
  readonly sendTimeout?: Timeout
  /** Outbound bytes buffered on a connection before its reading pauses, in bytes or as `64KiB`; by default 64 KiB. */
  readonly highWaterMark?: number | string
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
  /** Whether clients of the echo may ask for faults in the URL that they connect to, by default they may. */
  readonly faults?: boolean
  /** Whether `GET /` is the browser console, by default it is. A program that others reach may want it off. */
  readonly console?: boolean
  /** What the admin API wants as `Authorization: Bearer TOKEN`; without one it answers only this machine. */
  readonly adminToken?: string | Redacted.Redacted
  /** PEM file with the certificate and its chain; needs `tlsKey`. */
  readonly tlsCert?: string
  /** PEM file with the private key of the certificate. */
  readonly tlsKey?: string
}

/** The settings that each endpoint of a server may have for itself. */
const ofEndpoints = [
  "subprotocols",
  "origins",
  "compression",
  "maxPayload",
  "maxConnections",
  "maxConnectionsPerAddress",
  "heartbeatInterval",
  "heartbeatTimeout",
  "idleTimeout",
  "maxLifetime",
  "sendTimeout",
  "highWaterMark",
  "closeTimeout"
] as const satisfies ReadonlyArray<keyof ServerOptions & keyof ServerSettings>

/**
 * Limits and policies of an endpoint. `maxConnections` and `maxConnectionsPerAddress` count beside those of the server.
 *
 * @example
 * ```ts
 * import { echo, Endpoint, type Limits } from "answerback"
 *
 * const strict: Limits = { maxPayload: "4KiB", maxConnectionsPerAddress: 10, idleTimeout: "1 minute" }
 * export const endpoint = Endpoint.make({ ...strict, handler: echo })
 * ```
 */
export interface Limits extends Pick<ServerOptions, (typeof ofEndpoints)[number]> {}

/** Says what is wrong with settings that can each be read, but don't go together. */
export const contradiction = (settings: ServerSettings): string | undefined =>
  (settings.tlsCert === undefined) === (settings.tlsKey === undefined)
    ? undefined
    : "--tls-cert and --tls-key (ANSWERBACK_TLS_CERT and ANSWERBACK_TLS_KEY) go together: give both, or neither"

/**
 * The settings of a server that runs.
 *
 * @example
 * ```ts
 * import { EchoServer, ServerConfig } from "answerback"
 * import { Effect, Layer } from "effect"
 *
 * // The settings as they have been read, for others than the server, too.
 * const Announced = Layer.effectDiscard(
 *   Effect.flatMap(ServerConfig, ({ maxConnections }) => Effect.log(`room for ${maxConnections} connections`))
 * )
 * export const Program = Layer.merge(EchoServer.fromConfig, Announced).pipe(
 *   Layer.provide(ServerConfig.layer({ maxConnections: 500 }))
 * )
 * ```
 */
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

  /** The settings of an endpoint: its own, and for the rest those of its server. */
  static readonly within = (
    settings: ServerSettings,
    limits: Limits
  ): Effect.Effect<ServerSettings, ConfigError.ConfigError> =>
    Effect.map(ServerConfig.make(limits), (own) => ({
      ...settings,
      ...Object.fromEntries(
        ofEndpoints.flatMap((name) => (limits[name] === undefined ? [] : [[name, own[name]]]))
      )
    }))

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

const timeout = (duration: Timeout | undefined): string | undefined => {
  const isNever =
    duration === Number.POSITIVE_INFINITY ||
    (typeof duration === "object" && Duration.equals(duration, Duration.infinity))
  return isNever || duration === "off" ? "off" : millis(duration)
}

const toggle = (isOn: boolean | undefined): string | undefined =>
  isOn === undefined ? undefined : isOn ? "on" : "off"

const reveal = (secret: string | Redacted.Redacted | undefined): string | undefined =>
  Redacted.isRedacted(secret) ? Redacted.value(secret) : secret

const count = (number: number | "off" | undefined): string | undefined =>
  number === Number.POSITIVE_INFINITY ? "off" : number?.toString()

/** Writes settings as a person would, so that there is one place where they are read. */
const written = (settings: ServerOptions): Either.Either<Map<string, string>, ConfigError.ConfigError> => {
  const texts = [
    [options.host, settings.host],
    [options.port, settings.port?.toString()],
    [options.path, settings.path],
    [options.subprotocols, settings.subprotocols?.join(",")],
    [options.origins, settings.origins?.join(",")],
    [options.compression, toggle(settings.compression)],
    [options.trustedProxies, settings.trustedProxies?.join(",")],
    [options.maxPayload, settings.maxPayload?.toString()],
    [options.maxConnections, count(settings.maxConnections)],
    [options.maxConnectionsPerAddress, count(settings.maxConnectionsPerAddress)],
    [options.handshakeTimeout, timeout(settings.handshakeTimeout)],
    [options.heartbeatInterval, timeout(settings.heartbeatInterval)],
    [options.heartbeatTimeout, timeout(settings.heartbeatTimeout)],
    [options.idleTimeout, timeout(settings.idleTimeout)],
    [options.maxLifetime, timeout(settings.maxLifetime)],
    [options.sendTimeout, timeout(settings.sendTimeout)],
    [options.highWaterMark, settings.highWaterMark?.toString()],
    [options.closeTimeout, millis(settings.closeTimeout)],
    [options.drainTimeout, millis(settings.drainTimeout)],
    [options.drainDelay, millis(settings.drainDelay)],
    [options.drainSpread, millis(settings.drainSpread)],
    [options.shutdownCode, settings.shutdownCode?.toString()],
    [options.faults, toggle(settings.faults)],
    [options.console, toggle(settings.console)],
    [options.adminToken, reveal(settings.adminToken)],
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
