/**
 * The page on which the API can be tried: Swagger UI, which comes with the platform and loads nothing from elsewhere.
 * Its two megabytes are loaded when somebody first opens it.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createHash } from "node:crypto"

/** Where the page is. */
export const PATH = "/docs"

const hashesOf = (html: string, element: RegExp): string =>
  [...html.matchAll(element)]
    .map(([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
    .join(" ")

/** Allows the page what it has brought along, and to ask this server. */
const policyOf = (html: string): string =>
  [
    "default-src 'none'",
    `script-src ${hashesOf(html, /<script>(.*?)<\/script>/gs)}`,
    `style-src ${hashesOf(html, /<style>(.*?)<\/style>/gs)}`,
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")

const render = (api: Context.Context<HttpApi.Api>): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.gen(function* () {
    const Swagger = yield* Effect.promise(() => import("@effect/platform/HttpApiSwagger"))
    const layer = Layer.provideMerge(Swagger.layer({ path: PATH }), HttpApiBuilder.Router.Live).pipe(
      Layer.provide(Layer.succeedContext(api))
    )
    const context = yield* Layer.build(layer)
    const app = yield* HttpRouter.toHttpApp(yield* Effect.provide(HttpApiBuilder.Router.router, context))
    const request = HttpServerRequest.fromWeb(new Request(`http://localhost${PATH}`))
    const page = yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
    const html = page.body._tag === "Uint8Array" ? new TextDecoder().decode(page.body.body) : ""
    return HttpServerResponse.setHeaders(page, { "content-security-policy": policyOf(html) })
  }).pipe(Effect.scoped, Effect.provide(NodeHttpServer.layerContext), Effect.orDie)

/** The page, which is made once, when it is first asked for. */
export const make = (api: Context.Context<HttpApi.Api>): Effect.Effect<HttpApp.Default> =>
  Effect.cached(Effect.uninterruptible(render(api)))
