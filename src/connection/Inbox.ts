/**
 * Messages that have been read and wait for the handler.
 */
import * as Effect from "effect/Effect"
import type { Message } from "../protocol/Message.js"
import { Waiters } from "./Waiters.js"

/** What a message that waits costs beside its payload: the objects around it. */
export const MESSAGE_OVERHEAD = 128

const NONE: Array<Message> = []

/** Who reads from TCP. */
export interface Reader {
  /** Reads on, if there is room now for more. */
  readonly readOn: () => void
}

/** Messages that wait to be taken, and those who wait for them. */
export class Inbox extends Waiters<ReadonlyArray<Message>> {
  readonly #reader: Reader
  #messages: Array<Message> = NONE
  #isOver = false
  #most = Number.POSITIVE_INFINITY
  /** The memory that they hold, in bytes. */
  cost = 0

  /** @param reader reads on when messages have been taken. */
  constructor(reader: Reader) {
    super()
    this.#reader = reader
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

  /** Puts in a message. Who waits for it is to be woken. */
  push(message: Message): void {
    // Not pushed to an empty one, which makes room for seventeen.
    if (this.isEmpty) this.#messages = [message]
    else this.#messages.push(message)
    this.cost += message.size + MESSAGE_OVERHEAD
  }

  /** No more will come. */
  finish(): void {
    this.#isOver = true
    this.wake()
  }

  /** How many messages a take gives at most. With 0 it waits, whatever comes, until this is another number. */
  limit(most: number): void {
    this.#most = most
    this.wake()
  }

  /** Drops what waits. */
  clear(): void {
    this.#messages = NONE
    this.cost = 0
  }

  /** Waits for messages and takes all of them. Empty when there will be no more. */
  get take(): Effect.Effect<ReadonlyArray<Message>> {
    return this.until
  }

  /** Whether there is something to be taken, or may be later. */
  get hasNext(): boolean {
    return !this.#isOver || !this.isEmpty
  }

  protected override outcome(): Effect.Effect<ReadonlyArray<Message>> {
    return Effect.succeed(this.#takeNow())
  }

  #takeNow(): ReadonlyArray<Message> {
    const messages = this.#messages
    this.clear()
    if (messages.length > this.#most) {
      for (const message of messages.splice(this.#most)) this.push(message)
      this.wake()
    }
    this.#reader.readOn()
    return messages
  }

  protected override isSo(): boolean {
    return this.#most > 0 && (!this.isEmpty || this.#isOver)
  }
}
