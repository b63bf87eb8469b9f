/**
 * Lines of log that are written at once, by whoever has something to tell, in a fiber or not.
 */
import * as Cause from "effect/Cause"
import * as DefaultServices from "effect/DefaultServices"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import * as LogLevel from "effect/LogLevel"

/** Logs a line with its annotations at level info. A logger that fails is nothing to the caller. */
export type Log = (message: string, annotations: Readonly<Record<string, unknown>>) => void

/**
 * What `Effect.logInfo` does with `Effect.annotateLogs` around it where this is run: the same loggers get the same. A fiber
 * for each line of a connection's end, and what it does to have the annotations and to put them right again, costs five
 * times what the line does.
 */
export const here: Effect.Effect<Log> = Effect.withFiberRuntime((fiber) =>
  Effect.succeed(make(fiber.getFiberRefs(), fiber.id()))
)

const make = (fiberRefs: FiberRefs.FiberRefs, fiberId: FiberId.FiberId): Log => {
  const get = <A>(ref: FiberRef.FiberRef<A>): A => FiberRefs.getOrDefault(fiberRefs, ref)
  const loggers = [...get(FiberRef.currentLoggers)]
  const isLogged =
    loggers.length > 0 && LogLevel.greaterThanEqual(LogLevel.Info, get(FiberRef.currentMinimumLogLevel))
  const clock = Context.get(get(DefaultServices.currentServices), Clock.Clock)
  const around = get(FiberRef.currentLogAnnotations)
  const spans = get(FiberRef.currentLogSpan)
  return (message, annotations) => {
    if (!isLogged) return
    const own = HashMap.fromIterable(Object.entries(annotations))
    const line = {
      fiberId,
      logLevel: LogLevel.Info,
      message: [message],
      cause: Cause.empty,
      context: fiberRefs,
      spans,
      annotations: HashMap.isEmpty(around) ? own : HashMap.union(around, own),
      date: new Date(clock.unsafeCurrentTimeMillis())
    }
    Inspectable.withRedactableContext(fiberRefs, () => {
      for (const logger of loggers) {
        try {
          logger.log(line)
        } catch {
          // What is told must not decide what happens.
        }
      }
    })
  }
}
