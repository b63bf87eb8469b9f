/**
 * What is left to be done once all has been read that could be in one turn of the event loop.
 *
 * Node reads the sockets one after the other, and would run the fiber of each in between. To read all of them first,
 * and then run the fibers, costs a tenth less: what either does stays in the processor's caches. And all that came on
 * a socket is one batch.
 */
import * as Effect from "effect/Effect"

interface Sleeper {
  readonly wake: () => void
}

let sleepers: Array<Sleeper> = []

const wakeAll = (): void => {
  const due = sleepers
  sleepers = []
  for (const sleeper of due) sleeper.wake()
}

/** Wakes somebody when the reads of this turn are over. */
export const wakeAfterReads = (sleeper: Sleeper): void => {
  if (sleepers.push(sleeper) === 1) setImmediate(wakeAll)
}

/** Lets the event loop read from all sockets, and run what comes of it, before it goes on. */
export const turn: Effect.Effect<void> = Effect.async((resume) => {
  setImmediate(() => setImmediate(() => resume(Effect.void)))
})
