/**
 * What the server answers over plain HTTP.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { notFound, type Refusal, upgradeRequired } from "../protocol/Handshake.js"
import * as Console from "./Console.js"
import type * as Peer from "./Peer.js"
import { methodNotAllowed, noHandshake, toResponse, write } from "./Respond.js"
import { pathOf } from "../protocol/Target.js"

/** Whether a request is one of those that machines make again and again. */
export const isRoutine = (target: string): boolean =>
  ["/livez", "/readyz", "/metrics"].includes(pathOf(target))

/** What the routes know of the server. */
export interface RoutesOptions {
  /** Their paths. */
  readonly endpoints: ReadonlyArray<string>
  /** How it is, in the word that `/readyz` says; it is ready unless it is draining. */
  readonly state: () => "ok" | "degraded" | "draining"
  /** What the console is told of the server; without it there is none. */
  readonly console: Console.Settings | undefined
  /** What `/metrics` answers. */
  readonly metrics: Effect.Effect<{ readonly body: string; readonly contentType: string }>
  readonly peerOf: ReturnType<typeof Peer.make>
  /** Called with what came for an endpoint and was no handshake. */
  readonly onRefused: (peer: Peer.Peer, refusal: Refusal) => void
  readonly admin: Admin
}

/** What answers on the paths of the admin API. */
export interface Admin {
  readonly hasPath: (path: string) => boolean
  readonly app: HttpApp.Default
}

/** All routes. Endpoints answer here only what is no handshake. */
export const make = (options: RoutesOptions) => {
  const open = new Map([
    ["/livez", () => Effect.succeed(HttpServerResponse.text("ok"))],
    [
      "/metrics",
      () =>
        Effect.map(options.metrics, ({ body, contentType }) => HttpServerResponse.text(body, { contentType }))
    ],
    [
      "/readyz",
      () =>
        Effect.sync(() => {
          const state = options.state()
          return HttpServerResponse.text(state, { status: state === "draining" ? 503 : 200 })
        })
    ]
  ])
  const console = options.console === undefined ? undefined : Console.make(options.console)
  // By hand: the platform's router takes `/LIVEZ` for `/livez`, and the characters of an endpoint for a pattern.
  const answerTo = (request: HttpServerRequest.HttpServerRequest): HttpApp.Default => {
    const path = pathOf(request.originalUrl)
    if (options.endpoints.includes(path)) {
      const message = NodeHttpServerRequest.toIncomingMessage(request)
      options.onRefused(options.peerOf(message.socket, message), upgradeRequired)
      return Effect.succeed(noHandshake(request))
    }
    if (options.admin.hasPath(path)) return options.admin.app
    const answer = path === "/" ? console : open.get(path)
    if (answer === undefined) return Effect.succeed(toResponse(notFound(path, options.endpoints)))
    return request.method === "GET" || request.method === "HEAD"
      ? answer(request.headers)
      : Effect.succeed(toResponse(methodNotAllowed(path, ["GET", "HEAD"])))
  }
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    Effect.map(answerTo(request), (answer) => write(request, answer))
  )
}
