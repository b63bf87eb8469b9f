/**
 * Messages that come, one after the other, for a test that waits for them.
 */
import * as Effect from "effect/Effect"
import type { Message } from "../protocol/Message.js"
import type { Changes } from "./Changes.js"
import type { ExpectationFailed } from "./ExpectationFailed.js"

/** Where messages come. */
export interface Source {
  readonly received: ReadonlyArray<Message>
  /** Whether no more will come. */
  readonly isOver: boolean
  readonly changes: Changes
}

/** Takes the next message each time; fails in that way when there will be no more. */
export const receiving = (
  source: Source,
  failed: Effect.Effect<never, ExpectationFailed>
): Effect.Effect<Message, ExpectationFailed> => {
  let taken = 0
  const receive: Effect.Effect<Message, ExpectationFailed> = Effect.suspend(() => {
    const next = source.received[taken]
    if (next !== undefined) {
      taken++
      return Effect.succeed(next)
    }
    if (source.isOver) return failed
    // Another fiber may take it before this one runs.
    return Effect.zipRight(
      source.changes.until(() => source.received.length > taken || source.isOver),
      receive
    )
  })
  return receive
}
