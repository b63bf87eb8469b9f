/**
 * The stop signal of a connection: a `Deferred<StopReason>`, and the first reason wins.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { StopReason } from "../protocol/StopReason.js"

/**
 * Given once, with the reason for which the connection ends.
 *
 * @example
 * ```ts
 * import { type Connection } from "answerback"
 * import { Effect, Schedule } from "effect"
 *
 * // Pushes the time each second, until the connection is to end.
 * export const clock = (connection: Connection) =>
 *   Effect.suspend(() => connection.send(new Date().toISOString())).pipe(
 *     Effect.repeat(Schedule.spaced("1 second")),
 *     Effect.race(connection.stopSignal.await)
 *   )
 * ```
 */
export interface StopSignal {
  /** The reason, once it is given. */
  readonly reason: StopReason | undefined
  /** Waits for the stop, and tells its reason. */
  readonly await: Effect.Effect<StopReason>
  /**
   * Calls back once when it is given, within the call that gives it, so that nobody has to wait in a fiber; not at all
   * if it has been. The result takes the callback back.
   *
   * @internal
   */
  readonly onGiven: (callback: () => void) => () => void
}

/** A stop signal in the hands of who gives it: the lifecycle, and nobody else, since there is more to a stop. */
export class StopSwitch implements StopSignal {
  /** Made when somebody waits for it, which the lifecycle doesn't: it costs memory. */
  #deferred: Deferred.Deferred<StopReason> | undefined = undefined
  #reason: StopReason | undefined = undefined
  #callbacks: Set<() => void> | undefined = undefined

  get reason(): StopReason | undefined {
    return this.#reason
  }

  get await(): Effect.Effect<StopReason> {
    return Effect.suspend(() => {
      if (this.#reason !== undefined) return Effect.succeed(this.#reason)
      this.#deferred ??= Deferred.unsafeMake<StopReason>(FiberId.none)
      return Deferred.await(this.#deferred)
    })
  }

  onGiven(callback: () => void): () => void {
    if (this.#reason === undefined) (this.#callbacks ??= new Set()).add(callback)
    return () => {
      this.#callbacks?.delete(callback)
    }
  }

  /**
   * Gives the signal, unless it was given before. Synchronous, so that the callbacks of a socket give it in the
   * order in which things happen on the wire.
   *
   * @returns whether this call gave it.
   */
  give(reason: StopReason): boolean {
    if (this.#reason !== undefined) return false
    this.#reason = reason
    const callbacks = this.#callbacks
    this.#callbacks = undefined
    if (callbacks !== undefined) for (const callback of callbacks) callback()
    if (this.#deferred !== undefined) Deferred.unsafeDone(this.#deferred, Effect.succeed(reason))
    return true
  }
}
