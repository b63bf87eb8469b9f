/**
 * The life of one connection: the handshake, messages and their echoes, and the end.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Client from "./Client.js"
import { Ending, type Signal } from "./Ending.js"
import { Ledger, type Verdict } from "./Ledger.js"
import { type ProbeSettings, waitsForEnding } from "./ProbeOptions.js"

/** What is told of a connection while it lives. */
export interface Observer {
  readonly opened: (opened: Client.Opened, millis: number) => void
  readonly received: (verdict: Verdict) => void
  readonly overdue: (number: number) => void
}

/** Why a connection is to be closed: a signal came, or the time of the run is over. */
export type Stop = Signal | "duration"

/** How a connection was, when it is over. */
export interface Outcome {
  readonly ending: Ending
  readonly ledger: Ledger
  /** How long the handshake took, in milliseconds. */
  readonly handshake: number | undefined
}

/** So many bytes may wait to be taken by the kernel before no more messages are sent. */
const MOST_BUFFERED = 1024 ** 2

const NOTHING = Buffer.alloc(0)

/**
 * Runs one connection to its end.
 *
 * @param options `count` is how many messages may still be sent; `stop` completes when the probe is to close.
 */
export const run = (
  settings: ProbeSettings,
  options: { readonly count: number; readonly stop: Effect.Effect<Stop>; readonly observer: Observer }
): Effect.Effect<Outcome> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { observer } = options
      const timeout = Duration.toMillis(settings.timeout)
      const interval = Duration.toMillis(settings.interval)
      const begun = performance.now()
      const connection = randomBytes(4).toString("hex")
      const ledger = new Ledger({ connection, size: settings.size, isBinary: settings.binary, timeout })
      const opened = yield* Deferred.make<number>()
      const ended = yield* Deferred.make<Ending>()
      let lastHeard = begun
      let pingedAt = Number.NEGATIVE_INFINITY
      /** Opens when a message has come or is overdue, or the kernel has taken one: whoever waits looks again. */
      const news = Effect.unsafeMakeLatch()

      const receive = (verdict: Verdict): void => {
        observer.received(verdict)
        news.unsafeOpen()
      }
      const client = yield* Effect.acquireRelease(
        Effect.sync(() =>
          Client.connect(settings, timeout, {
            onOpen: (what) => {
              lastHeard = performance.now()
              observer.opened(what, lastHeard - begun)
              Deferred.unsafeDone(opened, Effect.succeed(lastHeard - begun))
            },
            onMessage: (data, isBinary) => {
              // With --ping a message can be none of ours, whatever it holds.
              receive(settings.ping ? ledger.other(data) : ledger.receive(data, isBinary, performance.now()))
            },
            onPong: (data) => {
              if (settings.ping && data.length > 0) receive(ledger.receive(data, false, performance.now()))
            },
            onBytes: () => {
              lastHeard = performance.now()
            },
            onTaken: () => news.unsafeOpen(),
            onEnd: (ending) => Deferred.unsafeDone(ended, Effect.succeed(ending))
          })
        ),
        (client) => Effect.async<void>((resume) => client.destroy(() => resume(Effect.void)))
      )

      const givenUp = Effect.raceFirst(
        Effect.as(Effect.sleep(timeout), Ending.Timeout({ millis: timeout })),
        Effect.map(options.stop, (stop) =>
          stop === "duration"
            ? Ending.Timeout({ millis: performance.now() - begun })
            : Ending.Interrupted({ signal: stop })
        )
      )
      const first = yield* Effect.raceFirst(
        Effect.raceFirst(Deferred.await(opened), Deferred.await(ended)),
        Effect.flatMap(givenUp, (ending) => {
          client.giveUp(ending)
          return Deferred.await(ended)
        })
      )
      if (typeof first !== "number") return { ending: first, ledger, handshake: undefined }

      /** Looks for what should have come, until the connection is to be given up. */
      const watch = (waitingSince: () => number | undefined) =>
        Effect.gen(function* () {
          const tick = Math.min(Math.max(timeout / 50, 1), 100)
          // Once a side has begun to close, no more is to come.
          while (client.isOpen()) {
            const now = performance.now()
            const since = waitingSince()
            // Before those that are overdue are set aside: they are what is waited for.
            if (since !== undefined) {
              const quietSince = Math.max(lastHeard, since)
              if (now - quietSince >= timeout) return Ending.Silent({ millis: timeout })
              if (now - quietSince >= timeout / 2 && pingedAt < quietSince) {
                pingedAt = now
                client.ping(NOTHING)
              }
            }
            const overdue = ledger.overdue(now)
            overdue.forEach(observer.overdue)
            if (overdue.length > 0) news.unsafeOpen()
            if (overdue.length > 0 && ledger.counts.echoes === 0 && !settings.ping) {
              return Ending.NoEcho({ millis: timeout })
            }
            yield* Effect.sleep(tick)
          }
          return yield* Deferred.await(ended)
        })

      const send = Effect.sync(() => {
        const { bytes, number } = ledger.send(performance.now())
        if (settings.ping) client.ping(bytes)
        else client.send(bytes, settings.binary)
        return number
      })
      const until = (isSo: () => boolean) =>
        Effect.whileLoop({
          while: () => {
            if (isSo()) return false
            news.unsafeClose()
            return true
          },
          body: () => news.await,
          step: () => undefined
        })
      const talk = Effect.gen(function* () {
        const start = performance.now()
        for (let i = 1; i <= options.count; i++) {
          yield* until(() => client.buffered() <= MOST_BUFFERED)
          // Nothing goes out once a side has begun to close, and what never went out isn't lost.
          if (!client.isOpen()) return yield* Effect.never
          const number = yield* send
          if (interval === 0) yield* until(() => !ledger.isAwaited(number))
          else if (i < options.count)
            yield* Effect.sleep(Math.max(0, start + i * interval - performance.now()))
        }
        yield* until(() => ledger.waitingSince === undefined)
      })

      const talking = Effect.raceFirst(
        talk,
        watch(() => ledger.waitingSince)
      )
      const lingering = Effect.suspend(() => {
        const since = performance.now()
        return Effect.raceFirst(
          Effect.sleep(timeout + 200),
          watch(() => since)
        )
      })
      const early = yield* Effect.raceFirst(
        Effect.raceFirst(Deferred.await(ended), Effect.as(options.stop, undefined)),
        Effect.flatMap(talking, (ending) =>
          ending === undefined && waitsForEnding(settings) ? lingering : Effect.succeed(ending)
        )
      )
      if (typeof early === "object" && early._tag !== "NoEcho") {
        return { ending: early, ledger, handshake: first }
      }
      client.close()
      const last = yield* Deferred.await(ended)
      return { ending: typeof early === "object" ? early : last, ledger, handshake: first }
    })
  )
