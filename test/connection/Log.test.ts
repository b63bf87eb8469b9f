/**
 * Lines that are logged in no fiber: loggers get what they would get of `Effect.logInfo`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Inspectable from "effect/Inspectable"
import * as List from "effect/List"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as TestClock from "effect/TestClock"
import * as Log from "../../src/connection/Log.js"

interface Line {
  readonly level: string
  readonly message: unknown
  readonly cause: string
  readonly spans: ReadonlyArray<string>
  readonly annotations: ReadonlyArray<readonly [string, unknown]>
  readonly at: number
  readonly shown: unknown
  readonly fiber: string
}

/** A value that shows itself by what is around it. */
const secret = { [Inspectable.symbolRedactable]: () => "redacted", toJSON: () => "seen" }

/** A logger that keeps what it gets. */
const keeping = (lines: Array<Line>) =>
  Logger.make<unknown, void>(({ annotations, cause, date, fiberId, logLevel, message, spans }) => {
    lines.push({
      level: logLevel.label,
      message,
      cause: Cause.pretty(cause),
      spans: List.toArray(spans).map(({ label }) => label),
      annotations: HashMap.toEntries(annotations).sort(([a], [b]) => a.localeCompare(b)),
      at: date.getTime(),
      shown: Inspectable.redact(secret),
      fiber: FiberId.threadName(fiberId)
    })
  })

/** Logs with these loggers, and no others. */
const only = (...loggers: ReadonlyArray<Logger.Logger<unknown, void>>) =>
  Effect.locally(FiberRef.currentLoggers, HashSet.fromIterable(loggers))

/** Logs a line both ways. */
const bothWays = (annotations: Readonly<Record<string, unknown>>) =>
  Effect.gen(function* () {
    yield* TestClock.adjust("5 seconds")
    const log = yield* Log.here
    yield* Effect.annotateLogs(Effect.logInfo("closed"), annotations)
    log("closed", annotations)
  })

describe("a line in no fiber", () => {
  it.effect("is what `logInfo` makes of it, to each logger", () =>
    Effect.gen(function* () {
      const first: Array<Line> = []
      const second: Array<Line> = []
      yield* bothWays({ connection: "c1", code: 1001 }).pipe(
        Effect.annotateLogs("service", "chat"),
        Effect.withLogSpan("serving"),
        only(keeping(first), keeping(second))
      )
      expect(first).toHaveLength(2)
      expect(first[1]).toEqual(first[0])
      expect(first[1]).toMatchObject({
        level: "INFO",
        spans: ["serving"],
        at: 5000,
        annotations: [
          ["code", 1001],
          ["connection", "c1"],
          ["service", "chat"]
        ],
        shown: "redacted"
      })
      expect(second).toEqual(first)
    })
  )

  it.effect("without annotations around it has its own, which come before those around it", () =>
    Effect.gen(function* () {
      const lines: Array<Line> = []
      yield* bothWays({ connection: "c1" }).pipe(only(keeping(lines)))
      yield* bothWays({ connection: "c2" }).pipe(
        Effect.annotateLogs("connection", "outer"),
        only(keeping(lines))
      )
      expect(lines.map(({ annotations }) => annotations)).toEqual([
        [["connection", "c1"]],
        [["connection", "c1"]],
        [["connection", "c2"]],
        [["connection", "c2"]]
      ])
    })
  )

  it.effect("isn't logged where `logInfo` isn't", () =>
    Effect.gen(function* () {
      const lines: Array<Line> = []
      yield* bothWays({}).pipe(Logger.withMinimumLogLevel(LogLevel.Warning), only(keeping(lines)))
      expect(lines).toEqual([])
      yield* bothWays({}).pipe(Logger.withMinimumLogLevel(LogLevel.Info), only(keeping(lines)))
      expect(lines).toHaveLength(2)
    })
  )

  it.effect("reaches all loggers, though one of them fails", () =>
    Effect.gen(function* () {
      const lines: Array<Line> = []
      const failing = Logger.make<unknown, void>(() => {
        throw new Error("the disk is full")
      })
      const log = yield* Log.here.pipe(only(failing, keeping(lines), failing))
      log("closed", {})
      expect(lines).toHaveLength(1)
    })
  )
})
