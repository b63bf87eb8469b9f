/**
 * The process that starts the workers of a server, and holds no connection itself: it replaces those that die, passes
 * on what one asks of the others, keeps count of places for all, and drains them together.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import cluster from "node:cluster"
import { type Limits, Places } from "../http/Admission.js"
import { StartError } from "../http/StartError.js"
import { Events, MOST_EVENTS } from "../registry/Events.js"
import { merge } from "../telemetry/Merge.js"
import * as Metrics from "../telemetry/Metrics.js"
import type { Family } from "../telemetry/Prometheus.js"
import { alone, Cluster } from "./Cluster.js"
import { gather } from "./Gather.js"
import * as Intake from "./Intake.js"
import type { Birth, FromPrimary, FromWorker, Question } from "./Ipc.js"
import * as Message from "./Message.js"
import { type Hub, WorkerProcess } from "./WorkerProcess.js"

/** How the workers of a server are run. */
export interface PrimaryOptions {
  readonly workers: number
  readonly intake: Intake.IntakeOptions
  /** How they log. */
  readonly log: Pick<Birth, "logFormat" | "isColoured">
  /** The arguments of a worker. */
  readonly args: ReadonlyArray<string>
  readonly limits: Limits
  /** How long a whole shutdown may take, in milliseconds. */
  readonly drainTimeout: number
  /** Takes a line of a worker's log. */
  readonly onLine: (line: string) => void
}

/** A worker that lives for less, in milliseconds, has died early: the next is started later. */
const EARLY = 10_000

/** How much later, in milliseconds: from the first to the last. A dead worker is replaced within five seconds. */
const BACK_OFF = { first: 100, last: 3000 }

/** How often workers may die at birth, one after the other, while none lives. */
const MOST_BIRTHS = 5

/** What is told of the end of a connection: that it is stopping, and that it has closed. */
const EVENTS_OF_AN_END = 2

/** What a worker may take longer than `drainTimeout`, in milliseconds, until its log has been read. */
const LAST_LINES = 500

/** The first that dies early is replaced at once, as one that has lived. */
const backOff = (failures: number): number =>
  failures <= 1 ? 0 : Math.min(BACK_OFF.last, BACK_OFF.first * 2 ** (failures - 2))

/** Starts the workers, and keeps them running, until the scope closes: that drains them. */
export const make = (options: PrimaryOptions): Effect.Effect<never, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const run = yield* FiberSet.makeRuntime<never, void>()
    const fatal = yield* Deferred.make<never, StartError>()
    const places = new Places(options.limits)
    const events = new Events<Message.Event>()
    const living = new Set<WorkerProcess>()
    /** Who waits for the end of a worker. */
    const onEnd = new Map<WorkerProcess, () => void>()
    let past: ReadonlyArray<Family> = []
    let isReporting = false
    let isListening = false
    let isDraining = false

    const tellAll = (it: FromPrimary): void => {
      for (const worker of living) worker.tell(it)
    }
    const report = (): void => {
      if (!isReporting) tellAll({ _tag: "Report" })
      isReporting = true
    }
    const members = () => Array.from(living, ({ member }) => member).filter((member) => member !== undefined)
    const families = Effect.suspend(() =>
      Effect.forEach(living, (worker) => Effect.map(worker.families, (own) => ({ worker, own })), {
        concurrency: "unbounded"
      })
    ).pipe(
      // What one that has ended meanwhile had counted is in the past by now.
      Effect.map((all) => all.filter(({ worker }) => living.has(worker)).map(({ own }) => own)),
      Effect.map((all) => merge([past, Metrics.ofProcess(), ...all]))
    )

    const intake = yield* Intake.make(options.intake, () => [...living])

    const { join } = Option.getOrElse(yield* Effect.serviceOption(Cluster), () => alone)
    const joined = yield* join({
      fleet: gather(members),
      tags: () => members().flatMap(({ tags }) => tags),
      events: {
        get last() {
          return events.last
        },
        subscribeSince: (number) => events.subscribeSince(number),
        relay: (to) => {
          report()
          events.relay(to)
        }
      },
      families: () => []
    })

    const closeIfUnused = (): void => {
      if (isDraining && ![...living].some(({ isOpen }) => isOpen)) intake.close()
    }
    const logDeath = ({ exit, pid, problem }: WorkerProcess) =>
      Effect.annotateLogs(Effect.logError("worker died"), {
        pid,
        ...(exit?.signal === null ? { exitCode: exit.code } : { signal: exit?.signal }),
        ...(problem === undefined ? {} : { problem })
      })

    /** From the first follower on, all that happens goes to those workers that have some. */
    const follow = yield* Effect.cached(
      Effect.gen(function* () {
        report()
        yield* joined.follow
        const subscriber = yield* Scope.extend(joined.events.subscribeSince(joined.events.last), scope)
        const forward = Effect.map(subscriber.ready, () => {
          const batch = subscriber.take(MOST_EVENTS)
          for (const worker of living) if (worker.isFollowing) worker.tell({ _tag: "Events", events: batch })
        })
        run(Effect.forever(forward))
      })
    )
    const startFollowing = (worker: WorkerProcess) =>
      Effect.gen(function* () {
        yield* follow
        const subscriber = yield* joined.events.subscribeSince(0)
        worker.isFollowing = true
        worker.tell({ _tag: "Following", last: joined.events.last, recent: subscriber.take(MOST_EVENTS) })
      })

    const hub: Hub = {
      places,
      run,
      answer: (question: Question): Effect.Effect<unknown> =>
        question._tag === "Families" ? families : Message.answer(joined.fleet, question),
      onTell: (worker, it: FromWorker) => {
        if (it._tag === "Happened") for (const event of it.events) events.publish(() => event)
        else if (it._tag === "Follow") run(Effect.scoped(startFollowing(worker)))
        else if (it._tag === "Hello") {
          if (isReporting) worker.tell({ _tag: "Report" })
          worker.tell({ _tag: "Health", health: joined.health() })
        } else if (it._tag === "Closed") {
          closeIfUnused()
        } else if (it._tag === "Listening") {
          intake.look()
          const waiting = [...living].filter(({ urls }) => urls === undefined)
          if (isListening) run(Effect.annotateLogs(Effect.logInfo("worker replaced"), { pid: worker.pid }))
          else if (living.size === options.workers && waiting.length === 0) {
            isListening = true
            const about = { ...it.urls, workers: options.workers }
            run(Effect.annotateLogs(Effect.logInfo("listening"), about))
          }
        }
      },
      onGivenBack: (socket) => intake.give(socket),
      onLine: options.onLine,
      onExit: (worker) => {
        living.delete(worker)
        closeIfUnused()
        if (isDraining && worker.exit?.code !== 0) run(logDeath(worker))
        past = merge([past, worker.lasting])
        // Of the end of its connections nobody tells: those who follow them are told that they don't know.
        events.lose(worker.connections * EVENTS_OF_AN_END)
        onEnd.get(worker)?.()
        onEnd.delete(worker)
      }
    }

    const birth = Effect.sync(() => {
      cluster.setupPrimary({
        args: [...options.args],
        silent: true,
        stdio: ["ignore", "pipe", "inherit", "ipc"]
      })
      const worker = new WorkerProcess({ epoch: joined.epoch, bound: intake.bound, ...options.log }, hub)
      living.add(worker)
      return worker
    })
    const end = (worker: WorkerProcess) =>
      Effect.async<void>((resume) => {
        if (worker.exit === undefined) onEnd.set(worker, () => resume(Effect.void))
        else resume(Effect.void)
      })

    /** Keeps one worker running. */
    const keepRunning = Effect.gen(function* () {
      let failures = 0
      for (;;) {
        const worker = yield* birth
        yield* end(worker)
        const { bornAt, exit, problem, urls } = worker
        failures = performance.now() - bornAt < EARLY ? failures + 1 : 0
        if (urls === undefined) {
          const isHopeless = problem !== undefined && !isListening
          if (isHopeless || (failures >= MOST_BIRTHS && living.size === 0)) {
            const message =
              problem ??
              `no worker can be started: the last ${failures} ended before they listened (${exit?.signal ?? `exit code ${exit?.code}`})`
            return yield* Deferred.fail(fatal, new StartError({ message, cause: exit }))
          }
        }
        yield* logDeath(worker)
        yield* Effect.sleep(backOff(failures))
      }
    })

    // Nobody is connected to those that are only starting.
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        isDraining = true
        closeIfUnused()
        for (const worker of living) {
          if (worker.member === undefined) worker.kill("SIGKILL")
          else worker.tell({ _tag: "Drain" })
        }
        const all = Effect.forEach(living, end, { concurrency: "unbounded" })
        yield* all.pipe(Effect.interruptible, Effect.timeoutOption(options.drainTimeout + LAST_LINES))
        for (const worker of living) worker.kill("SIGKILL")
        yield* all
      })
    )
    let health = joined.health()
    const look = Effect.sync(() => {
      for (const worker of living) worker.takeBack()
      intake.look()
      const now = joined.health()
      if (now !== health) tellAll({ _tag: "Health", health: now })
      health = now
    })
    yield* Effect.forkScoped(Effect.schedule(look, Schedule.spaced("500 millis")))
    return yield* Effect.raceFirst(
      Deferred.await(fatal),
      Effect.zipRight(
        Effect.forEach(Array.from({ length: options.workers }), () => keepRunning, {
          concurrency: "unbounded"
        }),
        Effect.never
      )
    )
  })
