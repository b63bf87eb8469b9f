/**
 * A message: what one or more data frames add up to (RFC 6455 section 5.6).
 */
import * as Frame from "./Frame.js"

/**
 * A text or binary message.
 *
 * Text is kept as the UTF-8 bytes that came in, already validated, and decoded only when `text` is asked for: an
 * echo or a relay never pays for the string. A large binary message stays in the pieces in which it was read until its
 * `bytes` are asked for. The bytes may be a view into a larger buffer; copy them to keep them for long.
 *
 * @example
 * ```ts
 * import { type Connection, Message } from "answerback"
 * import { Stream } from "effect"
 *
 * // Texts as they come, and the sizes of what is binary.
 * export const describe = (connection: Connection) =>
 *   Stream.map(connection.messages, (message: Message.Message) =>
 *     message._tag === "Text" ? message.text : `${message.size} bytes`
 *   )
 * ```
 */
export class Message {
  readonly _tag: "Text" | "Binary"
  readonly bytes: Uint8Array

  constructor(tag: "Text" | "Binary", bytes: Uint8Array) {
    this._tag = tag
    this.bytes = bytes
  }

  /** Bytes of the payload. A large message that came in pieces isn't put together to tell. */
  get size(): number {
    return this.bytes.length
  }

  /** The payload as a string; for a binary message, its bytes read as UTF-8. */
  get text(): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength).toString("utf8")
  }
}

/**
 * A text message. Lone surrogates, which UTF-8 has no bytes for, become U+FFFD.
 *
 * @example
 * ```ts
 * import { type Connection, Message } from "answerback"
 * import { Effect } from "effect"
 *
 * // Encoded once, however many get it.
 * export const tell = (everybody: ReadonlyArray<Connection>, news: string) => {
 *   const message = Message.text(news)
 *   return Effect.forEach(everybody, (connection) => connection.send(message), { discard: true })
 * }
 * ```
 */
export const text = (value: string): Message => new Message("Text", Buffer.from(value, "utf8"))

/**
 * A binary message. The bytes are not copied.
 *
 * @example
 * ```ts
 * import { type Connection, Message } from "answerback"
 * import { Chunk } from "effect"
 *
 * // A header and its body, as two messages that are written together.
 * export const sendFile = (connection: Connection, name: string, bytes: Uint8Array) =>
 *   connection.sendChunk(Chunk.make(Message.text(name), Message.binary(bytes)))
 * ```
 */
export const binary = (bytes: Uint8Array): Message => new Message("Binary", bytes)

/**
 * What can be sent: a message, a string (sent as text) or bytes (sent as binary).
 *
 * @example
 * ```ts
 * import { type Connection, type ConnectionClosed, Message } from "answerback"
 * import { Effect } from "effect"
 *
 * // Like `send`, but it doesn't mind if the peer is gone.
 * export const trySend = (connection: Connection, message: Message.Sendable): Effect.Effect<void> =>
 *   Effect.catchTag(connection.send(message), "ConnectionClosed", (_: ConnectionClosed) => Effect.void)
 * ```
 */
export type Sendable = Message | string | Uint8Array

/**
 * Turns what can be sent into a message.
 *
 * @example
 * ```ts
 * import { type Connection, Message } from "answerback"
 * import { Chunk } from "effect"
 *
 * // Lines, as one batch: one write to the network.
 * export const sendLines = (connection: Connection, lines: Iterable<string>) =>
 *   connection.sendChunk(Chunk.map(Chunk.fromIterable(lines), Message.from))
 * ```
 */
export const from = (value: Sendable): Message =>
  typeof value === "string" ? text(value) : value instanceof Message ? value : binary(value)

/**
 * A message that is encoded already: to whomever it is sent, it is the same bytes of memory.
 *
 * @example
 * ```ts
 * import { type Connection, Message } from "answerback"
 * import { Effect } from "effect"
 *
 * const greeting: Message.Prepared = Message.prepare("welcome, all of you")
 * export const greet = (connections: Iterable<Connection>) =>
 *   Effect.forEach(connections, (connection) => connection.send(greeting), { discard: true })
 * ```
 */
export class Prepared extends Message {
  /** The frame that it is sent as: whole, not masked, and never compressed. */
  readonly frame: Uint8Array

  constructor({ _tag, bytes }: Message) {
    const frame = Frame.whole({ _tag, bytes })
    super(_tag, frame.subarray(frame.length - bytes.length))
    this.frame = frame
  }
}

/**
 * Encodes a message once, to be sent many times: nothing is copied or encoded for each connection. It is sent
 * uncompressed, whatever the connection has agreed on (RFC 7692 section 6 allows that). The bytes are copied: what
 * becomes of them afterwards doesn't matter.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { type Connection, Message } from "answerback"
 *
 * const greeting = Message.prepare("welcome")
 *
 * export const greet = (connections: ReadonlyArray<Connection>) =>
 *   Effect.forEach(connections, (connection) => connection.send(greeting), { discard: true })
 * ```
 */
export const prepare = (value: Sendable): Prepared => {
  const message = from(value)
  return message instanceof Prepared ? message : new Prepared(message)
}
