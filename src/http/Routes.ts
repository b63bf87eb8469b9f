/**
 * What the server answers over plain HTTP.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { notFound, type Refusal, refusal, upgradeRequired } from "../protocol/Handshake.js"
import * as Console from "./Console.js"
import type * as Peer from "./Peer.js"
import { toResponse } from "./Respond.js"

/** The path that a request asks for: its target without the query (RFC 9112 section 3.2). */
export const pathOf = (target: string): string => {
  // An absolute form names scheme and host before the path.
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "")
  return path === "" ? "/" : path
}

const methodNotAllowed = (path: string) =>
  refusal(405, "MethodNotAllowed", `${path} answers GET and HEAD`, { allow: "GET, HEAD" })

/** What the routes know of the server. */
export interface RoutesOptions {
  readonly endpoint: string
  readonly isDraining: () => boolean
  /** What the console is told of the server; without it there is none. */
  readonly console: Console.Settings | undefined
  readonly peerOf: ReturnType<typeof Peer.make>
  /** Called with what came for the endpoint and was no handshake. */
  readonly onRefused: (peer: Peer.Peer, refusal: Refusal) => void
}

/** All routes. The endpoint itself answers here only what is no handshake. */
export const make = (options: RoutesOptions) => {
  const health = new Map([
    ["/livez", () => Effect.succeed(HttpServerResponse.text("ok"))],
    [
      "/readyz",
      () =>
        Effect.succeed(
          options.isDraining()
            ? HttpServerResponse.text("draining", { status: 503 })
            : HttpServerResponse.text("ok")
        )
    ]
  ])
  const console = options.console === undefined ? undefined : Console.make(options.console)
  // By hand: the platform's router takes `/LIVEZ` for `/livez`, and the characters of an endpoint for a pattern.
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const path = pathOf(request.originalUrl)
    if (path === options.endpoint) {
      const message = NodeHttpServerRequest.toIncomingMessage(request)
      options.onRefused(options.peerOf(message.socket, message), upgradeRequired)
      return Effect.succeed(toResponse(upgradeRequired))
    }
    const answer = path === "/" ? console : health.get(path)
    if (answer === undefined) return Effect.succeed(toResponse(notFound(path, options.endpoint)))
    return request.method === "GET" || request.method === "HEAD"
      ? answer(request.headers)
      : Effect.succeed(toResponse(methodNotAllowed(path)))
  })
}
