/**
 * Waits for what nothing reports.
 */
import * as Effect from "effect/Effect"

/** A turn of the event loop, in which sockets are read. */
export const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** How long, in milliseconds, to look, if nothing else is said. */
const PATIENCE = 10_000

/** Looks once a turn of the event loop until something is so; fails, and says what, if it isn't within so many milliseconds. */
export const eventually = <E>(
  what: string,
  look: Effect.Effect<boolean, E>,
  patience = PATIENCE
): Effect.Effect<void, E | Error> => {
  const loop: Effect.Effect<void, E> = Effect.flatMap(look, (isSo) =>
    isSo ? Effect.void : Effect.zipRight(turn, loop)
  )
  return Effect.timeoutFail(loop, {
    duration: patience,
    onTimeout: () => new Error(`it never came to pass that ${what}`)
  })
}
