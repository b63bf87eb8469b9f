/**
 * A program that has WebSocket endpoints is interrupted at any moment: every peer is told, and nothing is left behind.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FC from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as http from "node:http"
import { describe, expect, it } from "vitest"
import { type Connection, echo, Endpoint, Upgrader } from "../../src/index.js"
import { eventually, turn } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { type Host, hosts } from "../support/hosts.js"
import * as Http from "../support/http.js"
import { leavingNothing, live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"

/** Short, so that peers who don't answer don't take long; and one after the other for handlers and for peers. */
const LIMITS = { closeTimeout: "500 millis", drainTimeout: "2 seconds" } as const

/** Longer than everything that may take its time, in milliseconds. */
const PATIENCE = 5000

const SHUTDOWN = "close 1001 server shutting down"

/** What is in use by handlers, and by those who decide. */
class Tally {
  held = 0
  deciding = 0
  /** Resources that end with their scope, and take a moment to. */
  readonly hold = Effect.acquireRelease(
    Effect.sync(() => this.held++),
    () =>
      Effect.zipRight(
        Effect.yieldNow(),
        Effect.sync(() => this.held--)
      )
  )
}

const endpointsOf = (tally: Tally) => {
  const holding =
    <E>(handler: (connection: Connection) => Effect.Effect<unknown, E, Scope.Scope>) =>
    (connection: Connection) =>
      Effect.zipRight(tally.hold, handler(connection))
  return {
    "/echo": Endpoint.make(holding(echo)),
    "/busy": Endpoint.make(holding(({ messages }) => Stream.runForEach(messages, () => Effect.never))),
    "/aloof": Endpoint.make(holding((connection) => Effect.zipRight(connection.send("hello"), Effect.never))),
    "/asked": Endpoint.make({
      authorize: () =>
        Effect.scoped(
          Effect.zipRight(
            tally.hold,
            Effect.suspend(() => {
              tally.deciding++
              return Effect.never
            })
          )
        ),
      handler: echo
    })
  }
}

/** Where a peer has got to when the program is interrupted, and what it sees then. */
type Phase = (
  host: Host,
  tally: Tally
) => Effect.Effect<
  { readonly lastWords: Effect.Effect<ReadonlyArray<string>, unknown> },
  unknown,
  Scope.Scope
>

const connect = (port: number, path: string) => RawClient.connect({ port, path, patience: PATIENCE })

/**
 * Sees all that comes, answers a Close frame as a client does, and sees TCP end: by a reset, if the peers are so busy
 * that the answer comes too late.
 */
const polite = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    for (;;) {
      const frame = yield* peer.nextFrame
      seen.push(Frames.describe(frame))
      if (frame.opcode === Frames.CLOSE) break
    }
    yield* Effect.ignore(peer.write(Frames.close(1001)))
    const { frames, rest } = yield* peer.allUntilEnd
    expect(rest).toHaveLength(0)
    return [...seen, ...frames.map(Frames.describe)]
  })

/** Sees what comes before TCP ends, however it does. */
const passive = (peer: RawClient.RawClient) =>
  Effect.map(peer.allUntilEnd, ({ frames }) => frames.map(Frames.describe))

const watched = (life: Effect.Effect<ReadonlyArray<string>, unknown>) =>
  Effect.map(Effect.fork(life), (fiber) => ({ lastWords: Fiber.join(fiber) }))

/** Peers on connections. */
const phases = {
  "is idle": (host) =>
    Effect.gen(function* () {
      const peer = yield* connect(host.port, "/echo")
      yield* peer.write(Frames.text("hello"))
      expect((yield* peer.nextMessage).text).toBe("hello")
      return yield* watched(Effect.tap(polite(peer), (seen) => expect(seen).toEqual([SHUTDOWN])))
    }),
  "has a handler that doesn't read": (host) =>
    Effect.gen(function* () {
      const peer = yield* connect(host.port, "/aloof")
      expect((yield* peer.nextMessage).text).toBe("hello")
      return yield* watched(Effect.tap(polite(peer), (seen) => expect(seen).toEqual([SHUTDOWN])))
    }),
  "has a handler at work": (host) =>
    Effect.gen(function* () {
      const peer = yield* connect(host.port, "/busy")
      yield* peer.write(Frames.text("hello"))
      yield* eventually(
        "it was taken",
        Effect.map(host.connections.list, (all) =>
          all.some((one) => one.path === "/busy" && one.messagesIn > 0)
        )
      )
      return yield* watched(Effect.tap(polite(peer), (seen) => expect(seen).toEqual([SHUTDOWN])))
    }),
  talks: (host) =>
    Effect.gen(function* () {
      const peer = yield* connect(host.port, "/echo")
      const talking = Effect.forEach(
        Array.from({ length: 100_000 }, (_, i) => `${i}`),
        (text) => Effect.zipRight(peer.write(Frames.text(text)), turn)
      )
      const fiber = yield* Effect.forkScoped(Effect.ignore(talking))
      expect((yield* peer.nextMessage).text).toBe("0")
      return yield* watched(
        Effect.gen(function* () {
          const seen = yield* Effect.ensuring(polite(peer), Fiber.interrupt(fiber))
          const echoes = seen.slice(0, seen.indexOf(SHUTDOWN))
          expect(echoes).toEqual(echoes.map((_, i) => `text ${i + 1}`))
          expect(seen.slice(echoes.length)).toEqual([SHUTDOWN])
          return seen
        })
      )
    }),
  "floods and doesn't read": (host) =>
    Effect.gen(function* () {
      const peer = yield* connect(host.port, "/echo")
      yield* peer.pause
      yield* Effect.forkScoped(
        Effect.ignore(Effect.forever(peer.write(Frames.binary(Buffer.alloc(64 * 1024)))))
      )
      yield* eventually(
        "it was held back",
        Effect.map(host.connections.list, (all) => all.some((one) => one.bufferedBytes > 64 * 1024))
      )
      return { lastWords: Effect.zipRight(peer.resume, passive(peer)) }
    }),
  "is being stopped, and doesn't answer": (host) =>
    Effect.gen(function* () {
      const peer = yield* connect(host.port, "/echo")
      const port = yield* peer.localPort
      const mine = (yield* host.connections.list).find(({ remote }) => remote.endsWith(`:${port}`))
      // It may be stopping already, if the program drains.
      yield* Effect.ignore(host.connections.stop(mine?.id ?? "", { code: 4000, reason: "enough" }))
      const close = Frames.describe(yield* peer.nextFrame)
      expect(["close 4000 enough", SHUTDOWN]).toContain(close)
      return { lastWords: Effect.tap(passive(peer), (seen) => expect(seen).toEqual([])) }
    }),
  "is being decided on": (host, tally) =>
    Effect.gen(function* () {
      const peer = yield* RawClient.open({ port: host.port, patience: PATIENCE })
      const before = tally.deciding
      yield* peer.write(Http.request({ path: "/asked" }))
      yield* eventually(
        "it was asked",
        Effect.sync(() => tally.deciding > before)
      )
      return {
        lastWords: Effect.gen(function* () {
          const { body, status } = yield* peer.response
          expect(status).toBe(503)
          // The platform has no words for it.
          expect(body).toMatch(/^$|"Draining"/)
          yield* peer.ended
          return [`${status}`]
        })
      }
    })
} satisfies Readonly<Record<string, Phase>>

/** Peers that aren't on connections yet: a server of the program's own makes of them what it likes. */
const earlyPhases = {
  "says nothing": ({ port }) =>
    Effect.gen(function* () {
      const peer = yield* RawClient.open({ port, patience: PATIENCE })
      return { lastWords: Effect.map(peer.ended, (end) => [end]) }
    }),
  "is halfway through its handshake": ({ port }) =>
    Effect.gen(function* () {
      const peer = yield* RawClient.open({ port, patience: PATIENCE })
      yield* peer.write(Http.request().slice(0, 40))
      return { lastWords: Effect.map(peer.ended, (end) => [end]) }
    })
} satisfies Readonly<Record<string, Phase>>

const allPhases: Readonly<Record<string, Phase>> = { ...phases, ...earlyPhases }

/** When a program is interrupted. */
interface Moment {
  /** Where each of its peers is by then. */
  readonly peers: ReadonlyArray<string>
  /** Whether it is draining its connections by then. */
  readonly isDraining: boolean
  /** So many steps of the scheduler, and then so many turns of the event loop, after that. */
  readonly steps: number
  readonly turns: number
  /** How often. */
  readonly times: number
}

const later = ({ steps, turns }: Moment) =>
  Effect.zipRight(
    Effect.replicateEffect(Effect.yieldNow(), steps, { discard: true }),
    Effect.replicateEffect(turn, turns, { discard: true })
  )

/** Interrupts a program, maybe in the middle of that again, and waits until it is over. */
const end = (program: Fiber.RuntimeFiber<never, unknown>, moment: Moment) =>
  Effect.gen(function* () {
    for (let time = 0; time < moment.times; time++) yield* Fiber.interruptFork(program)
    const exit = yield* Effect.timeout(Fiber.await(program), PATIENCE)
    expect(Exit.isInterrupted(exit)).toBe(true)
  })

const isRefused = (port: number) =>
  Effect.gen(function* () {
    const { message } = yield* Effect.flip(RawClient.open({ port }))
    expect(message).toContain("ECONNREFUSED")
  })

const portOf = (server: http.Server): number => {
  const address = server.address()
  return typeof address === "object" ? (address?.port ?? 0) : 0
}

type Start = (typeof hosts)[number][1]

/** A program whose fiber is the test's. */
const start = (host: Start, tally: Tally) =>
  Effect.gen(function* () {
    const listening = yield* Deferred.make<Host>()
    const program = yield* Effect.forkDaemon(
      host(endpointsOf(tally), LIMITS).pipe(
        Effect.tap((one) => Deferred.succeed(listening, one)),
        Effect.zipRight(Effect.never),
        Effect.scoped
      )
    )
    return { listening: Deferred.await(listening), program }
  })

const interrupted = (host: Start, moment: Moment) =>
  Effect.gen(function* () {
    const tally = new Tally()
    const { listening, program } = yield* start(host, tally)
    const running = yield* listening
    const peers = yield* Effect.forEach(
      moment.peers,
      (name) => allPhases[name]?.(running, tally) ?? Effect.dieMessage(`no phase ${name}`)
    )
    if (moment.isDraining) yield* Effect.forkDaemon(running.connections.drain)
    yield* later(moment)
    yield* end(program, moment)
    expect(tally.held).toBe(0)
    expect(yield* running.connections.count).toBe(0)
    yield* Effect.forEach(peers, ({ lastWords }) => lastWords)
    yield* isRefused(running.port)
  })

const interruptedEarly = (host: Start, moment: Moment) =>
  Effect.gen(function* () {
    const { program } = yield* start(host, new Tally())
    yield* later(moment)
    yield* end(program, moment)
  })

const now: Moment = { peers: [], isDraining: false, steps: 0, turns: 0, times: 1 }

const momentsOf = (peers: ReadonlyArray<string>, most: number): FC.Arbitrary<Moment> =>
  FC.record({
    peers: FC.array(FC.constantFrom(...peers), { maxLength: most }),
    isDraining: FC.boolean(),
    steps: FC.nat({ max: 40 }),
    turns: FC.nat({ max: 8 }),
    times: FC.integer({ min: 1, max: 2 })
  })

/** Registers a test that something holds whenever the program is interrupted. */
const always = (
  name: string,
  moments: FC.Arbitrary<Moment>,
  runs: number,
  run: (moment: Moment) => Effect.Effect<unknown, unknown, Scope.Scope>
) =>
  it(
    name,
    async () => {
      const holds = FC.asyncProperty(moments, (moment) =>
        Effect.runPromise(Effect.asVoid(leavingNothing(run(moment))))
      )
      await FC.assert(holds, { numRuns: runs, interruptAfterTimeLimit: 40_000 })
    },
    120_000
  )

describe("a server that outlives the program on it", () => {
  live("keeps none of its listeners, but for the guard of its sockets", () =>
    Effect.gen(function* () {
      const server = http.createServer()
      const listeners = () =>
        Object.fromEntries(server.eventNames().map((name) => [String(name), server.listenerCount(name)]))
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
        () => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      Upgrader.guard(server)
      const before = listeners()
      for (let round = 0; round < 3; round++) {
        const program = yield* Effect.fork(
          Upgrader.layerNode(server, { "/echo": Endpoint.make(echo) }).pipe(
            Layer.provide(Upgrader.layer(LIMITS)),
            Layer.launch
          )
        )
        yield* eventually(
          "it was there",
          Effect.sync(() => server.listenerCount("upgrade") > 1)
        )
        const peer = yield* watched(polite(yield* connect(portOf(server), "/echo")))
        yield* end(program, now)
        expect(yield* peer.lastWords).toEqual([SHUTDOWN])
        expect(listeners()).toEqual(before)
      }
    })
  )
})

for (const [name, host] of hosts)
  describe(`a program with ${name}, interrupted`, () => {
    const names = Object.keys(name === "a server of its own" ? allPhases : phases)

    live("while it listens, listens no more", () => interrupted(host, now))

    for (const phase of names) {
      live(`while a peer ${phase}, leaves nothing behind`, () =>
        interrupted(host, { ...now, peers: [phase] })
      )

      live(`while it drains and a peer ${phase}, leaves nothing behind`, () =>
        interrupted(host, { ...now, peers: [phase], isDraining: true, turns: 3 })
      )
    }

    always("at any moment, leaves nothing behind", momentsOf(names, 4), 15, (moment) =>
      interrupted(host, moment)
    )

    // The platform's server goes on and listens after it was interrupted (platform-node 0.108.2).
    if (name.includes("Router")) return
    always("at any moment before it listens, leaves nothing behind", momentsOf(names, 0), 25, (moment) =>
      interruptedEarly(host, moment)
    )
  })
