/**
 * The echo server: a WebSocket server whose handler is the echo.
 */
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { echo } from "./connection/Echo.js"
import * as Faults from "./faults/Faults.js"
import type { StartError } from "./http/StartError.js"
import { ServerConfig, type ServerOptions, type ServerSettings } from "./ServerConfig.js"
import * as Endpoint from "./server/Endpoint.js"
import * as WebSocketServer from "./WebSocketServer.js"

/**
 * An echo server with the settings that it is given, whose clients may ask for faults in their URLs.
 *
 * @example
 * ```ts
 * import { EchoServer, ServerConfig } from "answerback"
 * import { Effect, Layer } from "effect"
 *
 * // The settings are what the environment says, but for the port.
 * const Settings = Layer.effect(
 *   ServerConfig,
 *   Effect.map(ServerConfig.config, (settings) => ({ ...settings, port: 0 }))
 * )
 * export const Echo = EchoServer.fromConfig.pipe(Layer.provide(Settings))
 * ```
 */
export const fromConfig: Layer.Layer<
  WebSocketServer.Provided,
  StartError | ConfigError.ConfigError,
  ServerConfig
> = Layer.scopedContext(
  Effect.flatMap(ServerConfig, ({ path }) => WebSocketServer.make({ [path]: Endpoint.make(echo) }))
).pipe(Layer.provide(Layer.unwrapEffect(Effect.map(ServerConfig, ({ faults }) => Faults.layerUrl(faults)))))

/**
 * An echo server with settings that a program wrote.
 *
 * @example
 * ```ts
 * import { EchoServer, WebSocketServer } from "answerback"
 * import { Effect } from "effect"
 *
 * // A server for the test of a client, on a free port, gone when the test is over.
 * export const test = Effect.gen(function* () {
 *   const { webSocketUrl } = yield* WebSocketServer.WebSocketServer
 *   yield* Effect.log(`connect to ${webSocketUrl}?fault=reset&after=3msg`)
 * }).pipe(Effect.provide(EchoServer.layer({ host: "127.0.0.1", port: 0 })))
 * ```
 */
export const layer = (
  options?: ServerOptions
): Layer.Layer<WebSocketServer.Provided, StartError | ConfigError.ConfigError> =>
  Layer.provide(fromConfig, ServerConfig.layer(options))

/**
 * An echo server with settings from a `Config`, by default from `ANSWERBACK_*`.
 *
 * @example
 * ```ts
 * import { NodeRuntime } from "@effect/platform-node"
 * import { EchoServer } from "answerback"
 * import { Layer } from "effect"
 *
 * // Configured as the program `answerback` is: ANSWERBACK_PORT=9000 node echo.js
 * NodeRuntime.runMain(Layer.launch(EchoServer.layerConfig()))
 * ```
 */
export const layerConfig = (
  config?: Config.Config<ServerSettings>
): Layer.Layer<WebSocketServer.Provided, StartError | ConfigError.ConfigError> =>
  Layer.provide(fromConfig, ServerConfig.layerConfig(config))
