/**
 * A steady stream of clients: each one connects, says a word, and leaves.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import * as RawClient from "../support/RawClient.js"

export interface Stream {
  /** Waits for so many handshakes more. */
  readonly more: (count: number) => Effect.Effect<void, Error>
  /** Ends the stream. Tells which handshakes have failed, and what the clients heard whose handshakes did not. */
  readonly end: Effect.Effect<{
    readonly failures: ReadonlyArray<string>
    readonly heard: ReadonlySet<string>
  }>
}

/** How many come at the same time. */
const WIDTH = 3

/** How many milliseconds lie between one and the next: a stream, and not a flood. */
const PAUSE = 5

/** Starts a stream, which ends with the scope. */
export const start = (to: RawClient.ConnectOptions): Effect.Effect<Stream, never, Scope.Scope> =>
  Effect.gen(function* () {
    const failures: Array<string> = []
    const heard = new Set<string>()
    let handshakes = 0
    let isOver = false
    let running = WIDTH

    const visit = Effect.gen(function* () {
      const peer = yield* Effect.either(RawClient.connect(to))
      if (peer._tag === "Left") return void failures.push(peer.left.message)
      handshakes++
      const word = Effect.zipRight(peer.right.write(Frames.text("hello")), peer.right.nextFrame)
      heard.add(yield* Effect.match(word, { onSuccess: Frames.describe, onFailure: (error) => error._tag }))
    })
    const visitor = Effect.scoped(visit).pipe(
      Effect.zipRight(Effect.sleep(PAUSE)),
      Effect.repeat({ until: () => isOver }),
      Effect.ensuring(Effect.sync(() => running--))
    )
    yield* Effect.replicateEffect(Effect.forkScoped(visitor), WIDTH)
    return {
      more: (count) =>
        Effect.suspend(() => {
          const enough = handshakes + count
          // One that fails is told of at the end.
          return eventually(
            `${count} handshakes more, of which failed: ${failures.join("; ")}`,
            Effect.sync(() => handshakes >= enough || failures.length > 0)
          )
        }),
      end: Effect.gen(function* () {
        isOver = true
        yield* Effect.orDie(
          eventually(
            "the last ones left",
            Effect.sync(() => running === 0)
          )
        )
        return { failures, heard }
      })
    }
  })
