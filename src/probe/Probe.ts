/**
 * A run of the probe: connections, one after the other, until it is over; what is told of them; and the exit code.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Backoff from "./Backoff.js"
import * as Connection from "./Connection.js"
import { inWords, quoted, type Signal, signals, wasConnected } from "./Ending.js"
import { byDefault, inMillis, namesEnding, unmet } from "./Expectation.js"
import { total, type Counts } from "./Ledger.js"
import type { ProbeSettings } from "./ProbeOptions.js"
import * as Report from "./Report.js"
import { RoundTrips } from "./RoundTrips.js"
import { type Output, Screen } from "./Screen.js"

/** The URL without what is secret in it. */
const shown = (url: URL): string => {
  const copy = new URL(url)
  copy.username = ""
  copy.password = ""
  return copy.href
}

/**
 * Runs the probe, and gives the exit code.
 *
 * @param interrupted completes when a signal comes.
 */
export const run = (
  settings: ProbeSettings,
  output: Output,
  interrupted: Effect.Effect<Signal>
): Effect.Effect<number> =>
  Effect.scoped(
    Effect.gen(function* () {
      const begun = performance.now()
      const url = shown(settings.url)
      const screen = new Screen(settings.json ? { write: () => undefined } : output)
      const trips = new RoundTrips()
      const finished: Array<Counts> = []
      const isPlain = !screen.isLive && !settings.quiet
      const stop = yield* Deferred.make<Connection.Stop>()
      const limit =
        settings.duration === undefined
          ? Effect.never
          : Effect.as(Effect.sleep(settings.duration), "duration" as const)
      const signalled = Effect.tap(interrupted, (signal) =>
        Effect.sync(() => screen.line(`${signal}: closing; once more ends the program at once`))
      )
      yield* Effect.forkScoped(
        Effect.flatMap(Effect.raceFirst(signalled, limit), (why) => Deferred.succeed(stop, why))
      )

      let echoed = 0
      let hasSeenOthers = false
      const observer: Connection.Observer = {
        opened: ({ isCompressed, remote, subprotocol }, millis) => {
          const extras = [
            ...(subprotocol === undefined ? [] : [`subprotocol ${quoted(subprotocol)}`]),
            ...(isCompressed ? ["compressed"] : [])
          ]
          screen.line(
            `connected to ${remote} in ${inMillis(millis)}${extras.map((text) => `, ${text}`).join("")}`
          )
        },
        received: (verdict) => {
          switch (verdict._tag) {
            case "Echo":
              echoed++
              trips.record(verdict.millis)
              if (isPlain || verdict.isLate || verdict.isOutOfOrder) {
                const odd = `${verdict.isLate ? ", late" : ""}${verdict.isOutOfOrder ? ", out of order" : ""}`
                screen.line(
                  `${settings.ping ? "pong" : "echo"} ${verdict.number}: ${inMillis(verdict.millis)}${odd}`
                )
              }
              break
            case "Duplicate":
              screen.line(`echo ${verdict.number} came again`)
              break
            case "Changed":
              screen.line(`echo ${verdict.number} came back changed`)
              break
            case "Other":
              // Those that follow are counted: a server may send many.
              if (!hasSeenOthers)
                screen.line(
                  `a message of ${verdict.bytes} bytes that the probe hasn't sent; others are counted`
                )
              hasSeenOthers = true
          }
          screen.figures(() => {
            const { max, p50, p99 } = trips.summary
            const figures = [trips.last, p50, p99, max].map((value) =>
              value === undefined ? "-" : inMillis(value)
            )
            return `${echoed} echoed  last ${figures[0]}  p50 ${figures[1]}  p99 ${figures[2]}  max ${figures[3]}  ${Report.sparkline(trips.buckets)}`
          })
        },
        overdue: (number) =>
          screen.line(
            `no ${settings.ping ? "pong" : "echo"} ${number} within ${inWords(Duration.toMillis(settings.timeout))}`
          )
      }

      screen.line(
        `probe ${url}: ${settings.size} bytes, ${settings.ping ? "pings" : settings.binary ? "binary" : "text"}`
      )
      let attempts = 0
      let reconnects = 0
      let everConnected = false
      let outcome: Connection.Outcome
      for (;;) {
        const left = (settings.count ?? Number.POSITIVE_INFINITY) - total(finished).sent
        outcome = yield* Connection.run(settings, { count: left, stop: Deferred.await(stop), observer })
        const { ending } = outcome
        finished.push(outcome.ledger.counts)
        everConnected ||= wasConnected(ending)
        for (const line of Report.endingLines(ending)) screen.line(line)
        const isOver =
          !settings.reconnect ||
          ending._tag === "Open" ||
          ending._tag === "Interrupted" ||
          namesEnding(settings.expect, ending) ||
          (settings.count !== undefined && total(finished).sent >= settings.count) ||
          (yield* Deferred.isDone(stop))
        if (isOver) break
        attempts = outcome.ledger.counts.echoes > 0 ? 1 : attempts + 1
        if (attempts > settings.reconnectAttempts) break
        const wait = Backoff.delay(attempts, {
          maxDelay: Duration.toMillis(settings.reconnectMaxDelay),
          random: Math.random(),
          retryAfter:
            ending._tag === "Refused" ? Backoff.retryAfter(ending.retryAfter, Date.now()) : undefined
        })
        screen.line(`reconnecting in ${inWords(wait)}, attempt ${attempts}`)
        const isStopped = yield* Effect.raceFirst(
          Effect.as(Deferred.await(stop), true),
          Effect.as(Effect.sleep(wait), false)
        )
        if (isStopped) break
        reconnects++
      }

      const seen = {
        ending: outcome.ending,
        counts: total(finished),
        roundTrips: trips.summary,
        handshake: outcome.handshake,
        reconnects
      }
      const wrong = unmet(settings.expect.length === 0 ? byDefault : settings.expect, seen)
      // Also one that came while it waited to try again.
      const last = (yield* Deferred.isDone(stop)) ? yield* Deferred.await(stop) : undefined
      const failed = everConnected ? 1 : last === undefined || last === "duration" ? 3 : signals[last]
      const result: Report.Result = {
        ...seen,
        url,
        durationMs: performance.now() - begun,
        buckets: trips.buckets,
        unmet: wrong,
        exitCode: wrong.length === 0 ? 0 : failed
      }
      screen.clear()
      for (const line of Report.summary(result)) screen.line(line)
      if (settings.json) output.write(`${Report.json(result)}\n`)
      return result.exitCode
    })
  )
