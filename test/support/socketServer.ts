/**
 * A server that is the platform's `SocketServer`, on a free port.
 */
import * as SocketServer from "@effect/platform/SocketServer"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ServerOptions } from "../../src/index.js"
import { layerServer } from "../../src/Socket.js"
import { serverOf, type TestServer } from "./server.js"

/** One that something runs on, as a layer does. */
export const servingSockets = (
  service: Layer.Layer<never, unknown, SocketServer.SocketServer>,
  options?: ServerOptions
): Effect.Effect<TestServer, unknown, Scope.Scope> =>
  serverOf(Layer.provideMerge(service, layerServer({ host: "127.0.0.1", port: 0, ...options })))

/** One that the test runs something on. */
export const socketServer = (
  options?: ServerOptions
): Effect.Effect<TestServer & Context.Tag.Service<SocketServer.SocketServer>, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const found = yield* Deferred.make<Context.Tag.Service<SocketServer.SocketServer>>()
    const server = yield* servingSockets(
      Layer.effectDiscard(Effect.flatMap(SocketServer.SocketServer, (it) => Deferred.succeed(found, it))),
      options
    )
    return { ...server, ...(yield* Deferred.await(found)) }
  })
