/**
 * Close codes and the payload of a Close frame (RFC 6455 sections 5.5.1 and 7.4).
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/** The purpose of the connection has been fulfilled (RFC 6455 section 7.4.1). */
export const NORMAL = 1000
/** The endpoint goes away: a server that shuts down, a page that is left (RFC 6455 section 7.4.1). */
export const GOING_AWAY = 1001
/** A frame or a sequence of frames that RFC 6455 doesn't allow (section 7.4.1). */
export const PROTOCOL_ERROR = 1002
/**
 * A type of data that the endpoint doesn't take, such as a binary message where it understands only text (RFC 6455
 * section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, type Connection, type Message } from "answerback"
 * import { Effect } from "effect"
 *
 * export const textOf = (connection: Connection, message: Message.Message) =>
 *   message._tag === "Text"
 *     ? Effect.succeed(message.text)
 *     : Effect.zipRight(connection.stop({ code: CloseCode.UNSUPPORTED_DATA, reason: "text only" }), Effect.interrupt)
 * ```
 */
export const UNSUPPORTED_DATA = 1003
/** Stands for "the Close frame had no code"; never on the wire (RFC 6455 section 7.4.1). */
export const NO_STATUS = 1005
/** Stands for "there was no Close frame"; never on the wire (RFC 6455 section 7.4.1). */
export const ABNORMAL = 1006
/** Data that doesn't fit its type, such as invalid UTF-8 in a text message (RFC 6455 section 7.4.1). */
export const INVALID_PAYLOAD = 1007
/**
 * A message against a policy of the endpoint, where no other code fits better (RFC 6455 section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, type Connection } from "answerback"
 *
 * export const expel = (connection: Connection) =>
 *   connection.close({ code: CloseCode.POLICY_VIOLATION, reason: "too many messages a second" })
 * ```
 */
export const POLICY_VIOLATION = 1008
/** A message that is too big to process (RFC 6455 section 7.4.1). */
export const MESSAGE_TOO_BIG = 1009
/** The server met a condition that it didn't expect (RFC 6455 section 7.4.1). */
export const INTERNAL_ERROR = 1011
/** The server restarts, and the peer may connect again after a random wait (IANA, WebSocket Close Code Number Registry). */
export const SERVICE_RESTART = 1012
/** What HTTP calls 408: nothing came for too long (IANA, WebSocket Close Code Number Registry). */
export const IDLE_TIMEOUT = 3008

/** A control frame carries at most 125 bytes, of which the close code takes two (RFC 6455 section 5.5). */
export const MAX_REASON_BYTES = 123

/** Says which close codes `isSendable` accepts, for error messages. */
export const SENDABLE = "1000-1003, 1007-1014 or 3000-4999"

/**
 * Whether a close code may stand in a Close frame: those that RFC 6455 section 7.4 and the IANA registry
 * assign, the ranges for libraries and applications, and none of the reserved ones (1004, 1005, 1006, 1015).
 */
export const isSendable = (code: number): boolean =>
  Number.isInteger(code) &&
  ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999))

/** A close code or a reason that can't be put into a Close frame. */
export class InvalidClose extends Data.TaggedError("InvalidClose")<{ readonly message: string }> {}

/**
 * Checks what a Close frame shall carry.
 *
 * @returns the code and reason, or an `InvalidClose` that says what is accepted: a sendable code, and a reason of
 * at most 123 bytes of UTF-8.
 */
export const check = (
  code: number,
  reason: string
): Either.Either<{ readonly code: number; readonly reason: string }, InvalidClose> => {
  if (!isSendable(code)) {
    return Either.left(
      new InvalidClose({
        message: `close code ${code} can't be sent: accepted is ${SENDABLE} (RFC 6455 section 7.4)`
      })
    )
  }
  const bytes = Buffer.byteLength(reason)
  if (bytes > MAX_REASON_BYTES) {
    return Either.left(
      new InvalidClose({
        message: `a close reason of ${bytes} bytes can't be sent: accepted is at most ${MAX_REASON_BYTES} bytes of UTF-8 (RFC 6455 section 5.5)`
      })
    )
  }
  return Either.right({ code, reason })
}
