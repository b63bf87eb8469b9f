/**
 * What the admin API does.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { disabled, type Faults } from "../faults/Faults.js"
import * as Respond from "../http/Respond.js"
import { type Refusal, refusal } from "../protocol/Handshake.js"
import type { Connections } from "../registry/Connections.js"
import { AdminApi } from "./AdminApi.js"
import { ConnectionNotFound, InvalidClose } from "./AdminErrors.js"
import * as Body from "./Body.js"
import type * as EventFeed from "./EventFeed.js"
import { toJson } from "./Json.js"

/** What the API steers. */
export interface Steered {
  readonly connections: Context.Tag.Service<Connections>
  /** Without it, nothing can be made to go wrong with connections. */
  readonly faults: Context.Tag.Service<Faults> | undefined
  readonly feed: ReturnType<typeof EventFeed.make>
}

const notFound = ({ message }: Error) => ConnectionNotFound.of(message)
const invalidClose = ({ message }: Error) => InvalidClose.of(message)

const accepted = (id: string) => HttpServerResponse.unsafeJson({ id }, { status: 202 })

const tooLarge: Refusal = refusal(
  413,
  "PayloadTooLarge",
  `the body is larger than ${Body.MAX_BODY} bytes: a fault is a small JSON object`,
  { connection: "close" }
)

/** Makes the handlers of all endpoints. Those that answer often, or much, write their JSON themselves. */
export const make = ({ connections, faults, feed }: Steered) =>
  HttpApiBuilder.group(AdminApi, "connections", (handlers) =>
    handlers
      .handle("list", ({ urlParams }) =>
        Effect.map(connections.page(urlParams), (page) =>
          HttpServerResponse.unsafeJson({ ...page, connections: page.connections.map(toJson) })
        )
      )
      .handle("get", ({ path }) => Effect.mapError(connections.get(path.id), notFound))
      .handle("stop", ({ path, urlParams }) =>
        connections.stop(path.id, urlParams).pipe(
          Effect.as({ id: path.id }),
          Effect.catchTags({
            ConnectionNotFound: (error) => Effect.fail(notFound(error)),
            InvalidClose: (error) => Effect.fail(invalidClose(error))
          })
        )
      )
      .handle("stopAll", ({ urlParams }) =>
        connections.stopAll(urlParams).pipe(
          Effect.map((stopped) => ({ stopped })),
          Effect.mapError(invalidClose)
        )
      )
      .handleRaw("applyFault", ({ path, request }) =>
        Effect.gen(function* () {
          // Before the body is read, whatever is in it.
          if (faults === undefined || faults.askers === "nobody") return yield* Effect.fail(disabled)
          const text = yield* Body.read(NodeHttpServerRequest.toIncomingMessage(request))
          if (text === undefined) return yield* Effect.fail(tooLarge)
          const plan = yield* faults.read(text)
          yield* Effect.mapError(faults.apply(path.id, plan), ({ message }) =>
            refusal(404, "ConnectionNotFound", message)
          )
          return accepted(path.id)
        }).pipe(Effect.catchTag("Refusal", (refusal) => Effect.succeed(Respond.toResponse(refusal))))
      )
      .handle("events", ({ headers }) =>
        Effect.succeed(
          HttpServerResponse.stream(Stream.encodeText(feed(headers["last-event-id"])), {
            contentType: "text/event-stream",
            headers: { "x-accel-buffering": "no" }
          })
        )
      )
  )
