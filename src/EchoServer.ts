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

/** An echo server with the settings that it is given, whose clients may ask for faults in their URLs. */
export const fromConfig: Layer.Layer<
  WebSocketServer.Provided,
  StartError | ConfigError.ConfigError,
  ServerConfig
> = Layer.scopedContext(
  Effect.flatMap(ServerConfig, ({ path }) => WebSocketServer.make({ [path]: Endpoint.make(echo) }))
).pipe(Layer.provide(Layer.unwrapEffect(Effect.map(ServerConfig, ({ faults }) => Faults.layerUrl(faults)))))

/** An echo server with settings that a program wrote. */
export const layer = (
  options?: ServerOptions
): Layer.Layer<WebSocketServer.Provided, StartError | ConfigError.ConfigError> =>
  Layer.provide(fromConfig, ServerConfig.layer(options))

/** An echo server with settings from a `Config`, by default from `ANSWERBACK_*`. */
export const layerConfig = (
  config?: Config.Config<ServerSettings>
): Layer.Layer<WebSocketServer.Provided, StartError | ConfigError.ConfigError> =>
  Layer.provide(fromConfig, ServerConfig.layerConfig(config))
