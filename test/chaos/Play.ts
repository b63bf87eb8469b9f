/**
 * Performs a script on a world: does one thing after the other, and waits for what is to come of it.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { eventually, turn } from "../support/eventually.js"
import type { Action, Open } from "./Action.js"
import { numberOf } from "./Limits.js"
import { PATIENCE, type Peer } from "./Peer.js"
import { MAX_PEERS } from "./Singles.js"
import { isEnding } from "./Story.js"
import { due, LATE } from "./Timeouts.js"
import type { World } from "./World.js"

/** How far away, in milliseconds, the end of a connection may be for it to be waited for. */
const SOON = 700

const inTime = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutFail(effect, {
    duration: PATIENCE,
    onTimeout: () => new Error(`${what} took more than ${PATIENCE} ms`)
  })

const isStopping = (world: World, { remote }: Peer): boolean =>
  world.seenOf(remote ?? "").some(({ event }) => event._tag === "stopping")

const isClosed = (world: World, { remote }: Peer): boolean =>
  world.seenOf(remote ?? "").some(({ event }) => event._tag === "closed")

/** A Close frame of a peer that doesn't read may wait behind messages that can't be answered. */
const isStuck = ({ isPaused, story: { isReset, stop } }: Peer): boolean =>
  isPaused && !isReset && stop === undefined

/** How much may be held back, in messages and bytes, for it to come out before long. */
const FEW = 8
const LITTLE = 1024

/** Whether what the peer has done, or was done to it, ends its connection before long. */
const isToEndByPeer = (world: World, { story }: Peer): boolean => {
  const { faults, hasEndedTcp, isReset, lastWord, sent, stop } = story
  if (!faults.isAny) return isEnding(story)
  if (stop !== undefined || isReset) return true
  if (lastWord === undefined) return false
  const bytes = sent.reduce((sum, { payload }) => sum + payload.length, 0)
  const isLittle = sent.length <= FEW && bytes <= LITTLE
  // A silent side doesn't answer, and one that holds back much takes its time.
  if (faults.mayBeSilent(performance.now(), world.heldUp) || faults.hasSilence) return hasEndedTcp && isLittle
  return isLittle || !faults.hasHolding
}

/** What must end the connection of a peer, and when, if only a limit does. */
const dueOf = (world: World, { echoes, isPaused, signs, story }: Peer) =>
  due({ story, echoes, isPaused, signs }, world.circumstances)

/** Whether a limit is to end the connection of a peer before long. */
const isToEnd = (world: World, peer: Peer): boolean =>
  peer.remote !== undefined && dueOf(world, peer).at - LATE < performance.now() + SOON

/** Looks at all connections; fails if one is there that should be gone. */
const look = (world: World): Effect.Effect<void, Error> =>
  Effect.flatMap(world.look, (open) => {
    if (world.shutdown !== undefined) return Effect.void
    const now = performance.now()
    for (const peer of open) {
      const { at, tag } = dueOf(world, peer)
      const late = now - at - world.heldUp(at - 2 * LATE, now)
      if (late > 0)
        return Effect.fail(new Error(`${peer.remote} should have ended ${Math.ceil(late)} ms ago: ${tag}`))
    }
    return Effect.void
  })

/** Whether a connection is to end, or has yet to be closed. */
const isToBeClosed = (world: World, peer: Peer): boolean => {
  if (peer.remote === undefined || isClosed(world, peer)) return false
  return (isToEndByPeer(world, peer) && !isStuck(peer)) || isStopping(world, peer) || isToEnd(world, peer)
}

/** Waits until a connection is closed, as long as it is to end: the kernel may yet take what it seemed not to. */
const untilClosed = (world: World, peer: Peer) =>
  eventually(
    `the connection of ${peer.remote} closed`,
    Effect.map(look(world), () => !isToBeClosed(world, peer))
  )

/** Waits for the end of a connection that is to end: the one of this peer, or of the next that has such. */
const awaitEnd = (world: World, number: number): Effect.Effect<void, Error> => {
  const peers = world.members.map((_, i) => world.peer(number + i))
  const next = peers.find((peer) => peer !== undefined && isToBeClosed(world, peer))
  return next === undefined ? Effect.void : untilClosed(world, next)
}

const act = (world: World, action: Action): Effect.Effect<void, unknown, Scope.Scope> => {
  switch (action._tag) {
    case "open":
      return world.members.length < MAX_PEERS ? world.open(action) : Effect.void
    case "await":
      return world.shutdown === undefined ? awaitEnd(world, action.peer) : Effect.void
    case "time":
      return action.millis === 0 ? turn : Effect.sleep(action.millis)
    case "shutdown":
      return world.beginShutdown
    case "stop":
      return Effect.sync(() => world.stopOne(world.peer(action.peer)?.remote, action.close))
    case "spoil":
      return Effect.sync(() => world.spoil(world.peer(action.peer), action.plan))
    case "stopAll":
      return Effect.sync(() => world.stopAll(action.close))
    default:
      return Effect.sync(() => world.peer(action.peer)?.do(action))
  }
}

/** Does something. */
export const perform = (world: World, action: Action): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.suspend(() => {
    // A stop may have come before its peer had a name.
    world.tellStops()
    return Effect.zipRight(look(world), act(world, action))
  })

/** Waits until what is to end has ended, and what is to be answered is answered. */
const settle = (world: World): Effect.Effect<void, unknown> => {
  const isForever = (peer: Peer) => isToEndByPeer(world, peer) && peer.manner === "silent" && isStuck(peer)
  const isOver = (peer: Peer) => isToEndByPeer(world, peer) || isStopping(world, peer)
  const isDue = (peer: Peer) =>
    (world.script.isPatient || dueOf(world, peer).tag === "Fault") && isToEnd(world, peer)
  const waitFor = (peer: Peer) => {
    const { isPaused, remote = "", story } = peer
    if (isOver(peer) || isDue(peer)) return untilClosed(world, peer)
    // Its echoes stay where they are.
    if (isPaused) return Effect.void
    // What is left of it is known in the end.
    if (story.faults.isAny) return Effect.void
    // A limit may come before; if one has is seen in the end.
    const isAnswered = Effect.sync(() => peer.echoes >= story.sent.length || isStopping(world, peer))
    return eventually(`all that ${remote} sent was echoed`, isAnswered)
  }
  return Effect.gen(function* () {
    const all = world.members.map(({ peer }) => peer).filter(({ remote }) => remote !== undefined)
    for (const peer of all)
      if (isToEndByPeer(world, peer) && isStuck(peer) && !isForever(peer))
        peer.do({ _tag: "resume", peer: 0 })
    yield* Effect.forEach(
      all.filter((peer) => isStopping(world, peer) || isDue(peer) || !isForever(peer)),
      waitFor,
      { concurrency: "unbounded", discard: true }
    )
    const isSo = Effect.map(world.server.connections.count, (count) => {
      const known = all.filter((peer) => !isClosed(world, peer))
      const open = known.filter((peer) => !isOver(peer)).length
      return count >= open && count <= known.length
    })
    yield* eventually("all that are open are known", isSo)
  })
}

const newcomer: Open = {
  _tag: "open",
  manner: "polite",
  signs: "pongs",
  network: 1,
  fault: undefined,
  isAwaited: true
}

/** Lets in peers for as many places as there are, and one more: every place that has been given back is there. */
const fill = (world: World): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { maxConnections, maxConnectionsPerAddress } = world.script.limits
    const most = Math.min(numberOf(maxConnections), numberOf(maxConnectionsPerAddress))
    if (!Number.isFinite(most)) return
    for (let i = 0; i <= most; i++) yield* world.open(newcomer)
  })

/** Waits until what was done has had its effect, and then shuts down. */
export const conclude = (world: World): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const isLasting = world.script.limits.handshakeTimeout === "default"
    yield* Effect.forEach(
      world.members.filter(({ peer }) => peer.fault?.fault !== "hang" || !isLasting),
      ({ connecting }) => Fiber.await(connecting),
      { discard: true }
    )
    world.tellStops()
    if (world.shutdown === undefined) {
      yield* settle(world)
      yield* fill(world)
    }
    yield* world.beginShutdown
    if (world.shutdown !== undefined) yield* inTime("the shutdown", Fiber.join(world.shutdown))
    for (const { peer } of world.members) peer.do({ _tag: "resume", peer: 0 })
    yield* eventually(
      "nothing was left that makes things go wrong",
      Effect.map(world.spoilers, (count) => count === 0)
    )
    yield* Effect.forEach(world.members, ({ reading }) => Fiber.join(reading), { discard: true })
    yield* eventually(
      "as many connections closed as had opened",
      Effect.sync(() => world.ofKind("closed").length === world.ofKind("opened").length)
    )
  })
