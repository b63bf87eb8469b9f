/**
 * Typed messages: JSON on the wire, values of a `Schema` in the program.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Connection } from "./connection/Connection.js"
import type { ConnectionClosed } from "./connection/ConnectionClosed.js"
import { decoder, encoder, parseEach } from "./json/Codec.js"
import { type EncodeError, type InvalidMessage, problems } from "./json/JsonError.js"
import type * as Message from "./protocol/Message.js"

export { EncodeError, InvalidMessage } from "./json/JsonError.js"

/**
 * A connection whose messages are values: `In` from the peer, `Out` to it.
 *
 * @example
 * ```ts
 * import type { Json } from "answerback"
 * import { Either, Stream } from "effect"
 *
 * // Answers what can't be read, and goes on.
 * export const doubles = (numbers: Json.JsonConnection<number, number | string>) =>
 *   Stream.runForEach(
 *     numbers.results,
 *     Either.match({
 *       onLeft: (invalid) => numbers.send(invalid.message),
 *       onRight: (n) => numbers.send(n * 2)
 *     })
 *   )
 * ```
 */
export interface JsonConnection<In, Out, InvalidError = never, InR = never, OutR = never> {
  /** The connection itself. */
  readonly connection: Connection
  /**
   * The messages of the peer, in order, in chunks of what was read together; what isn't pulled isn't read. What stands
   * before an invalid message is given first, and what stands behind it never: `invalid` says how the stream ends.
   */
  readonly messages: Stream.Stream<In, InvalidError, InR>
  /** The same, but an invalid message is an element like the others, and the stream goes on behind it. */
  readonly results: Stream.Stream<Either.Either<In, InvalidMessage>, never, InR>
  /** Sends a message; waits, and fails with `ConnectionClosed`, as `connection.send` does. */
  readonly send: (value: Out) => Effect.Effect<void, ConnectionClosed | EncodeError, OutR>
  /** Sends messages as one batch, in order. Those before one that can't be encoded are sent. */
  readonly sendChunk: (values: Chunk.Chunk<Out>) => Effect.Effect<void, ConnectionClosed | EncodeError, OutR>
  /** A sink that sends what it is given: a chunk is one batch. */
  readonly sendAll: Sink.Sink<void, Out, never, ConnectionClosed | EncodeError, OutR>
}

/**
 * What the messages of a connection are.
 *
 * @example
 * ```ts
 * import type { Json } from "answerback"
 * import { Schema } from "effect"
 *
 * export const numbers = {
 *   incoming: Schema.NumberFromString,
 *   outgoing: Schema.Number,
 *   invalid: "close"
 * } satisfies Json.JsonOptions<number, string, never, number, number, never>
 * ```
 */
export interface JsonOptions<In, InEncoded, InR, Out, OutEncoded, OutR> {
  /** What the peer sends. */
  readonly incoming: Schema.Schema<In, InEncoded, InR>
  /** What it is sent. */
  readonly outgoing: Schema.Schema<Out, OutEncoded, OutR>
  /**
   * What becomes of `messages` at an invalid one. With `close`, which is the default, the stream ends, and so does the
   * connection, once the handler has answered what stood before: the peer gets a Close frame with 1003, 1007 or 1008 and
   * a few words, which tell nothing of the program. With `fail` the stream fails with `InvalidMessage`.
   */
  readonly invalid?: "close" | "fail"
}

/**
 * Makes the messages of a connection values of schemas: JSON as text on the wire. To be called by a handler; the schemas
 * may have transformations, effects and requirements.
 *
 * @example
 * ```ts
 * import { Json, WebSocketServer } from "answerback"
 * import { Schema, Stream } from "effect"
 *
 * const Question = Schema.Struct({ id: Schema.Number, at: Schema.Date })
 * const Answer = Schema.Struct({ id: Schema.Number, weekday: Schema.Number })
 *
 * export const Server = WebSocketServer.layer((connection) => {
 *   const typed = Json.connection(connection, { incoming: Question, outgoing: Answer })
 *   return typed.messages.pipe(
 *     Stream.map(({ at, id }) => ({ id, weekday: at.getUTCDay() })),
 *     Stream.run(typed.sendAll)
 *   )
 * })
 * ```
 */
export function connection<In, InEncoded, InR, Out, OutEncoded, OutR>(
  connection: Connection,
  options: JsonOptions<In, InEncoded, InR, Out, OutEncoded, OutR> & { readonly invalid: "fail" }
): JsonConnection<In, Out, InvalidMessage, InR, OutR>
export function connection<In, InEncoded, InR, Out, OutEncoded, OutR>(
  connection: Connection,
  options: JsonOptions<In, InEncoded, InR, Out, OutEncoded, OutR> & { readonly invalid?: "close" }
): JsonConnection<In, Out, never, InR, OutR>
export function connection<In, InEncoded, InR, Out, OutEncoded, OutR>(
  connection: Connection,
  options: JsonOptions<In, InEncoded, InR, Out, OutEncoded, OutR>
): JsonConnection<In, Out, InvalidMessage, InR, OutR>
export function connection<In, InEncoded, InR, Out, OutEncoded, OutR>(
  connection: Connection,
  options: JsonOptions<In, InEncoded, InR, Out, OutEncoded, OutR>
): JsonConnection<In, Out, InvalidMessage, InR, OutR> {
  const decode = decoder(connection.id, options.incoming)
  const encode = encoder(connection.id, options.outgoing)

  const results = Stream.mapChunksEffect(connection.messages, (messages) => {
    const results: Array<Either.Either<In, InvalidMessage>> = []
    const decoded = parseEach(messages, decode, (result) => results.push(result) > 0)
    return Effect.map(decoded, () => Chunk.unsafeFromArray(results))
  })

  // What stands behind an invalid message isn't even decoded.
  const valid: Channel.Channel<
    Chunk.Chunk<In>,
    Chunk.Chunk<Message.Message>,
    InvalidMessage,
    never,
    void,
    unknown,
    InR
  > = Channel.readWith({
    onInput: (messages: Chunk.Chunk<Message.Message>) => {
      const values: Array<In> = []
      let invalid: InvalidMessage | undefined
      const decoded = parseEach(messages, decode, (result) => {
        if (Either.isRight(result)) return values.push(result.right) > 0
        invalid = result.left
        return false
      })
      return Channel.flatMap(Channel.fromEffect(decoded), () => {
        const next = invalid === undefined ? valid : Channel.fail(invalid)
        return values.length === 0
          ? next
          : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(values)), () => next)
      })
    },
    onFailure: Channel.fail,
    onDone: () => Channel.void
  })
  const failing = Stream.pipeThroughChannel(connection.messages, valid)

  // A stop, which lets the handler answer what stood before.
  const refuse = ({ code, problem }: InvalidMessage) =>
    Effect.orDie(connection.stop({ code, reason: problems[problem].reason }))

  const sendChunk = (values: Chunk.Chunk<Out>) =>
    Effect.suspend(() => {
      const messages: Array<Message.Message> = []
      let failure: EncodeError | undefined
      const encoded = parseEach(values, encode, (result) => {
        if (Either.isRight(result)) return messages.push(result.right) > 0
        failure = result.left
        return false
      })
      return Effect.flatMap(encoded, () => {
        const sent = connection.sendChunk(Chunk.unsafeFromArray(messages))
        if (failure === undefined) return sent
        return messages.length === 0 ? failure : Effect.zipRight(sent, failure)
      })
    })

  return {
    connection,
    messages:
      options.invalid === "fail"
        ? failing
        : Stream.catchAll(failing, (invalid) => Stream.execute(refuse(invalid))),
    results,
    send: (value) => sendChunk(Chunk.of(value)),
    sendChunk,
    sendAll: Sink.forEachChunk(sendChunk)
  }
}
