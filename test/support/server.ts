/**
 * A server inside the test's own process, on a free port of the loopback interface.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import {
  Connections,
  EchoServer,
  type Faults,
  type Handler,
  type ServerOptions,
  WebSocketServer
} from "../../src/index.js"
import * as Logging from "../../src/telemetry/Logging.js"
import * as Log from "./Log.js"

/** A server that listens. */
export interface TestServer {
  readonly host: string
  readonly port: number
  /** What a client connects to. */
  readonly url: string
  /** The lines logged so far. */
  readonly logs: ReadonlyArray<Log.Line>
  /** Waits for a line. */
  readonly logged: (message: string, fields?: Log.Line) => Effect.Effect<Log.Line, Error>
  readonly connections: Context.Tag.Service<Connections>
  /** Closes the scope of the server, and waits for it. */
  readonly shutdown: Effect.Effect<void>
}

/** A server of a layer that provides it. */
export const serverOf = (
  layer: Layer.Layer<WebSocketServer.Provided, unknown>
): Effect.Effect<TestServer, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const log = Log.make()
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const logging = Logging.layer({ format: "json", level: "debug", isColoured: false, write: log.write })
    const context = yield* Layer.buildWithScope(Layer.provide(layer, logging), scope)
    const address = Context.get(context, WebSocketServer.WebSocketServer)
    return {
      host: address.host,
      port: address.port,
      url: address.webSocketUrl,
      logs: log.lines,
      logged: log.logged,
      connections: Context.get(context, Connections),
      // As a program's end does: nothing cuts it short.
      shutdown: Effect.uninterruptible(Scope.close(scope, Exit.void))
    }
  })

const local: ServerOptions = { host: "127.0.0.1", port: 0 }

/** A server with a handler of the test's own, and maybe faults of its own. */
export const serverWith = <E>(
  handler: Handler<E>,
  options: ServerOptions = {},
  faults?: Layer.Layer<Faults.Faults>
): Effect.Effect<TestServer, unknown, Scope.Scope> => {
  const layer = WebSocketServer.layer(handler, { ...local, ...options })
  return serverOf(faults === undefined ? layer : Layer.provide(layer, faults))
}

/** An echo server, whose clients may ask for faults. */
export const testServer = (options?: ServerOptions): Effect.Effect<TestServer, unknown, Scope.Scope> =>
  serverOf(EchoServer.layer({ ...local, ...options }))
