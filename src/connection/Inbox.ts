/**
 * Messages that have been read and wait for the handler.
 */
import * as Effect from "effect/Effect"
import type { Message } from "../protocol/Message.js"
import { Waiters } from "./Waiters.js"

/** What a message that waits costs beside its payload: the objects around it. */
export const MESSAGE_OVERHEAD = 128

/** Messages that wait to be taken. */
export class Inbox {
  readonly #waiters = new Waiters(() => this.#isToBeTaken)
  readonly #onTaken: () => void
  #messages: Array<Message> = []
  #isOver = false
  #most = Number.POSITIVE_INFINITY
  /** The memory that they hold, in bytes. */
  cost = 0

  /** @param onTaken called when messages have been taken. */
  constructor(onTaken: () => void) {
    this.#onTaken = onTaken
  }

  /** Whether no more will come. */
  get isOver(): boolean {
    return this.#isOver
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  /** How many messages wait. */
  get size(): number {
    return this.#messages.length
  }

  /** Puts in a message, and wakes who waits for it. */
  push(message: Message): void {
    this.#messages.push(message)
    this.cost += message.bytes.length + MESSAGE_OVERHEAD
    this.#waiters.wake()
  }

  /** No more will come. */
  finish(): void {
    this.#isOver = true
    this.#waiters.wake()
  }

  /** How many messages a take gives at most. With 0 it waits, whatever comes, until this is another number. */
  limit(most: number): void {
    this.#most = most
    this.#waiters.wake()
  }

  /** Drops what waits. */
  clear(): void {
    this.#messages = []
    this.cost = 0
  }

  /** Waits for messages and takes all of them. Empty when there will be no more. */
  readonly take: Effect.Effect<ReadonlyArray<Message>> = Effect.suspend(() => {
    if (!this.#isToBeTaken) return Effect.zipRight(this.#waiters.wait, this.take)
    const messages = this.#messages
    this.clear()
    if (messages.length > this.#most) for (const message of messages.splice(this.#most)) this.push(message)
    this.#onTaken()
    return Effect.succeed(messages)
  })

  get #isToBeTaken(): boolean {
    return this.#most > 0 && (!this.isEmpty || this.#isOver)
  }
}
