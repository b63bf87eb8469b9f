/**
 * An endpoint as a route of the platform's router: its requests come from the program's own HTTP server, through its
 * middleware, and what that has set up surrounds the handler.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as HttpApp from "@effect/platform/HttpApp"
import { clientAbortFiberId } from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Detached from "../http/Detached.js"
import * as Respond from "../http/Respond.js"
import { upgradeRequired } from "../protocol/Handshake.js"
import type { Accepted } from "../registry/Registry.js"
import type { Engine, Served, Visit } from "./Engine.js"

type Response = HttpServerResponse.HttpServerResponse

/** What became of a handshake: an answer to be given, or a connection. */
type Outcome = Effect.Effect<Response> | Accepted

/** The interrupter of those whose `FiberSet` is closed: the requests of a server that ends. */
const CLOSING = -1

/** The span around the route, if the program traces. */
const currentSpan: Effect.Effect<Tracer.AnySpan | undefined> = Effect.map(
  Effect.option(Effect.currentParentSpan),
  Option.getOrUndefined
)

/** Makes the route. The fiber of a request is there as long as its connection, and ends after it. */
export const make = <R>(
  { connections, drain, onRefused, peerOf, registry, timeout }: Engine,
  served: Served<R>
): HttpApp.Default<never, R> => {
  const decide = (message: IncomingMessage, response: () => ServerResponse, visit: Visit<R>) =>
    Effect.async<Outcome>((resume) => {
      const { socket } = message
      let isAnswered = false
      /** It may be gone before it is its turn, in a way that the platform overlooks. */
      const onClosed = (): void => resume(Effect.succeed(Effect.succeed(HttpServerResponse.empty())))
      socket.once("close", onClosed)
      /** The platform ends its side behind any answer, and leaves it to the peer when the socket is gone. */
      const answeredLast = () => response().once("finish", () => socket.destroySoon())
      const take = () =>
        served.take(
          {
            request: message,
            socket,
            tcp: Detached.tcpOf(socket),
            head: Detached.headOf(message),
            refuse: (refusal) => {
              answeredLast()
              const answer = HttpServerResponse.setHeader(Respond.toResponse(refusal), "connection", "close")
              resume(Effect.succeed(Effect.succeed(answer)))
            },
            hang: () => {
              // Read on, to see when the peer has had enough.
              socket.resume()
              const hanging = Effect.as(
                Effect.zipRight(
                  Effect.sleep(timeout),
                  Effect.sync(() => socket.destroy())
                ),
                HttpServerResponse.empty()
              )
              resume(Effect.succeed(hanging))
            },
            isAnswered: () => isAnswered
          },
          {
            ...visit,
            onAccepted: (accepted) => {
              socket.off("close", onClosed)
              resume(Effect.succeed(accepted))
            }
          }
        )
      Detached.whenItsTurn(socket, () => {
        if (!isAnswered) take()
      })
      return Effect.sync(() => {
        isAnswered = true
        // What the platform answers to a handshake that the program has given up; unless it can't be answered yet.
        if (Detached.isAnswering(socket)) socket.destroy()
        else if (!socket.destroyed) answeredLast()
      })
    })

  /** The program has given up the request of a connection: it ends, or its server does. */
  const abandon = ({ fiber, id }: Accepted, by: HashSet.HashSet<FiberId.FiberId>) => {
    const ids = HashSet.flatMap(by, FiberId.ids)
    const ended = Fiber.await(fiber)
    // The peer has gone, which the connection knows.
    if (HashSet.isSubset(FiberId.ids(clientAbortFiberId), ids)) return ended
    // No longer than a shutdown takes.
    if (HashSet.has(ids, CLOSING))
      return Effect.raceFirst(Effect.interruptible(ended), Effect.interruptible(drain))
    return Effect.zipRight(Effect.ignore(connections.stop(id)), ended)
  }

  const ended = (accepted: Accepted) =>
    Effect.onInterrupt(Fiber.await(accepted.fiber), (by) => abandon(accepted, by))

  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const message = NodeHttpServerRequest.toIncomingMessage(request)
    const { socket } = message
    if (!Detached.isUpgrade(message)) {
      onRefused(peerOf(socket, message), upgradeRequired)
      return Effect.succeed(Respond.noHandshake(request))
    }
    Detached.guardServerOf(socket)
    const response = () => NodeHttpServerRequest.toServerResponse(request)
    /** Nothing more is to be said on it: what the platform has to answer goes nowhere. */
    const silence = Effect.sync(() => {
      const unsent = response()
      unsent.removeAllListeners("finish")
      unsent.detachSocket(socket)
      unsent.end()
    })
    return Effect.gen(function* () {
      const outcome = yield* decide(message, response, {
        surroundings: yield* registry.surroundings<R>(),
        span: yield* currentSpan
      })
      if (Effect.isEffect(outcome)) return yield* outcome
      yield* Effect.ensuring(ended(outcome), silence)
      return HttpServerResponse.empty({ status: 101 })
    })
  })
}
