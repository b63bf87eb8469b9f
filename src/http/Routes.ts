/**
 * What the server answers over plain HTTP.
 */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { notFound, upgradeRequired } from "../protocol/Handshake.js"
import { toResponse } from "./Respond.js"

/** The path that a request asks for: its target without the query (RFC 9112 section 3.2). */
export const pathOf = (target: string): string => {
  // An absolute form names scheme and host before the path.
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "")
  return path === "" ? "/" : path
}

const health = (isDraining: () => boolean) =>
  HttpRouter.empty.pipe(
    HttpRouter.get("/livez", HttpServerResponse.text("ok")),
    HttpRouter.get(
      "/readyz",
      Effect.sync(() =>
        isDraining() ? HttpServerResponse.text("draining", { status: 503 }) : HttpServerResponse.text("ok")
      )
    )
  )

/** All routes. The endpoint itself answers here only what is no handshake. */
export const make = (options: { readonly endpoint: string; readonly isDraining: () => boolean }) => {
  const router = Effect.catchTag(health(options.isDraining), "RouteNotFound", ({ request }) =>
    Effect.succeed(toResponse(notFound(pathOf(request.originalUrl), options.endpoint)))
  )
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    // Not a route: the characters of a path that somebody chose must not become a pattern.
    pathOf(request.originalUrl) === options.endpoint ? Effect.succeed(toResponse(upgradeRequired)) : router
  )
}
