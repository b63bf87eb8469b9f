/**
 * A server, its peers, and what was seen of them.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { expect } from "vitest"
import { type ConnectionClosed, type ConnectionEvent, echo, type Handler } from "../../src/index.js"
import { GOING_AWAY, isSendable } from "../../src/protocol/CloseCode.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import { serverWith, type TestServer } from "../support/server.js"
import type { Close, Open } from "./Action.js"
import * as Limits from "./Limits.js"
import { PATIENCE, Peer } from "./Peer.js"
import * as Places from "./Places.js"
import * as Pulse from "./Pulse.js"
import type { Script } from "./Script.js"
import { noteOut } from "./Story.js"
import type { Circumstances } from "./Timeouts.js"

/** How long a handler, and then a peer, may take, in milliseconds: some of them never answer, and all are waited for. */
export const CLOSE_TIMEOUT = 150

/** An event, and when it was seen, by the clock of `performance`. */
export interface Seen {
  readonly event: ConnectionEvent
  readonly at: number
}

/** A peer, and the fibers that work for it. */
export interface Member {
  readonly peer: Peer
  readonly network: number
  readonly connecting: Fiber.RuntimeFiber<void, unknown>
  readonly reading: Fiber.RuntimeFiber<void, unknown>
}

export class World {
  readonly members: Array<Member> = []
  readonly events: Array<Seen> = []
  /** What nobody caught. */
  readonly faults: Array<unknown> = []
  /** For how many milliseconds of a time nothing ran. */
  heldUp: Pulse.Pulse["heldUp"] = () => 0
  /** When a shutdown began. */
  shutdownAt = Number.POSITIVE_INFINITY
  readonly server: TestServer
  readonly script: Script
  /** How many handshakes had been refused before. */
  readonly refusedBefore: ReadonlyMap<number, number>
  readonly #drainTimeout: number
  readonly #runtime: Runtime.Runtime<Scope.Scope>
  /** The first stop of a connection, by the address of its peer, and when it was. */
  readonly #stops = new Map<string, { readonly reason: StopReason; readonly at: number }>()
  /** The shutdown, once it has begun. */
  shutdown: Fiber.RuntimeFiber<void> | undefined

  constructor(
    server: TestServer,
    runtime: Runtime.Runtime<Scope.Scope>,
    script: Script,
    drainTimeout: number,
    refusedBefore: ReadonlyMap<number, number>
  ) {
    this.server = server
    this.script = script
    this.refusedBefore = refusedBefore
    this.#drainTimeout = drainTimeout
    this.#runtime = runtime
  }

  /** What is the same for all connections. */
  get circumstances(): Circumstances {
    const { handlerTime, limits } = this.script
    return { handlerTime, limits, shutdownAt: this.shutdownAt, heldUp: this.heldUp }
  }

  ofKind(kind: ConnectionEvent["_tag"]): ReadonlyArray<Seen> {
    return this.events.filter(({ event }) => event._tag === kind)
  }

  /** What was seen of the connection of a peer. */
  seenOf(remote: string): ReadonlyArray<Seen> {
    return this.events.filter(({ event }) => event.connection.remote === remote)
  }

  /** When a shutdown destroys those that are left. */
  get drainDeadline(): number {
    return this.shutdownAt + this.#drainTimeout
  }

  /** One of those that have not been refused, nor seen the end of TCP. */
  peer(number: number): Peer | undefined {
    const peers = this.members.filter(
      ({ peer: { end, refusal } }) => end === undefined && refusal === undefined
    )
    return peers[number % peers.length]?.peer
  }

  /** Looks at the connections, and tells which peers have one that isn't ending. */
  readonly look: Effect.Effect<ReadonlyArray<Peer>> = Effect.suspend(() => {
    const at = performance.now()
    return Effect.map(this.server.connections.list, (list) => {
      const open = new Map(list.filter(({ state }) => state === "open").map((one) => [one.remote, one]))
      return this.members.flatMap(({ peer }) => {
        const found = open.get(peer.remote ?? "")
        if (found === undefined) return []
        noteOut(peer.story, at, found)
        return [peer]
      })
    })
  })

  open({ isAwaited, network, ...about }: Open) {
    return Effect.gen(this, function* () {
      const { isProxied } = this.script.limits
      // Each has an address of its own, by which its connection is found.
      const address = isProxied ? `2001:db8:0:${network}::${this.members.length + 1}` : undefined
      const peer = new Peer(about, address, Runtime.runFork(this.#runtime))
      const connecting = yield* Effect.forkScoped(peer.connect(this.server.port))
      const reading = yield* Effect.forkScoped(Effect.zipRight(Fiber.await(connecting), peer.read))
      yield* Effect.forkScoped(Effect.zipRight(Fiber.await(connecting), peer.pingOnAndOn))
      this.members.push({ peer, network: isProxied ? network : 0, connecting, reading })
      if (isAwaited) yield* Fiber.await(connecting)
    })
  }

  /** Looks at the connections and does something to them, without anything in between. */
  #atomically<A>(effect: Effect.Effect<A>): A {
    return Runtime.runSync(this.#runtime)(effect)
  }

  stopOne(remote: string | undefined, close: Close): void {
    const { connections } = this.server
    const { found, outcome } = this.#atomically(
      Effect.gen(function* () {
        const found = (yield* connections.list).find((connection) => connection.remote === remote)
        const result = yield* Effect.either(connections.stop(found?.id ?? "none", close))
        return { found, outcome: result._tag === "Right" ? "stopped" : result.left._tag }
      })
    )
    const expected = isSendable(close.code ?? GOING_AWAY) ? "stopped" : "InvalidClose"
    expect(outcome).toBe(found === undefined ? "ConnectionNotFound" : expected)
    if (found?.state === "open" && outcome === "stopped") this.#noteStop(found.remote, close)
  }

  stopAll(close: Close): void {
    const { connections } = this.server
    const { open, stopped } = this.#atomically(
      Effect.gen(function* () {
        const open = (yield* connections.list).filter(({ state }) => state === "open")
        return { open, stopped: yield* Effect.orElseSucceed(connections.stopAll(close), () => "refused") }
      })
    )
    const isValid = isSendable(close.code ?? GOING_AWAY)
    expect(stopped).toBe(isValid ? open.length : "refused")
    if (isValid) for (const { remote } of open) this.#noteStop(remote, close)
  }

  #noteStop(remote: string, { code = GOING_AWAY, reason }: Close): void {
    this.#stops.set(remote, { reason: StopReason.StopSignal({ code, reason }), at: performance.now() })
  }

  get beginShutdown(): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      if (this.shutdown !== undefined) return
      this.shutdownAt = performance.now()
      this.shutdown = yield* Effect.forkDaemon(this.server.shutdown)
    })
  }

  /** Each peer learns of the stop of its connection: some didn't have a name yet when it came. */
  tellStops(): void {
    for (const { peer } of this.members) {
      const stop = this.#stops.get(peer.remote ?? "")
      if (stop !== undefined) peer.story.stop = stop
    }
  }
}

const slowEcho =
  (millis: number): Handler<ConnectionClosed> =>
  (connection) =>
    Stream.runForEach(connection.messages, (message) =>
      Effect.zipRight(Effect.sleep(millis), connection.send(message))
    )

/** Starts a server without peers, and follows what happens. */
export const begin = (script: Script) =>
  Effect.gen(function* () {
    const { handlerTime, isHurried, limits } = script
    const runtime = yield* Effect.runtime<Scope.Scope>()
    const drainTimeout = isHurried ? CLOSE_TIMEOUT / 3 : 2 * PATIENCE
    const refusedBefore = yield* Places.counted
    const server = yield* serverWith(handlerTime === 0 ? echo : slowEcho(handlerTime), {
      ...Limits.optionsOf(limits),
      closeTimeout: CLOSE_TIMEOUT,
      drainTimeout
    })
    const world = new World(server, runtime, script, drainTimeout, refusedBefore)
    world.heldUp = (yield* Pulse.begin(Effect.asVoid(world.look))).heldUp
    yield* server.connections.events.pipe(
      Stream.runForEach((event) => Effect.sync(() => world.events.push({ event, at: performance.now() }))),
      Effect.forkScoped
    )
    // The subscription stands once the fiber waits.
    yield* Effect.yieldNow()
    const onFault = (fault: unknown): void => void world.faults.push(fault)
    yield* Effect.acquireRelease(
      Effect.sync(() => process.on("uncaughtExceptionMonitor", onFault).on("unhandledRejection", onFault)),
      () =>
        Effect.sync(() => process.off("uncaughtExceptionMonitor", onFault).off("unhandledRejection", onFault))
    )
    return world
  })
