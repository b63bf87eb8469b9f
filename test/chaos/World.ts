/**
 * A server, its peers, and what was seen of them.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import type { ConnectionEvent, ConnectionInfo, Faults } from "../../src/index.js"
import * as FaultPlan from "../../src/faults/FaultPlan.js"
import { GOING_AWAY, isSendable } from "../../src/protocol/CloseCode.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import type { TestServer } from "../support/server.js"
import type { Close, Open } from "./Action.js"
import { FaultHistory } from "./FaultHistory.js"
import * as Ledgers from "./Ledgers.js"
import { Peer } from "./Peer.js"
import type * as Pulse from "./Pulse.js"
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
  /** What was wrong with the list when somebody looked. */
  readonly oddities: Array<string> = []
  readonly ledgers: Ledgers.Ledgers
  /** What makes things go wrong. */
  readonly spoiler: Context.Tag.Service<Faults.Faults>
  /** The fibers that it has, as long as they live. */
  readonly spoilers: Effect.Effect<number>
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
    script: Script,
    made: Pick<World, "ledgers" | "refusedBefore" | "server" | "spoiler" | "spoilers"> & {
      readonly runtime: Runtime.Runtime<Scope.Scope>
      readonly drainTimeout: number
    }
  ) {
    this.script = script
    this.server = made.server
    this.ledgers = made.ledgers
    this.spoiler = made.spoiler
    this.spoilers = made.spoilers
    this.refusedBefore = made.refusedBefore
    this.#drainTimeout = made.drainTimeout
    this.#runtime = made.runtime
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

  /** One of those that have not been refused, nor seen the end of TCP; with `LATEST` the one that came last. */
  peer(number: number): Peer | undefined {
    const peers = this.members.filter(({ peer: { end, isShutOut } }) => end === undefined && !isShutOut)
    return peers.at(number % peers.length)?.peer
  }

  /** Looks at the connections, and tells which peers have one that isn't ending. */
  readonly look: Effect.Effect<ReadonlyArray<Peer>> = Effect.suspend(() => {
    const at = performance.now()
    return Effect.map(this.server.connections.list, (list) => {
      const open = new Map(list.filter(({ state }) => state !== "stopping").map((one) => [one.remote, one]))
      return this.members.flatMap(({ peer }) => {
        const found = open.get(peer.remote ?? "")
        if (found === undefined) return []
        noteOut(peer.story, at, found)
        this.oddities.push(...Ledgers.oddities(peer.story, at, found, this.heldUp))
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
      const plan = about.fault
      const isLater = plan === undefined || FaultPlan.isOfHandshake(plan)
      peer.story.faults = new FaultHistory(isLater ? undefined : plan, () =>
        this.ledgers.get(peer.remote ?? "")
      )
      const connecting = yield* Effect.forkScoped(peer.connect(this.server.port))
      const reading = yield* Effect.forkScoped(Effect.zipRight(Fiber.await(connecting), peer.read))
      yield* Effect.forkScoped(Effect.zipRight(Fiber.await(connecting), peer.pingOnAndOn))
      this.members.push({ peer, network: isProxied ? network : 0, connecting, reading })
      if (isAwaited && plan?.fault !== "hang") yield* Fiber.await(connecting)
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
    if (found !== undefined && found.state !== "stopping" && outcome === "stopped")
      this.#noteStop(found.remote, close)
  }

  stopAll(close: Close): void {
    const { connections } = this.server
    const { open, stopped } = this.#atomically(
      Effect.gen(function* () {
        const open = (yield* connections.list).filter(({ state }) => state !== "stopping")
        return { open, stopped: yield* Effect.orElseSucceed(connections.stopAll(close), () => "refused") }
      })
    )
    const isValid = isSendable(close.code ?? GOING_AWAY)
    expect(stopped).toBe(isValid ? open.length : "refused")
    if (isValid) for (const { remote } of open) this.#noteStop(remote, close)
  }

  /** Lets something go wrong with a connection. */
  spoil(peer: Peer | undefined, plan: FaultPlan.ConnectionPlan): void {
    const history = peer?.story.faults
    const at = performance.now()
    if (history?.mayBeResetting(at, this.heldUp) === true) return
    const ledger = this.ledgers.get(peer?.remote ?? "")
    // What was drawn for the one before isn't told any more afterwards.
    const seed = Number(ledger?.connection.remarks["seed"] ?? Number.NaN)
    const { after, before, outcome } = this.#atomically(
      Effect.gen(this, function* () {
        const find = Effect.map(this.server.connections.list, (list) =>
          list.find(({ remote }) => remote === peer?.remote)
        )
        const before: ConnectionInfo | undefined = yield* find
        const result = yield* Effect.either(this.spoiler.apply(before?.id ?? "none", plan))
        return { before, after: yield* find, outcome: result._tag }
      })
    )
    // One whose TCP has ended may be in the list for a moment longer.
    if (before?.state !== "stopping") expect(outcome).toBe(before === undefined ? "Left" : "Right")
    if (history === undefined || before === undefined || before.state === "stopping") return
    if (history.last !== undefined && !Number.isNaN(seed)) history.last.seed = seed
    // What its peer had said, and was kept back, counts now.
    const isOver = after?.state === "stopping"
    history.entries.push({
      plan: isOver ? undefined : plan,
      at,
      handled: ledger?.handledAt.length ?? 0,
      seed: undefined
    })
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
