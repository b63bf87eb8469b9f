/**
 * What the server answers over plain HTTP.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { notFound, type Refusal, refusal, upgradeRequired } from "../protocol/Handshake.js"
import type * as Peer from "./Peer.js"
import { toResponse } from "./Respond.js"

/** The path that a request asks for: its target without the query (RFC 9112 section 3.2). */
export const pathOf = (target: string): string => {
  // An absolute form names scheme and host before the path.
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "")
  return path === "" ? "/" : path
}

/** Whether a request is one of those that machines make again and again. */
export const isRoutine = (target: string): boolean =>
  ["/livez", "/readyz", "/metrics"].includes(pathOf(target))

const methodNotAllowed = (path: string) =>
  refusal(405, "MethodNotAllowed", `${path} answers GET and HEAD`, { allow: "GET, HEAD" })

/** What the routes know of the server. */
export interface RoutesOptions {
  readonly endpoint: string
  readonly isDraining: () => boolean
  /** What `/metrics` answers. */
  readonly metrics: () => { readonly body: string; readonly contentType: string }
  readonly peerOf: ReturnType<typeof Peer.make>
  /** Called with what came for the endpoint and was no handshake. */
  readonly onRefused: (peer: Peer.Peer, refusal: Refusal) => void
}

/** All routes. The endpoint itself answers here only what is no handshake. */
export const make = (options: RoutesOptions) => {
  const open = new Map([
    ["/livez", () => HttpServerResponse.text("ok")],
    [
      "/metrics",
      () => {
        const { body, contentType } = options.metrics()
        return HttpServerResponse.text(body, { contentType })
      }
    ],
    [
      "/readyz",
      () =>
        options.isDraining()
          ? HttpServerResponse.text("draining", { status: 503 })
          : HttpServerResponse.text("ok")
    ]
  ])
  // By hand: the platform's router takes `/LIVEZ` for `/livez`, and the characters of an endpoint for a pattern.
  return Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
    const path = pathOf(request.originalUrl)
    if (path === options.endpoint) {
      const message = NodeHttpServerRequest.toIncomingMessage(request)
      options.onRefused(options.peerOf(message.socket, message), upgradeRequired)
      return toResponse(upgradeRequired)
    }
    const answer = open.get(path)
    if (answer === undefined) return toResponse(notFound(path, options.endpoint))
    return request.method === "GET" || request.method === "HEAD"
      ? answer()
      : toResponse(methodNotAllowed(path))
  })
}
