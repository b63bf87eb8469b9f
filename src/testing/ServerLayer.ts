/**
 * A real server, for tests with sockets.
 */
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Handler } from "../connection/Handler.js"
import type { StartError } from "../http/StartError.js"
import { Connections } from "../registry/Connections.js"
import type * as Endpoint from "../server/Endpoint.js"
import type { ServerOptions } from "../ServerConfig.js"
import * as WebSocketServer from "../WebSocketServer.js"
import * as Endings from "./Endings.js"

/** Follows the connections of a server from the first to the last. */
const followed = <E, R>(
  server: Layer.Layer<WebSocketServer.Provided, E, R>
): Layer.Layer<WebSocketServer.Provided, E, R> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      // Closed after the server, whose last connections end with it.
      const scope = yield* Effect.acquireRelease(Scope.make(), Scope.close)
      const context = yield* Layer.build(server)
      const connections = Context.get(context, Connections)
      Endings.remember(connections, yield* Scope.extend(Endings.follow(connections), scope))
      return context
    })
  )

const isEndpoint = (
  served: Endpoint.Endpoint<unknown> | Endpoint.Endpoints
): served is Endpoint.Endpoint<unknown> => "admit" in served && "limits" in served

/**
 * The real server as a Layer, on 127.0.0.1 and a free port: with a handler or an endpoint, at `/echo` unless `path` says
 * otherwise, or with endpoints by their paths. Provides `WebSocketServer`, which tells the address, and `Connections`.
 *
 * @example
 * ```ts
 * import { Connections, echo, Endpoint, WebSocketServer } from "answerback"
 * import * as Testing from "answerback/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     const { port } = yield* WebSocketServer.WebSocketServer
 *     const client = yield* Testing.client(`ws://127.0.0.1:${port}/small`)
 *     yield* client.send("more than four bytes")
 *     yield* Testing.expectStop(client, "ProtocolError")
 *     return yield* Effect.flatMap(Connections, ({ count }) => count)
 *   })
 * ).pipe(
 *   Effect.provide(Testing.layerServer({ "/small": Endpoint.make({ maxPayload: 4, handler: echo }) }))
 * )
 * ```
 */
export function layerServer<R>(
  endpoint: Endpoint.Endpoint<R>,
  options?: ServerOptions
): Layer.Layer<WebSocketServer.Provided, StartError | ConfigError.ConfigError, Exclude<R, Connections>>
export function layerServer<E, R>(
  handler: Handler<E, R>,
  options?: ServerOptions
): Layer.Layer<
  WebSocketServer.Provided,
  StartError | ConfigError.ConfigError,
  Exclude<Exclude<R, Scope.Scope>, Connections>
>
export function layerServer<const E extends Endpoint.Endpoints>(
  endpoints: E,
  options?: Omit<ServerOptions, "path">
): Layer.Layer<
  WebSocketServer.Provided,
  StartError | ConfigError.ConfigError,
  Exclude<Endpoint.Requires<E>, Connections>
>
export function layerServer<R>(
  served: Handler<unknown, R> | Endpoint.Endpoint<R> | Readonly<Record<string, Endpoint.Endpoint<R>>>,
  options: ServerOptions = {}
): Layer.Layer<WebSocketServer.Provided, StartError | ConfigError.ConfigError, unknown> {
  const local: ServerOptions = { host: "127.0.0.1", port: 0, ...options }
  if (typeof served === "function") return followed(WebSocketServer.layer(served, local))
  const { path = "/echo" } = options
  return followed(WebSocketServer.layerEndpoints(isEndpoint(served) ? { [path]: served } : served, local))
}
