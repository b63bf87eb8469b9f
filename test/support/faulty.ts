/**
 * Connections on which something goes wrong, without a network: the test is the peer, the kernel and the clock.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { ConnectionClosed } from "../../src/connection/ConnectionClosed.js"
import type { Handler } from "../../src/connection/Handler.js"
import { echo } from "../../src/connection/Echo.js"
import type { WatchOptions } from "../../src/connection/Watch.js"
import * as FaultPlan from "../../src/faults/FaultPlan.js"
import * as Faults from "../../src/faults/Faults.js"
import type { ConnectionId } from "../../src/protocol/ConnectionId.js"
import type { ConnectionInfo } from "../../src/registry/ConnectionInfo.js"
import { describeAction } from "./life.js"
import { MemoryTransport, type MemoryTransportOptions } from "./MemoryTransport.js"
import { serve } from "./registry.js"
import { settle } from "./timeless.js"

/** Reads a plan for a connection, written as in a URL. */
export const planOf = (query: string): FaultPlan.ConnectionPlan => {
  const plan = Either.getOrThrow(FaultPlan.fromQuery(new URLSearchParams(query)))
  if (plan === undefined || FaultPlan.isOfHandshake(plan))
    throw new Error(`no plan for a connection: ${query}`)
  return plan
}

/** A connection on which something goes wrong. */
export interface FaultyConnection {
  readonly id: ConnectionId
  readonly transport: MemoryTransport
  /** What was done to the wire, in order, one line each. */
  readonly trail: Array<string>
  /** One read brings these messages; what comes of them happens before any other. */
  readonly says: (...texts: ReadonlyArray<string>) => Effect.Effect<void>
  /** Lets something else go wrong. */
  readonly apply: (query: string) => Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  readonly info: Effect.Effect<ConnectionInfo>
}

/** A server without a network. */
export interface FaultyServer {
  readonly faults: Context.Tag.Service<Faults.Faults>
  readonly count: Effect.Effect<number>
  readonly open: (query: string, options?: MemoryTransportOptions) => Effect.Effect<FaultyConnection>
}

/** How a stop by an operator is said. */
export const STOPPED = "close 4000 enough"

/** What a text is on the wire, as the trail of a connection tells it. */
export const raw = (bytes: Uint8Array): string => `raw ${Buffer.from(bytes).toString("hex")}`

/** Starts a server. Its high-water mark is that of its connections too, and by default more than any test writes. */
export const serveFaulty = (
  options: {
    readonly handler?: Handler<ConnectionClosed>
    readonly watch?: Partial<WatchOptions>
    readonly highWaterMark?: number
  } = {}
): Effect.Effect<FaultyServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { highWaterMark = 1_000_000 } = options
    const faults = Context.get(yield* Layer.build(Faults.layer()), Faults.Faults)
    const { accept, connections } = yield* serve(options.handler ?? echo, options.watch)
    const wrap = faults.wrapper(highWaterMark)
    const open: FaultyServer["open"] = (query, transportOptions) =>
      Effect.gen(function* () {
        const trail: Array<string> = []
        const transport = new MemoryTransport({
          highWaterMark,
          ...transportOptions,
          onAction: (action) => trail.push(...describeAction(action))
        })
        transports.push(transport)
        const faulty = wrap(transport, query === "" ? undefined : planOf(query))
        const id = accept(faulty)
        if (id === undefined) return yield* Effect.dieMessage("the server accepts no more connections")
        faulty.opened(id)
        return {
          id,
          transport,
          trail,
          says: (...texts) =>
            Effect.zipRight(
              Effect.sync(() => transport.deliver(...texts)),
              settle
            ),
          apply: (query) => Effect.orDie(Effect.zipRight(faults.apply(id, planOf(query)), settle)),
          stop: Effect.orDie(Effect.zipRight(connections.stop(id, { code: 4000, reason: "enough" }), settle)),
          info: Effect.orDie(connections.get(id))
        }
      })
    const transports: Array<MemoryTransport> = []
    // The end of a test must not wait for peers that don't answer.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const transport of transports) transport.socketCloses()
      })
    )
    return { faults, open, count: connections.count }
  })

/** Opens a connection of a server of its own, and lets come what comes at once. */
export const faulty = (
  query: string,
  options: Parameters<typeof serveFaulty>[0] & { readonly transport?: MemoryTransportOptions } = {}
): Effect.Effect<FaultyConnection, never, Scope.Scope> =>
  Effect.gen(function* () {
    const server = yield* serveFaulty(options)
    const connection = yield* server.open(query, options.transport)
    yield* settle
    return connection
  })

/** So many texts, all different. */
export const numbered = (count: number, from = 1): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => String(from + i))
