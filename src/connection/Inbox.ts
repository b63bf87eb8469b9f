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
  readonly #waiters = new Waiters(() => !this.isEmpty || this.#isOver)
  readonly #onTaken: () => void
  #messages: Array<Message> = []
  #isOver = false
  /** The memory that they hold, in bytes. */
  cost = 0

  /** @param onTaken called when all that waited have been taken. */
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

  /** Drops what waits. */
  clear(): void {
    this.#messages = []
    this.cost = 0
  }

  /** Waits for messages and takes all of them. Empty when there will be no more. */
  readonly take: Effect.Effect<ReadonlyArray<Message>> = Effect.suspend(() => {
    if (this.isEmpty && !this.#isOver) return Effect.zipRight(this.#waiters.wait, this.take)
    const messages = this.#messages
    this.clear()
    this.#onTaken()
    return Effect.succeed(messages)
  })
}
