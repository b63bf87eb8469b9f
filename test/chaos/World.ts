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
import { eventually, turn } from "../support/eventually.js"
import { serverWith, type TestServer } from "../support/server.js"
import { type Action, type Close, MAX_PEERS, type Script } from "./Action.js"
import { isData, PATIENCE, Peer } from "./Peer.js"
import { isEnding } from "./Story.js"

/** How long a handler, and then a peer, may take, in milliseconds: some of them never answer, and all are waited for. */
export const CLOSE_TIMEOUT = 150

/** An event, and when it was seen, by the clock of `performance`. */
interface Seen {
  readonly event: ConnectionEvent
  readonly at: number
}

/** A peer, and the fibers that work for it. */
interface Member {
  readonly peer: Peer
  readonly connecting: Fiber.RuntimeFiber<void, unknown>
  readonly reading: Fiber.RuntimeFiber<void, unknown>
}

const inTime = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutFail(effect, {
    duration: PATIENCE,
    onTimeout: () => new Error(`${what} took more than ${PATIENCE} ms`)
  })

export class World {
  readonly members: Array<Member> = []
  readonly events: Array<Seen> = []
  /** What nobody caught. */
  readonly faults: Array<unknown> = []
  /** When a shutdown began. */
  shutdownAt = Number.POSITIVE_INFINITY
  readonly server: TestServer
  readonly #drainTimeout: number
  readonly #runtime: Runtime.Runtime<Scope.Scope>
  /** The first stop of a connection, by the address of its peer, and when it was. */
  readonly #stops = new Map<string, { readonly reason: StopReason; readonly at: number }>()
  #shutdown: Fiber.RuntimeFiber<void> | undefined

  constructor(server: TestServer, runtime: Runtime.Runtime<Scope.Scope>, drainTimeout: number) {
    this.server = server
    this.#drainTimeout = drainTimeout
    this.#runtime = runtime
  }

  perform(action: Action): Effect.Effect<void, unknown, Scope.Scope> {
    switch (action._tag) {
      case "open":
        return this.members.length < MAX_PEERS ? this.#open(action) : Effect.void
      case "time":
        return action.millis === 0 ? turn : Effect.sleep(action.millis)
      case "shutdown":
        return this.#beginShutdown
      case "stop":
        return Effect.sync(() => this.#stopOne(this.#peer(action.peer)?.remote, action.close))
      case "stopAll":
        return Effect.sync(() => this.#stopAll(action.close))
      default:
        return Effect.sync(() => this.#peer(action.peer)?.do(action))
    }
  }

  /** Waits until what was done has had its effect, and then shuts down. */
  get conclude(): Effect.Effect<void, unknown, Scope.Scope> {
    return Effect.gen(this, function* () {
      yield* Effect.forEach(this.members, ({ connecting }) => Fiber.await(connecting), { discard: true })
      this.#tellStops()
      if (this.#shutdown === undefined) yield* this.#settle
      yield* this.#beginShutdown
      if (this.#shutdown !== undefined) yield* inTime("the shutdown", Fiber.join(this.#shutdown))
      for (const { peer } of this.members) peer.do({ _tag: "resume", peer: 0 })
      yield* Effect.forEach(this.members, ({ reading }) => Fiber.join(reading), { discard: true })
      yield* eventually(
        "as many connections closed as had opened",
        Effect.sync(() => this.ofKind("closed").length === this.ofKind("opened").length)
      )
    })
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

  #peer(number: number): Peer | undefined {
    return this.members[number % this.members.length]?.peer
  }

  #open({ isAwaited, manner }: Extract<Action, { readonly _tag: "open" }>) {
    return Effect.gen(this, function* () {
      const peer = new Peer(manner, Runtime.runFork(this.#runtime))
      const connecting = yield* Effect.forkScoped(peer.connect(this.server.port))
      const reading = yield* Effect.forkScoped(Effect.zipRight(Fiber.await(connecting), peer.read))
      this.members.push({ peer, connecting, reading })
      if (isAwaited) yield* Fiber.await(connecting)
    })
  }

  /** Looks at the connections and does something to them, without anything in between. */
  #atomically<A>(effect: Effect.Effect<A>): A {
    return Runtime.runSync(this.#runtime)(effect)
  }

  #stopOne(remote: string | undefined, close: Close): void {
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

  #stopAll(close: Close): void {
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

  get #beginShutdown(): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      if (this.#shutdown !== undefined) return
      this.shutdownAt = performance.now()
      this.#shutdown = yield* Effect.forkDaemon(this.server.shutdown)
    })
  }

  /** Each peer learns of the stop of its connection: some didn't have a name yet when it came. */
  #tellStops(): void {
    for (const { peer } of this.members) {
      const stop = this.#stops.get(peer.remote ?? "")
      if (stop !== undefined) peer.story.stop = stop
    }
  }

  /** Waits until what is to end has ended, and what is to be answered is answered. */
  get #settle(): Effect.Effect<void, unknown> {
    /** A Close frame of a peer that doesn't read may wait behind messages that can't be answered. */
    const isStuck = ({ isPaused, story: { isReset, stop } }: Peer) =>
      isPaused && !isReset && stop === undefined
    const isForever = (peer: Peer) => peer.manner === "silent" && isStuck(peer)
    const waitFor = ({ frames, isPaused, remote = "", story }: Peer) => {
      if (isEnding(story)) {
        const isClosed = Effect.sync(() => this.seenOf(remote).some(({ event }) => event._tag === "closed"))
        return eventually(`the connection of ${remote} closed`, isClosed)
      }
      // Its echoes stay where they are.
      if (isPaused) return Effect.void
      const isAnswered = Effect.sync(() => frames.filter(isData).length >= story.sent.length)
      return eventually(`all that ${remote} sent was echoed`, isAnswered)
    }
    return Effect.gen(this, function* () {
      const all = this.members.map(({ peer }) => peer)
      const peers = all.filter((peer) => !isForever(peer))
      for (const peer of peers)
        if (isEnding(peer.story) && isStuck(peer)) peer.do({ _tag: "resume", peer: 0 })
      yield* Effect.forEach(peers, waitFor, { concurrency: "unbounded", discard: true })
      const open = peers.filter(({ story }) => !isEnding(story)).length
      const most = open + all.length - peers.length
      const isSo = Effect.map(this.server.connections.count, (count) => count >= open && count <= most)
      yield* eventually(`from ${open} to ${most} are open`, isSo)
    })
  }
}

const slowEcho =
  (millis: number): Handler<ConnectionClosed> =>
  (connection) =>
    Stream.runForEach(connection.messages, (message) =>
      Effect.zipRight(Effect.sleep(millis), connection.send(message))
    )

/** Starts a server without peers, and follows what happens. */
export const begin = ({ handlerTime, isHurried }: Script) =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime<Scope.Scope>()
    const drainTimeout = isHurried ? CLOSE_TIMEOUT / 3 : 2 * PATIENCE
    const server = yield* serverWith(handlerTime === 0 ? echo : slowEcho(handlerTime), {
      closeTimeout: CLOSE_TIMEOUT,
      drainTimeout
    })
    const world = new World(server, runtime, drainTimeout)
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
