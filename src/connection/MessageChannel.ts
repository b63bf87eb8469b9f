/**
 * Messages as a channel, which a stream is made of.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import type { Message } from "../protocol/Message.js"

/** A channel of messages, in chunks of what was read together. */
export type MessageChannel = Channel.Channel<Chunk.Chunk<Message>, unknown, never, unknown, void>

/**
 * Takes messages until there are none any more. By hand: a pull costs half of what it does with the ready-made stream
 * constructors.
 */
export const make = (
  take: Effect.Effect<ReadonlyArray<Message>>,
  onTaken: (messages: ReadonlyArray<Message>) => void
): MessageChannel => {
  const loop: MessageChannel = Channel.flatMap(Channel.fromEffect(take), (messages) => {
    if (messages.length === 0) return Channel.void
    onTaken(messages)
    return Channel.flatMap(Channel.write(Chunk.unsafeFromArray(messages)), () => loop)
  })
  return loop
}
