/**
 * The admin API as an application: its endpoints, its description, and a page to try it on.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpApi from "@effect/platform/HttpApi"
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpApp from "@effect/platform/HttpApp"
import { RouteNotFound } from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Respond from "../http/Respond.js"
import { refusal } from "../protocol/Handshake.js"
import { ConnectionNotFound as NotFound } from "../protocol/ConnectionId.js"
import { originForm, pathOf, queryOf } from "../protocol/Target.js"
import { AdminApi } from "./AdminApi.js"
import { ConnectionNotFound, InvalidRequest } from "./AdminErrors.js"
import * as Docs from "./Docs.js"
import * as Handlers from "./Handlers.js"

/** The shapes of the paths, with the methods that each answers. */
const table = (): ReadonlyMap<string, ReadonlyArray<string>> => {
  const methods = new Map<string, ReadonlyArray<string>>([
    ["/openapi.json", ["GET", "HEAD"]],
    [Docs.PATH, ["GET", "HEAD"]]
  ])
  HttpApi.reflect(AdminApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path } }) => {
      const more = method === "GET" ? ["GET", "HEAD"] : [method]
      methods.set(path, [...(methods.get(path) ?? []), ...more])
    }
  })
  return methods
}

const matcherOf = (shape: string): RegExp =>
  new RegExp(`^${shape.replaceAll(/[.]/g, "\\.").replaceAll(/:\w+/g, "[^/]+")}$`)

const nothingThere = (path: string) =>
  refusal(404, "NotFound", `there is nothing at ${path}: GET /openapi.json tells what the admin API has`)

/** Says what is wrong with the parameters of a request: the first thing of each. */
const explain = ({ issues }: HttpApiDecodeError, given: URLSearchParams): string =>
  issues
    .map(({ message, path }) => ({ name: String(path[0]), message }))
    .filter(({ name }, at, all) => all.findIndex((other) => other.name === name) === at)
    .map(({ message, name }) =>
      given.getAll(name).length > 1
        ? `${name} is given more than once`
        : `${name} ${JSON.stringify(given.get(name))} can't be read: ${message}`
    )
    .join("; ")

/** The platform's errors, as those of the API. What a middleware fails with has no type there. */
const inOurWords = (
  cause: Cause.Cause<never>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ originalUrl }) => {
    const error = Cause.squash(cause)
    if (error instanceof HttpApiDecodeError) {
      return Effect.die(InvalidRequest.of(explain(error, queryOf(originalUrl))))
    }
    // The path has the shape of one of the routes: what the platform's router doesn't take is the id in it.
    if (error instanceof RouteNotFound) {
      const [, , id = ""] = pathOf(originalUrl).split("/")
      return Effect.die(ConnectionNotFound.of(new NotFound({ id }).message))
    }
    return Effect.failCause(cause)
  })

/** What keeps answers out of caches, and from being taken for something else than they are. */
const headers = { "cache-control": "no-store", "x-content-type-options": "nosniff" }

/** Makes the application. It leaves it to others who may use it. */
export const make = (steered: Handlers.Steered): Effect.Effect<HttpApp.Default, never, Scope.Scope> =>
  Effect.gen(function* () {
    const layer = Layer.mergeAll(
      HttpApiBuilder.api(AdminApi),
      HttpApiBuilder.Router.Live,
      HttpApiBuilder.Middleware.layer,
      NodeHttpServer.layerContext
    )
    const context = yield* Layer.build(
      HttpApiBuilder.middleware(Effect.catchAllCause(inOurWords)).pipe(
        Layer.provideMerge(layer),
        Layer.provide(Handlers.make(steered))
      )
    )
    const api = Effect.provide(yield* Effect.provide(HttpApiBuilder.httpApp, context), context)
    const shapes = [...table()].map(([shape, methods]) => [matcherOf(shape), methods] as const)
    const docs = yield* Docs.make(context)
    const description = HttpServerResponse.unsafeJson(OpenApi.fromApi(AdminApi))

    return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const path = pathOf(request.originalUrl)
      // By hand: the platform's router doesn't mind upper and lower case, nor slashes at the end.
      const methods = shapes.find(([shape]) => shape.test(path))?.[1]
      if (methods === undefined) return Effect.succeed(Respond.toResponse(nothingThere(path)))
      if (!methods.includes(request.method)) {
        return Effect.succeed(Respond.toResponse(Respond.methodNotAllowed(path, methods)))
      }
      if (path === "/openapi.json") return Effect.succeed(description)
      if (path === Docs.PATH) return docs
      const url = originForm(request.originalUrl)
      return url === request.url
        ? api
        : Effect.provideService(api, HttpServerRequest.HttpServerRequest, request.modify({ url }))
    }).pipe(Effect.map(HttpServerResponse.setHeaders(headers)))
  })
