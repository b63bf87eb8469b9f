/**
 * What a test is told that expected something else.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type { StopReason } from "../protocol/StopReason.js"

/**
 * A test expected something else of a connection. The message tells what was expected, what was seen in its place, and
 * all that had happened on the connection by then. Where a handler has failed, the `cause` is what it failed with.
 *
 * It is a typed error: a test that runs into it fails with it, whatever the test runner, and one that expects it can
 * catch it.
 *
 * @example
 * ```ts
 * import { echo } from "answerback"
 * import * as Testing from "answerback/testing"
 * import { Effect } from "effect"
 *
 * // Nothing more comes: the connection ends instead.
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     const peer = yield* Testing.connect(echo)
 *     yield* peer.close(1000)
 *     const failure: Testing.ExpectationFailed = yield* Effect.flip(peer.receive)
 *     return failure.message
 *   })
 * )
 * ```
 */
export class ExpectationFailed extends Data.TaggedError("ExpectationFailed")<{
  readonly expected: string
  readonly seen: string
  /** What had happened, in order, a line each. */
  readonly story: ReadonlyArray<string>
  readonly cause?: unknown
}> {
  override get message(): string {
    return [
      `expected ${this.expected}`,
      `but saw ${this.seen}`,
      ...this.story.map((line) => `  ${line}`)
    ].join("\n")
  }
}

/** What a handler failed with, if that is why a connection ended: to be spread into an error. */
export const causeOf = (reason: StopReason | undefined): { readonly cause?: unknown } =>
  reason?._tag === "HandlerFailed" ? { cause: Cause.squash(reason.cause) } : {}
