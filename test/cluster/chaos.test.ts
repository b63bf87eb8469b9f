/**
 * Servers and their Redis are killed, stopped, continued, ended and started at random, while connections come and go
 * and are stopped. Afterwards every server lists exactly those that live, and each stop that was acknowledged happened.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { ask } from "../support/admin.js"
import { eventually } from "../support/eventually.js"
import { page } from "../support/fleet.js"
import * as Frames from "../support/frames.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { noRedis, redisServer, type TestRedis } from "../support/Redis.js"
import { liveWithTool } from "../support/skip.js"

/** Another each time; to see the same again, `CHAOS_SEED=…`. */
const seed = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31))

const SERVERS = 4
const STEPS = 50

/** How long it may go on, and how long all may take to be well again, in milliseconds. */
const LONGEST = 12_000
const WELL_WITHIN = 15_000

/** A source of numbers from 0 to 1 (mulberry32). */
const randomOf = (start: number) => {
  let state = start
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Server {
  readonly program: Program.Listening
  state: "running" | "stopped" | "gone"
}

interface Peer {
  readonly client: RawClient.RawClient
  isOver: boolean
}

/** Everything that lives in one run. */
interface World {
  readonly redis: TestRedis
  redisState: "running" | "stopped" | "gone"
  readonly servers: Array<Server>
  /** By the address that the servers know them by. */
  readonly peers: Map<string, Peer>
  readonly acknowledged: Set<string>
  readonly story: Array<string>
  readonly random: () => number
}

const pick = <A>({ random }: World, all: ReadonlyArray<A>): A | undefined =>
  all[Math.floor(random() * all.length)]

const inState = ({ servers }: World, state: Server["state"]) =>
  servers.filter((server) => server.state === state)

const begin = (world: World): Effect.Effect<void, unknown, Scope.Scope> =>
  Effect.map(Program.start({ env: { ANSWERBACK_REDIS_URL: world.redis.url } }), (program) => {
    world.servers.push({ program, state: "running" })
  })

/** Answers a Close frame, and notices the end. */
const attend = (peer: Peer): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (;;) {
      const frame = yield* peer.client.nextFrame
      if (Frames.closeOf(frame) !== undefined) yield* peer.client.answerClose([frame])
    }
  }).pipe(
    Effect.catchTag("WaitedTooLong", () => Effect.suspend(() => attend(peer))),
    Effect.catchAll(() =>
      Effect.sync(() => {
        peer.isOver = true
      })
    )
  )

const actions: Readonly<Record<string, (world: World) => Effect.Effect<void, unknown, Scope.Scope>>> = {
  connect: (world) =>
    Effect.gen(function* () {
      const server = pick(world, inState(world, "running"))
      if (server === undefined) return
      const client = yield* RawClient.connect({ port: server.program.port })
      const peer = { client, isOver: false }
      world.peers.set(`127.0.0.1:${yield* client.localPort}`, peer)
      yield* Effect.forkScoped(attend(peer))
    }),
  leave: (world) =>
    Effect.suspend(() => {
      const peer = pick(
        world,
        [...world.peers.values()].filter(({ isOver }) => !isOver)
      )
      return peer === undefined ? Effect.void : peer.client.reset
    }),
  stopOne: (world) =>
    Effect.gen(function* () {
      const server = pick(world, inState(world, "running"))
      if (server === undefined) return
      const { port } = server.program
      const target = pick(world, (yield* page(port)).connections)
      if (target === undefined) return
      const { status } = yield* ask({ port }, `DELETE /connections/${target.id}`)
      expect([202, 404, 504]).toContain(status)
      world.story.push(`  ${target.remote}: ${status}`)
      if (status === 202) world.acknowledged.add(target.remote)
    }).pipe(
      // A server that is killed, or stopped, meanwhile answers nobody.
      Effect.catchAll(() => Effect.void),
      Effect.forkScoped,
      Effect.asVoid
    ),
  killServer: (world) =>
    Effect.suspend(() => {
      const server = pick(world, [...inState(world, "running"), ...inState(world, "stopped")])
      if (server === undefined) return Effect.void
      server.state = "gone"
      return server.program.signal("SIGKILL")
    }),
  endServer: (world) =>
    Effect.suspend(() => {
      const server = pick(world, inState(world, "running"))
      if (server === undefined) return Effect.void
      server.state = "gone"
      return server.program.signal("SIGTERM")
    }),
  stopServer: (world) =>
    Effect.suspend(() => {
      const server = pick(world, inState(world, "running"))
      if (server === undefined) return Effect.void
      server.state = "stopped"
      return server.program.signal("SIGSTOP")
    }),
  continueServer: (world) =>
    Effect.suspend(() => {
      const server = pick(world, inState(world, "stopped"))
      if (server === undefined) return Effect.void
      server.state = "running"
      return server.program.signal("SIGCONT")
    }),
  startServer: (world) =>
    Effect.suspend(() =>
      inState(world, "running").length + inState(world, "stopped").length < SERVERS
        ? begin(world)
        : Effect.void
    ),
  hurtRedis: (world) =>
    Effect.suspend(() => {
      if (world.redisState !== "running") return Effect.void
      world.redisState = world.random() < 0.5 ? "gone" : "stopped"
      return world.redisState === "gone" ? world.redis.kill : world.redis.signal("SIGSTOP")
    }),
  healRedis: (world) =>
    Effect.suspend(() => {
      const { redis, redisState } = world
      world.redisState = "running"
      return redisState === "gone" ? redis.start : redis.signal("SIGCONT")
    })
}

/** Some are done more often than others. */
const often: Readonly<Record<string, number>> = {
  connect: 6,
  stopOne: 5,
  leave: 2,
  startServer: 3,
  healRedis: 2,
  continueServer: 2
}
const deck = Object.keys(actions).flatMap((name) => Array.from({ length: often[name] ?? 1 }, () => name))

const sorted = (all: Iterable<string>) => [...all].toSorted().join(" ")

const allRemotes = (port: number) =>
  Effect.map(page(port), ({ connections, unanswered }) =>
    unanswered === undefined ? sorted(connections.map(({ remote }) => remote)) : undefined
  )

describe("servers and their Redis", () => {
  liveWithTool(
    noRedis,
    "may come, go, hang and die: who lives is listed in the end, and what was acknowledged has happened",
    () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        const world: World = {
          redis,
          redisState: "running",
          servers: [],
          peers: new Map(),
          acknowledged: new Set(),
          story: [],
          random: randomOf(seed)
        }
        yield* Effect.all(
          Array.from({ length: SERVERS }, () => begin(world)),
          { concurrency: "unbounded", discard: true }
        )
        const start = performance.now()
        for (let step = 0; step < STEPS && performance.now() - start < LONGEST; step++) {
          const name = pick(world, deck) ?? "connect"
          world.story.push(`${Math.round(performance.now() - start)}: ${name}`)
          yield* actions[name]?.(world) ?? Effect.void
          yield* Effect.sleep(world.random() * 300)
        }
        yield* actions["healRedis"]?.(world) ?? Effect.void
        for (const server of inState(world, "stopped")) {
          server.state = "running"
          yield* server.program.signal("SIGCONT")
        }
        if (inState(world, "running").length === 0) yield* begin(world)
        for (const server of inState(world, "gone")) yield* server.program.exit
        const living = () =>
          sorted([...world.peers].filter(([, { isOver }]) => !isOver).map(([remote]) => remote))
        const well = performance.now()
        for (const { program } of inState(world, "running")) {
          yield* eventually(
            `${program.port} lists who lives`,
            Effect.map(allRemotes(program.port), (listed) => listed === living()),
            WELL_WITHIN - (performance.now() - well)
          ).pipe(
            Effect.mapError(
              ({ message }) => new Error(`${message}\nseed ${seed}:\n${world.story.join("\n")}`)
            )
          )
        }
        for (const remote of world.acknowledged)
          expect([remote, world.peers.get(remote)?.isOver], `seed ${seed}`).toEqual([remote, true])
        for (const { program } of world.servers) expect(program.stderr()).toBe("")
      })
  )
})
