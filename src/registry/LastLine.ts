/**
 * What is logged last in a fiber.
 */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"

/**
 * One of the last lines of a fiber, which keeps the annotations: to have put them right again afterwards, as
 * `annotateLogs` does, costs more than the line.
 */
export const logLine = (message: string, fields: Record<string, unknown>): Effect.Effect<void> =>
  Effect.zipRight(
    FiberRef.update(FiberRef.currentLogAnnotations, (annotations) =>
      HashMap.union(annotations, HashMap.fromIterable(Object.entries(fields)))
    ),
    Effect.logInfo(message)
  )
