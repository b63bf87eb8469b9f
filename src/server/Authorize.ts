/**
 * Asks the program whether a handshake is to be accepted.
 */
import * as Headers from "@effect/platform/Headers"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import type { Handle } from "../connection/Handler.js"
import type { Deciding } from "../http/Handshakes.js"
import { isAnswer } from "../http/Respond.js"
import * as Handshake from "../protocol/Handshake.js"
import { queryOf } from "../protocol/Target.js"
import type { Fork } from "../registry/Registry.js"
import type { Admit } from "./Endpoint.js"
import type { HandshakeRefused } from "./HandshakeRefused.js"

/** What `authorize` failed with, as it is answered. */
const refusalOf = ({
  error = "HandshakeRefused",
  headers,
  message,
  status
}: HandshakeRefused): Handshake.Refusal => Handshake.refusal(status, error, message, headers)

const failed = Handshake.refusal(
  500,
  "AuthorizeFailed",
  "the program failed to decide on this handshake: its log says how"
)

const tooSlow = Handshake.refusal(
  503,
  "AuthorizeTimeout",
  "the program took too long to decide on this handshake: try again later",
  { "retry-after": "5" }
)

/** How the program is asked. */
export interface AuthorizeOptions<R> {
  readonly fork: Fork<R>
  /** How long it may take. */
  readonly timeout: Duration.Duration
  /** Given when no more connections are let in. */
  readonly closing: Deferred.Deferred<void>
}

/** Decides in time, and not after the server has begun to close; whatever becomes of it is an answer. */
const decided = <A, R>(
  authorize: Effect.Effect<A, HandshakeRefused, R>,
  { closing, timeout }: AuthorizeOptions<R>
): Effect.Effect<Either.Either<A, Handshake.Refusal>, never, R> =>
  authorize.pipe(
    Effect.mapError(refusalOf),
    Effect.tapError((refusal) =>
      isAnswer(refusal)
        ? Effect.void
        : Effect.dieMessage(`a handshake can't be refused with ${JSON.stringify(refusal)}`)
    ),
    // One that can't be interrupted is not waited for.
    Effect.disconnect,
    Effect.timeoutFail({ duration: timeout, onTimeout: () => tooSlow }),
    Effect.raceFirst(Effect.zipRight(Deferred.await(closing), Effect.fail(Handshake.draining))),
    Effect.either,
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.interrupt
        : Effect.as(Effect.logError("authorize failed", cause), Either.left(failed))
    )
  )

/** Makes what decides on the handshakes of an endpoint. A peer that goes away is not decided on. */
export const make =
  <R>(admit: Admit<R>, options: AuthorizeOptions<R>): Deciding<Handle<unknown, R>>["authorize"] =>
  (asked, tell) => {
    if (admit._tag === "All") return tell(Either.right(admit.handle))
    const { headers, path, peer, socket, subprotocol, target } = asked
    const request = {
      remote: peer.remote,
      path,
      query: queryOf(target),
      headers: Headers.fromInput(headers),
      subprotocol
    }
    const onGone = (): void => fiber.unsafeInterruptAsFork(FiberId.none)
    socket.once("close", onGone)
    const fiber = options.fork(
      Effect.map(
        decided(
          Effect.suspend(() => admit.authorize(request)),
          options
        ),
        (result) => {
          socket.off("close", onGone)
          tell(result)
        }
      )
    )
  }
