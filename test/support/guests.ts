/**
 * Connections without a network that do nothing by themselves: what is sent on them is up to the test.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection } from "../../src/connection/Connection.js"
import type { MemoryTransport, MemoryTransportOptions } from "./MemoryTransport.js"
import { serve, type Server } from "./registry.js"
import { settle } from "./timeless.js"

/** A connection, and the other end of it. */
export interface Guest {
  readonly connection: Connection
  readonly transport: MemoryTransport
}

/** Opens so many, on a server of their own. */
export const guests = (
  count: number,
  options?: MemoryTransportOptions,
  around?: Parameters<typeof serve>[2]
): Effect.Effect<{ readonly server: Server; readonly guests: ReadonlyArray<Guest> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const connections: Array<Connection> = []
    const server = yield* serve(
      (connection) =>
        Effect.zipRight(
          Effect.sync(() => connections.push(connection)),
          Effect.never
        ),
      {},
      around
    )
    const transports = server.openMany(count, options)
    yield* settle
    return {
      server,
      guests: connections.flatMap((connection, i) => {
        const transport = transports[i]
        return transport === undefined ? [] : [{ connection, transport }]
      })
    }
  })

/** Opens one. */
export const guest = (options?: MemoryTransportOptions): Effect.Effect<Guest, never, Scope.Scope> =>
  Effect.flatMap(guests(1, options), ({ guests: [one] }) =>
    one === undefined ? Effect.dieMessage("it wasn't opened") : Effect.succeed(one)
  )
