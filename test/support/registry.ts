/**
 * The connections of a server, whose peers are in the hands of the test.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { About } from "../../src/connection/About.js"
import type { Handler } from "../../src/connection/Handler.js"
import type { Transport } from "../../src/connection/Transport.js"
import type { WatchOptions } from "../../src/connection/Watch.js"
import type { ConnectionId } from "../../src/protocol/ConnectionId.js"
import * as Registry from "../../src/registry/Registry.js"
import { MemoryTransport, type MemoryTransportOptions } from "./MemoryTransport.js"

/** How long a handler, and then a peer, may take, in milliseconds. */
export const CLOSE_TIMEOUT = 5000

/** No limits of time. */
export const unwatched: WatchOptions = {
  heartbeatInterval: Number.POSITIVE_INFINITY,
  heartbeatTimeout: Number.POSITIVE_INFINITY,
  idleTimeout: Number.POSITIVE_INFINITY,
  maxLifetime: Number.POSITIVE_INFINITY,
  sendTimeout: Number.POSITIVE_INFINITY
}

/** A server without a network. */
export interface Server {
  readonly registry: Registry.Registry
  readonly connections: Registry.Registry["connections"]
  /** Begins the life of a connection, by default at `/echo`. Gives its id, unless the server drains. */
  readonly accept: (transport: Transport, about?: About) => ConnectionId | undefined
  /** Opens a connection. */
  readonly open: (options?: MemoryTransportOptions) => MemoryTransport
  /** Opens some, with the ports 1, 2, 3 …. */
  readonly openMany: (count: number, options?: MemoryTransportOptions) => ReadonlyArray<MemoryTransport>
  readonly close: Effect.Effect<void>
}

/** Starts one. Its transports may have something around them. */
export const serve = <E>(
  handler: Handler<E>,
  watch: Partial<WatchOptions> = {},
  around: (inner: MemoryTransport) => Transport = (inner) => inner
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const transports: Array<MemoryTransport> = []
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        // The end of a test must not wait for peers that don't answer.
        for (const transport of transports) transport.socketCloses()
        return Scope.close(scope, Exit.void)
      })
    )
    const registry = yield* Scope.extend(Registry.make(), scope)
    const begin = yield* registry.accepting({
      closeTimeout: Duration.millis(CLOSE_TIMEOUT),
      watch: { ...unwatched, ...watch }
    })
    const surroundings = yield* registry.surroundings<never>()
    const accept: Server["accept"] = (transport, about = { path: "/echo", subprotocol: undefined }) =>
      begin(transport, about, (connection) => handler(connection), surroundings)?.id
    const open: Server["open"] = (options) => {
      const transport = new MemoryTransport(options)
      transports.push(transport)
      accept(around(transport))
      return transport
    }
    return {
      registry,
      connections: registry.connections,
      accept,
      open,
      openMany: (count, options) =>
        Array.from({ length: count }, (_, i) => open({ ...options, remote: `192.0.2.1:${i + 1}` })),
      close: Scope.close(scope, Exit.void)
    }
  })
