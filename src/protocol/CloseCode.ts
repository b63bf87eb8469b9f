/**
 * Close codes and the payload of a Close frame (RFC 6455 sections 5.5.1 and 7.4).
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/**
 * The purpose of the connection has been fulfilled (RFC 6455 section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, type Connection } from "answerback"
 *
 * // All that the peer had asked for has been sent.
 * export const finish = (connection: Connection) =>
 *   connection.stop({ code: CloseCode.NORMAL, reason: "that was all" })
 * ```
 */
export const NORMAL = 1000

/**
 * The endpoint goes away: a server that shuts down, a page that is left (RFC 6455 section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, type ConnectionEvent } from "answerback"
 *
 * // A page that was left, or a browser that was closed.
 * export const hasLeft = (event: ConnectionEvent): boolean =>
 *   event._tag === "closed" && event.reason._tag === "PeerClosed" && event.code === CloseCode.GOING_AWAY
 * ```
 */
export const GOING_AWAY = 1001

/**
 * A frame or a sequence of frames that RFC 6455 doesn't allow (section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, FaultPlan } from "answerback"
 *
 * // What does a client do whom the server accuses of a bad frame?
 * export const accused = FaultPlan.make({ fault: "close", code: CloseCode.PROTOCOL_ERROR, after: "3msg" })
 * ```
 */
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

/**
 * Stands for "the Close frame had no code"; never on the wire (RFC 6455 section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, StopReason } from "answerback"
 *
 * // Who says goodbye without a code has nothing to complain of.
 * export const isPolite = (reason: StopReason): boolean =>
 *   StopReason.$is("PeerClosed")(reason) &&
 *   (reason.code === CloseCode.NORMAL || reason.code === CloseCode.NO_STATUS)
 * ```
 */
export const NO_STATUS = 1005

/**
 * Stands for "there was no Close frame"; never on the wire (RFC 6455 section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode } from "answerback"
 *
 * // What the `close` event of a client told: only this one never came from the server.
 * export const explain = (code: number): string =>
 *   code === CloseCode.ABNORMAL ? "the network failed" : `the server closed with ${code}`
 * ```
 */
export const ABNORMAL = 1006

/**
 * Data that doesn't fit its type, such as invalid UTF-8 in a text message (RFC 6455 section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, type Connection } from "answerback"
 * import { Effect } from "effect"
 *
 * export const parse = (connection: Connection, text: string) =>
 *   Effect.try((): unknown => JSON.parse(text)).pipe(
 *     Effect.tapError(() => connection.stop({ code: CloseCode.INVALID_PAYLOAD, reason: "that is no JSON" }))
 *   )
 * ```
 */
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

/**
 * A message that is too big to process (RFC 6455 section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, type ConnectionEvent, StopReason } from "answerback"
 *
 * // Somebody has sent more than `maxPayload`.
 * export const wasTooBig = (event: ConnectionEvent): boolean =>
 *   event._tag === "closed" &&
 *   StopReason.$is("ProtocolError")(event.reason) &&
 *   event.reason.code === CloseCode.MESSAGE_TOO_BIG
 * ```
 */
export const MESSAGE_TOO_BIG = 1009

/**
 * The server met a condition that it didn't expect (RFC 6455 section 7.4.1).
 *
 * @example
 * ```ts
 * import { CloseCode, type Connection } from "answerback"
 * import { Effect } from "effect"
 *
 * // A handler that fails closes with this code by itself; here the peer is told more than `internal error`.
 * export const orSayWhy = <A, E, R>(connection: Connection, query: Effect.Effect<A, E, R>) =>
 *   Effect.tapErrorCause(query, () =>
 *     connection.stop({ code: CloseCode.INTERNAL_ERROR, reason: "the database is away" })
 *   )
 * ```
 */
export const INTERNAL_ERROR = 1011

/**
 * The server restarts, and the peer may connect again after a random wait (IANA, WebSocket Close Code Number Registry).
 *
 * @example
 * ```ts
 * import { CloseCode, echo, WebSocketServer } from "answerback"
 *
 * // For clients that connect again after a 1012, but not after a 1001.
 * export const Server = WebSocketServer.layer(echo, { shutdownCode: CloseCode.SERVICE_RESTART })
 * ```
 */
export const SERVICE_RESTART = 1012

/**
 * What HTTP calls 408: nothing came for too long (IANA, WebSocket Close Code Number Registry).
 *
 * @example
 * ```ts
 * import { CloseCode } from "answerback"
 *
 * // A client that has been quiet for too long connects when it has something to say, not at once.
 * export const reconnectsAtOnce = (code: number): boolean =>
 *   code === CloseCode.GOING_AWAY || (code >= 1011 && code !== CloseCode.IDLE_TIMEOUT)
 * ```
 */
export const IDLE_TIMEOUT = 3008

/**
 * A control frame carries at most 125 bytes, of which the close code takes two (RFC 6455 section 5.5).
 *
 * @example
 * ```ts
 * import { CloseCode } from "answerback"
 *
 * // Cuts between characters, so that what is left is UTF-8.
 * export const fit = (reason: string): string => {
 *   let short = reason
 *   while (new TextEncoder().encode(short).length > CloseCode.MAX_REASON_BYTES)
 *     short = [...short].slice(0, -1).join("")
 *   return short
 * }
 * ```
 */
export const MAX_REASON_BYTES = 123

/**
 * Says which close codes `isSendable` accepts, for error messages.
 *
 * @example
 * ```ts
 * import { CloseCode } from "answerback"
 *
 * export const help = `--close-code CODE   what to close with: ${CloseCode.SENDABLE}`
 * ```
 */
export const SENDABLE = "1000-1003, 1007-1014 or 3000-4999"

/**
 * Whether a close code may stand in a Close frame: those that RFC 6455 section 7.4 and the IANA registry
 * assign, the ranges for libraries and applications, and none of the reserved ones (1004, 1005, 1006, 1015).
 *
 * @example
 * ```ts
 * import { CloseCode } from "answerback"
 * import { Config } from "effect"
 *
 * export const closeCode = Config.integer("CLOSE_CODE").pipe(
 *   Config.validate({ message: `accepted is ${CloseCode.SENDABLE}`, validation: CloseCode.isSendable })
 * )
 * ```
 */
export const isSendable = (code: number): boolean =>
  Number.isInteger(code) &&
  ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999))

/**
 * A close code or a reason that can't be put into a Close frame.
 *
 * @example
 * ```ts
 * import { Connections } from "answerback"
 * import { Effect } from "effect"
 *
 * // Code and reason come from a form, and may be anything.
 * export const kick = (id: string, code: number, reason: string) =>
 *   Effect.gen(function* () {
 *     const connections = yield* Connections
 *     yield* connections.stop(id, { code, reason })
 *     return "stopped"
 *   }).pipe(Effect.catchTag("InvalidClose", ({ message }) => Effect.succeed(message)))
 * ```
 */
export class InvalidClose extends Data.TaggedError("InvalidClose")<{ readonly message: string }> {}

/**
 * Checks what a Close frame shall carry.
 *
 * @returns the code and reason, or an `InvalidClose` that says what is accepted: a sendable code, and a reason of
 * at most 123 bytes of UTF-8.
 *
 * @example
 * ```ts
 * import { CloseCode } from "answerback"
 * import { Either } from "effect"
 *
 * // Before it is stored, rather than when a connection is to be closed with it.
 * export const problem = (code: number, reason: string): string | undefined =>
 *   Either.match(CloseCode.check(code, reason), {
 *     onLeft: ({ message }) => message,
 *     onRight: () => undefined
 *   })
 * ```
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
