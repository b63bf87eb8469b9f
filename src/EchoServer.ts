/**
 * The echo server: a WebSocket server whose handler is the echo.
 */
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import { echo } from "./connection/Echo.js"
import type { StartError } from "./http/StartError.js"
import type { ServerOptions, ServerSettings } from "./ServerConfig.js"
import * as WebSocketServer from "./WebSocketServer.js"

/** An echo server with settings that a program wrote. */
export const layer = (
  options?: ServerOptions
): Layer.Layer<WebSocketServer.Provided, StartError | ConfigError.ConfigError> =>
  WebSocketServer.layer(echo, options)

/** An echo server with settings from a `Config`, by default from `ANSWERBACK_*`. */
export const layerConfig = (
  config?: Config.Config<ServerSettings>
): Layer.Layer<WebSocketServer.Provided, StartError | ConfigError.ConfigError> =>
  WebSocketServer.layerConfig(echo, config)
