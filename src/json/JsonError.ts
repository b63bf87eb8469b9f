/**
 * What can be wrong with a typed message.
 */
import * as Data from "effect/Data"
import * as ParseResult from "effect/ParseResult"
import * as CloseCode from "../protocol/CloseCode.js"
import type { ConnectionId } from "../protocol/ConnectionId.js"
import type { Message } from "../protocol/Message.js"

/** An error message isn't longer than that, whatever the peer has sent. */
const MAX_WORDS = 500

/** Effect's formatter goes down into what it shows, and the stack is finite. */
const described = (error: ParseResult.ParseError): string => {
  try {
    return ParseResult.ArrayFormatter.formatErrorSync(error)
      .map(({ message, path }) => (path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`))
      .join("; ")
  } catch {
    return "it is nested too deeply to be shown"
  }
}

const wordsOf = (error: ParseResult.ParseError): string => {
  const all = described(error)
  return all.length > MAX_WORDS ? `${all.slice(0, MAX_WORDS)}…` : all
}

/** What can be wrong with a message, and what a peer is told when it is closed for it: nothing of the program. */
export const problems = {
  /** It is binary. RFC 6455 section 7.4.1 has a code for just that. */
  NotText: { code: CloseCode.UNSUPPORTED_DATA, reason: "message is binary" },
  NotJson: { code: CloseCode.INVALID_PAYLOAD, reason: "message isn't JSON" },
  NotExpected: {
    code: CloseCode.POLICY_VIOLATION,
    reason: "message isn't as expected"
  }
} as const

/**
 * A peer has sent a message that the program can't take.
 *
 * `problem` says why: it is binary (`NotText`), or text that isn't JSON (`NotJson`), or JSON that doesn't fit the schema
 * (`NotExpected`). `received` is the message itself, `cause` the `ParseError` in full. The error's `message` says in one
 * line what is wrong, and where: it names fields of the schema, and what the peer has sent.
 *
 * @example
 * ```ts
 * import type { Json } from "answerback"
 *
 * export const describe = ({ code, message, received }: Json.InvalidMessage): string =>
 *   `${message}, in a ${received._tag} message of ${received.bytes.length} bytes: close code ${code}`
 * ```
 */
export class InvalidMessage extends Data.TaggedError("InvalidMessage")<{
  readonly connection: ConnectionId
  readonly problem: keyof typeof problems
  readonly received: Message
  readonly cause: ParseResult.ParseError
}> {
  override get message(): string {
    return `${problems[this.problem].reason}: ${wordsOf(this.cause)}`
  }

  /** The close code for such a message (RFC 6455 section 7.4.1): 1003, 1007 or 1008. */
  get code(): number {
    return problems[this.problem].code
  }
}

/**
 * The program wanted to send what doesn't fit its schema, or has no JSON. `value` is what it was, `cause` says why not.
 *
 * @example
 * ```ts
 * import { Json, type Connection } from "answerback"
 * import { Effect, Schema } from "effect"
 *
 * const Price = Schema.Number.pipe(Schema.positive())
 * export const offer = (connection: Connection, price: number) =>
 *   Json.connection(connection, { incoming: Schema.Never, outgoing: Price })
 *     .send(price)
 *     .pipe(Effect.catchTag("EncodeError", (error) => Effect.logError(error.message)))
 * ```
 */
export class EncodeError extends Data.TaggedError("EncodeError")<{
  readonly connection: ConnectionId
  readonly value: unknown
  readonly cause: ParseResult.ParseError
}> {
  override get message(): string {
    return `can't send a message on connection ${this.connection}: ${wordsOf(this.cause)}`
  }
}
