/**
 * Asks the program whether a handshake is to be accepted.
 */
import * as Headers from "@effect/platform/Headers"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import type { About } from "../connection/About.js"
import type { Handle } from "../connection/Handler.js"
import type { Deciding } from "../http/Handshakes.js"
import { isAnswer } from "../http/Respond.js"
import * as Handshake from "../protocol/Handshake.js"
import { queryOf } from "../protocol/Target.js"
import type { Fork } from "../registry/Registry.js"
import type { Admit } from "./Endpoint.js"
import { HandshakeRefused, type HandshakeRequest } from "./HandshakeRefused.js"

/** What `authorize` failed with, as it is answered. */
const refusalOf = ({
  error = "HandshakeRefused",
  headers,
  message,
  status
}: HandshakeRefused): Handshake.Refusal =>
  Handshake.refusal(
    status,
    error,
    message,
    // As the server's own are, which they may replace.
    Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
  )

const failed = Handshake.refusal(
  500,
  "AuthorizeFailed",
  "the program failed to decide on this handshake: its log says how"
)

const tooSlow = () =>
  new HandshakeRefused({
    status: 503,
    error: "AuthorizeTimeout",
    message: "the program took too long to decide on this handshake: try again later",
    headers: { "retry-after": "5" }
  })

/** What the program is told of a request. */
export const requestOf = (
  { headers, path, subprotocol, target }: Required<About>,
  remote: string
): HandshakeRequest => ({
  remote,
  path,
  query: queryOf(target),
  headers: Headers.fromInput(headers),
  subprotocol
})

/** Decides in time; dies of an answer that is none. */
export const inTime = <A, R>(
  authorize: Effect.Effect<A, HandshakeRefused, R>,
  timeout: Duration.Duration
): Effect.Effect<A, HandshakeRefused, R> =>
  authorize.pipe(
    Effect.tapError((refused) =>
      isAnswer(refusalOf(refused))
        ? Effect.void
        : Effect.dieMessage(`a handshake can't be refused with ${JSON.stringify(refusalOf(refused))}`)
    ),
    // One that can't be interrupted is not waited for.
    Effect.disconnect,
    Effect.timeoutFail({ duration: timeout, onTimeout: tooSlow })
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
  inTime(authorize, timeout).pipe(
    Effect.mapError(refusalOf),
    Effect.raceFirst(Effect.zipRight(Deferred.await(closing), Effect.fail(Handshake.draining))),
    Effect.either,
    // Also one that was interrupted from within, such as by a fiber that it has joined.
    Effect.catchAllCause((cause) =>
      Effect.as(
        Effect.catchAllCause(Effect.logError("authorize failed", cause), () => Effect.void),
        Either.left(failed)
      )
    )
  )

/** Makes what decides on the handshakes of an endpoint. A peer that goes away is not decided on. */
export const make =
  <R>(admit: Admit<R>, options: AuthorizeOptions<R>): Deciding<Handle<unknown, R>>["authorize"] =>
  (asked, tell) => {
    if (admit._tag === "All") return tell(Either.right(admit.handle))
    const { peer, socket } = asked
    const request = requestOf(asked, peer.remote)
    let isOver = false
    const answer = (result: Parameters<typeof tell>[0]): void => {
      if (isOver) return
      isOver = true
      socket.off("close", onGone)
      tell(result)
    }
    const onGone = (): void => {
      isOver = true
      fiber.unsafeInterruptAsFork(FiberId.none)
    }
    socket.once("close", onGone)
    const asking = decided(
      Effect.suspend(() => admit.authorize(request)),
      options
    )
    const fiber = options.fork(
      Effect.onInterrupt(Effect.map(asking, answer), () =>
        Effect.sync(() => answer(Either.left(Handshake.draining)))
      )
    )
  }
