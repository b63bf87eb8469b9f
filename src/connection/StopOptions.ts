/**
 * What those may say who stop a connection.
 */
import * as Either from "effect/Either"
import * as CloseCode from "../protocol/CloseCode.js"
import { StopReason } from "../protocol/StopReason.js"

/**
 * What a stop from a program or an operator may say.
 *
 * @example
 * ```ts
 * import { Connections } from "answerback"
 * import { Effect } from "effect"
 *
 * export const goHome = Effect.flatMap(Connections, ({ stopAll }) =>
 *   stopAll({ code: 4000, reason: "we close at six" })
 * )
 * ```
 */
export interface StopOptions {
  /** The close code, by default 1001. */
  readonly code?: number | undefined
  /** The close reason, by default `connection interrupted`; at most 123 bytes of UTF-8. */
  readonly reason?: string | undefined
}

/** The reason of an ending that a program asks for, if its code and reason can be sent. */
export const signal = (code: number, reason: string): Either.Either<StopReason, CloseCode.InvalidClose> =>
  Either.map(CloseCode.check(code, reason), StopReason.StopSignal)

/** The reason of a stop from a program or an operator, if its code and reason can be sent. */
export const stopReason = (options: StopOptions = {}): Either.Either<StopReason, CloseCode.InvalidClose> =>
  signal(options.code ?? CloseCode.GOING_AWAY, options.reason ?? "connection interrupted")

/** Ends a connection, unless it is ending already. Synchronous. */
export interface Ending {
  /** After the handler, which is handed what has been read. */
  readonly stop: (reason: StopReason) => boolean
  /** At once, with its last word. The handler isn't waited for. */
  readonly close: (reason: StopReason) => boolean
}
