/**
 * A message: what one or more data frames add up to (RFC 6455 section 5.6).
 */

/**
 * A text or binary message.
 *
 * Text is kept as the UTF-8 bytes that came in, already validated, and decoded only when `text` is asked for: an
 * echo or a relay never pays for the string. The bytes may be a view into a larger buffer; copy them to keep them
 * for long.
 */
export class Message {
  readonly _tag: "Text" | "Binary"
  readonly bytes: Uint8Array

  constructor(tag: "Text" | "Binary", bytes: Uint8Array) {
    this._tag = tag
    this.bytes = bytes
  }

  /** The payload as a string; for a binary message, its bytes read as UTF-8. */
  get text(): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength).toString("utf8")
  }
}

/** A text message. Lone surrogates, which UTF-8 has no bytes for, become U+FFFD. */
export const text = (value: string): Message => new Message("Text", Buffer.from(value, "utf8"))

/** A binary message. The bytes are not copied. */
export const binary = (bytes: Uint8Array): Message => new Message("Binary", bytes)

/** What can be sent: a message, a string (sent as text) or bytes (sent as binary). */
export type Sendable = Message | string | Uint8Array

/** Turns what can be sent into a message. */
export const from = (value: Sendable): Message =>
  typeof value === "string" ? text(value) : value instanceof Message ? value : binary(value)
