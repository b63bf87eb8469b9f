/**
 * What is written to a peer in memory, and what of it waits to be taken by a kernel that the test plays.
 */
import type * as Effect from "effect/Effect"
import { type Waiters, waitersUntil } from "../connection/Waiters.js"

/** Bytes that are written, and taken or not. */
export class MemoryOutbox {
  /** Bytes that wait. */
  buffered = 0
  /** Bytes that have been taken. */
  taken = 0
  /** Whether bytes are taken at all. */
  isBlocked = false
  #limit: number
  #isOver = false
  readonly #writers: Waiters = waitersUntil(() => this.#isOver || this.buffered <= this.#limit)
  readonly #flushers: Waiters = waitersUntil(() => this.#isOver || this.buffered === 0)

  /** @param limit how many may wait before writing does. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Waits while more than the limit is buffered. */
  get drained(): Effect.Effect<void> {
    return this.#writers.until
  }

  /** Waits until nothing is. */
  get flushed(): Effect.Effect<void> {
    return this.#flushers.until
  }

  write(bytes: number): void {
    if (this.isBlocked) this.buffered += bytes
    else this.taken += bytes
  }

  /** Takes some of what waits. */
  take(bytes: number): void {
    const taken = Math.min(bytes, this.buffered)
    this.taken += taken
    this.buffered -= taken
    this.#wake()
  }

  /** Lets so many more wait. */
  allow(bytes: number): void {
    this.#limit += bytes
    this.#wake()
  }

  /** No more will be written: nobody is to wait for it. */
  finish(): void {
    this.#isOver = true
    this.#wake()
  }

  #wake(): void {
    this.#writers.wake()
    this.#flushers.wake()
  }
}
