/**
 * Values to messages and back.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import type { ConnectionId } from "../protocol/ConnectionId.js"
import * as Message from "../protocol/Message.js"
import { EncodeError, InvalidMessage } from "./JsonError.js"

const unfit = (schema: Schema.Schema.All, value: unknown, words: string) =>
  Either.left(new ParseResult.Type(schema.ast, value, words))

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A value can be nested so deeply that there is no stack to walk through it, and a peer chooses how deeply. */
const isTooDeep = (error: unknown): boolean =>
  error instanceof RangeError && error.message === "Maximum call stack size exceeded"

/** Runs a parser: what it gives is an `Either`, unless its schema has effects. */
const attempt = <A, R>(
  schema: Schema.Schema.All,
  parse: (value: unknown) => Effect.Effect<A, ParseResult.ParseIssue, R>,
  value: unknown
): Effect.Effect<A, ParseResult.ParseIssue, R> => {
  try {
    return parse(value)
  } catch (error) {
    if (isTooDeep(error)) return unfit(schema, value, "it is nested too deeply")
    throw error
  }
}

/**
 * Runs a parser on one value after another, for as long as `take` wants more. Where it is synchronous this is a plain
 * loop: a hop of the fiber for each message would cost more than the message.
 */
export const parseEach = <A, B, E, R>(
  values: Chunk.Chunk<A>,
  parse: (value: A) => Effect.Effect<B, E, R>,
  take: (result: Either.Either<B, E>) => boolean
): Effect.Effect<void, never, R> => {
  const from = (start: number): Effect.Effect<void, never, R> => {
    for (let i = start; i < values.length; i++) {
      const parsed = parse(Chunk.unsafeGet(values, i))
      const result = ParseResult.eitherOrUndefined(parsed)
      if (result === undefined)
        return Effect.flatMap(Effect.either(parsed), (result) => (take(result) ? from(i + 1) : Effect.void))
      if (!take(result)) return Effect.void
    }
    return Effect.void
  }
  return Effect.suspend(() => from(0))
}

/** Makes values of the messages of a connection. */
export const decoder = <In, InEncoded, InR>(
  connection: ConnectionId,
  schema: Schema.Schema<In, InEncoded, InR>
) => {
  const decode = ParseResult.decodeUnknown(schema)
  return (received: Message.Message): Effect.Effect<In, InvalidMessage, InR> => {
    const invalid = (problem: InvalidMessage["problem"]) => (issue: ParseResult.ParseIssue) =>
      new InvalidMessage({
        connection,
        problem,
        received,
        cause: new ParseResult.ParseError({ issue })
      })
    if (received._tag === "Binary")
      return Either.mapLeft(unfit(schema, received, "expected JSON as text"), invalid("NotText"))
    let value: unknown
    try {
      value = JSON.parse(received.text)
    } catch (error) {
      return Either.mapLeft(unfit(schema, received.text, wordsOf(error)), invalid("NotJson"))
    }
    return ParseResult.mapError(attempt(schema, decode, value), invalid("NotExpected"))
  }
}

/** Makes messages for a connection of values. */
export const encoder = <Out, OutEncoded, OutR>(
  connection: ConnectionId,
  schema: Schema.Schema<Out, OutEncoded, OutR>
) => {
  const encode = ParseResult.encodeUnknown(schema)
  const stringify = (encoded: OutEncoded): Either.Either<Message.Message, ParseResult.ParseIssue> => {
    try {
      const text: string | undefined = JSON.stringify(encoded)
      return text === undefined ? unfit(schema, encoded, "it has no JSON") : Either.right(Message.text(text))
    } catch (error) {
      return unfit(schema, encoded, wordsOf(error))
    }
  }
  return (value: Out): Effect.Effect<Message.Message, EncodeError, OutR> => {
    const encoded = attempt(schema, encode, value)
    return ParseResult.mapError(
      ParseResult.flatMap(encoded, stringify),
      (issue) => new EncodeError({ connection, value, cause: new ParseResult.ParseError({ issue }) })
    )
  }
}
