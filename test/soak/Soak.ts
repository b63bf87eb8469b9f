/**
 * A soak: several lives of the program, one after the other on the same port, each with many cycles of load and rest,
 * and with an end in the middle of talk.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Line } from "../support/Log.js"
import { Bell, type WaitedTooLong } from "./Bell.js"
import type { ClosedLine } from "./Ledger.js"
import { Load } from "./Load.js"
import { Messages } from "./Messages.js"
import * as Operator from "./Operator.js"
import { Random } from "./Random.js"
import * as Rest from "./Rest.js"
import * as Server from "./Server.js"
import * as settings from "./settings.js"
import { Tally } from "./Tally.js"

export interface SoakOptions {
  readonly minutes: number
  readonly connections: number
  readonly seed: number
  /** Makes the program fail in a way that `sabotage.mjs` knows, for a test of the soak. */
  readonly sabotage?: string
  /** Ends it early. */
  readonly signal?: AbortSignal
  /** Is told how it goes. */
  readonly say?: (line: string) => void
}

/** What the program held at rest in one of its lives: when it had started, and after each cycle. */
export interface Life {
  readonly start: Rest.Rest
  readonly rests: Array<Rest.Rest>
}

export interface Outcome {
  readonly tally: Tally
  readonly lives: ReadonlyArray<Life>
  readonly seconds: number
}

/** How long, in milliseconds, all may take to come and be heard, to go, and the server to have logged it. */
const PATIENCE = { come: 60_000, go: 30_000, log: 10_000 }

/** The lives of the program, in milliseconds: as long as they can be, and a short one at the end. */
const LIVES = { longest: 5 * 60_000, last: 60_000 }

/** The load of a cycle takes so much of a life, and not more than this, in milliseconds. */
const CYCLE = { part: 1 / 20, longest: 15_000 }

const MIB = 1024 ** 2
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`

const closedLine = (line: Line): ClosedLine => ({
  reason: String(line["reason"]),
  code: line["code"] === null ? null : Number(line["code"]),
  messagesIn: Number(line["messagesIn"]),
  messagesOut: Number(line["messagesOut"]),
  bytesOut: Number(line["bytesOut"])
})

/** When each life ends, in milliseconds: there is at least one restart. */
const endsOfLives = (total: number): ReadonlyArray<number> => {
  const last = Math.min(LIVES.last, total / 4)
  const count = Math.ceil((total - last) / LIVES.longest)
  const each = (total - last) / count
  return [...Array.from({ length: count }, (_, i) => (i + 1) * each), total]
}

/** How long a cycle of this life has taken, in milliseconds. */
const spent = (begun: number, { rests }: Life): number => (performance.now() - begun) / rests.length

/** Soaks the program; all that went wrong is in the outcome. */
export const soak = (options: SoakOptions): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const start = performance.now()
    const bell = new Bell()
    const tally = new Tally(bell)
    const { connections, say = () => {}, seed, signal } = options
    const load = new Load({ connections, seed, messages: new Messages(seed), tally, bell })
    const lives: Array<Life> = []
    const seconds = (): number => (performance.now() - start) / 1000
    const isOver = (): boolean => tally.hasProblem || signal?.aborted === true

    const ring = (): void => bell.ring()
    signal?.addEventListener("abort", ring)

    const everybodyComes = Effect.suspend(() => {
      load.come()
      return bell.until(
        () => `only ${load.heard} of ${connections} have come and heard an echo: ${load.some}`,
        PATIENCE.come,
        () => load.heard === connections || isOver()
      )
    })

    /** All have ended, and have been logged. */
    const everybodyIsGone = (server: Server.Server): Effect.Effect<void, WaitedTooLong> =>
      Effect.gen(function* () {
        yield* bell.until(
          () => `${load.present} connections haven't ended: ${load.some}`,
          PATIENCE.go,
          () => load.isGone
        )
        yield* bell.spend(PATIENCE.log, () => load.isBalanced || server.hasEnded())
        const { unaccounted } = load
        if (unaccounted.length === 0) return
        tally.problem(
          `${unaccounted.length} connections have no line in the log: ${unaccounted.slice(0, 5).join("; ")}`
        )
      })

    const operatorOf = ({ hasEnded, port }: Server.Server): Operator.OperatorOptions => ({
      port,
      random: new Random(seed + tally.cycles),
      onStop: (port) => load.interrupted(port),
      onProblem: (problem) => {
        if (!hasEnded()) tally.problem(problem)
      }
    })

    const cycle = (server: Server.Server, life: Life, time: number): Effect.Effect<void, WaitedTooLong> =>
      Effect.gen(function* () {
        yield* everybodyComes
        const operator = operatorOf(server)
        yield* Operator.act(operator)
        const working = yield* Effect.fork(Operator.work(operator))
        yield* bell.spend(time, isOver)
        yield* Fiber.interrupt(working)
        load.go()
        yield* everybodyIsGone(server)
        if (server.hasEnded()) return
        const rest = yield* Rest.take(server, life.start)
        life.rests.push(rest)
        tally.cycles++
        for (const what of Rest.left(life.start, rest)) tally.problem(`left at rest: ${what}`)
        say(
          `${seconds().toFixed(1)} s: life ${lives.length}, cycle ${life.rests.length}: ${tally.opened} connections so far; at rest ${mib(rest.resident)}, ${mib(rest.used)} of it used, ${rest.descriptors.length} file descriptors`
        )
      })

    const checkMemory = ({ rests }: Life): void => {
      for (const what of ["resident", "used"] as const) {
        const grown = Rest.growth(rests, what) ?? 0
        if (grown > Rest.BOUNDS[what]) {
          tally.problem(
            `${what} memory at rest has grown by ${mib(grown)} within one life: ${rests.map((rest) => mib(rest[what])).join(", ")}`
          )
        }
      }
    }

    const oneLife = (port: number, end: number): Effect.Effect<number, WaitedTooLong, Scope.Scope> =>
      Effect.gen(function* () {
        const server = yield* Server.start({
          port,
          args: settings.PROGRAM_ARGS,
          sabotage: options.sabotage,
          bell,
          onLine: (line) => {
            if (line["message"] === "connection closed") load.log(String(line["remote"]), closedLine(line))
          },
          onProblem: (problem) => tally.problem(problem),
          onDeath: (how) => tally.mainProblem(`the program has ended by itself: ${how}`)
        })
        if (server.hasEnded()) return port
        const life: Life = { start: yield* Rest.take(server), rests: [] }
        lives.push(life)
        load.attend(server.port)
        const time = Math.min(CYCLE.longest, (end - performance.now()) * CYCLE.part)
        const begun = performance.now()
        do yield* cycle(server, life, time)
        while (performance.now() + spent(begun, life) < end && !isOver())
        checkMemory(life)

        if (!tally.hasProblem) yield* everybodyComes
        yield* bell.spend(end - performance.now(), isOver)
        if (server.hasEnded()) return server.port
        load.stopping()
        yield* server.stop
        yield* everybodyIsGone(server)
        return server.port
      })

    const allLives = Effect.gen(function* () {
      let port = 0
      for (const [i, end] of endsOfLives(options.minutes * 60_000).entries()) {
        if (isOver()) return
        if (i > 0) tally.restarts++
        port = yield* Effect.scoped(oneLife(port, start + end))
      }
    })
    yield* allLives.pipe(
      Effect.catchTag("WaitedTooLong", ({ message }) => Effect.sync(() => tally.problem(message))),
      Effect.ensuring(
        Effect.suspend(() => {
          signal?.removeEventListener("abort", ring)
          load.destroy()
          return Effect.ignore(
            bell.until(
              () => "",
              PATIENCE.go,
              () => load.isGone
            )
          )
        })
      )
    )
    return { tally, lives, seconds: seconds() }
  })
