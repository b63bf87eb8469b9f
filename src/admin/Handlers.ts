/**
 * What the admin API does.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Fleet, Unanswered } from "../cluster/Fleet.js"
import { disabled } from "../faults/Faults.js"
import * as Respond from "../http/Respond.js"
import { type Refusal, refusal } from "../protocol/Handshake.js"
import { AdminApi, DEFAULT_LIMIT } from "./AdminApi.js"
import { ConnectionNotFound, InvalidClose, NoAnswer } from "./AdminErrors.js"
import * as Body from "./Body.js"
import type * as EventFeed from "./EventFeed.js"
import { toJson } from "./Json.js"

/** What the API steers. */
export interface Steered {
  readonly fleet: Fleet
  /** Whether anything can be made to go wrong with connections. */
  readonly hasFaults: boolean
  readonly feed: ReturnType<typeof EventFeed.make>
}

const notFound = ({ message }: Error) => ConnectionNotFound.of(message)
const invalidClose = ({ message }: Error) => InvalidClose.of(message)

const noAnswer = ({ message }: Error) => NoAnswer.of(message)

/** Says whose part is missing, if one is. */
const missing = ({ unanswered }: Unanswered) => (unanswered.length === 0 ? {} : { unanswered })

const accepted = (id: string) => HttpServerResponse.unsafeJson({ id }, { status: 202 })

const tooLarge: Refusal = refusal(
  413,
  "PayloadTooLarge",
  `the body is larger than ${Body.MAX_BODY} bytes: a fault is a small JSON object`,
  { connection: "close" }
)

/** Makes the handlers of all endpoints. Those that answer often, or much, write their JSON themselves. */
export const make = ({ feed, fleet, hasFaults }: Steered) =>
  HttpApiBuilder.group(AdminApi, "connections", (handlers) =>
    handlers
      .handle("list", ({ urlParams }) =>
        Effect.map(
          fleet.page({ ...urlParams, limit: urlParams.limit ?? DEFAULT_LIMIT }),
          ({ connections, next, total, ...page }) =>
            HttpServerResponse.unsafeJson({
              total,
              connections: connections.map(toJson),
              next,
              ...missing(page)
            })
        )
      )
      .handle("get", ({ path }) =>
        Effect.catchTags(fleet.get(path.id), {
          ConnectionNotFound: (error) => Effect.fail(notFound(error)),
          NoAnswer: (error) => Effect.fail(noAnswer(error))
        })
      )
      .handle("stop", ({ path, urlParams }) =>
        fleet.stop(path.id, urlParams).pipe(
          Effect.map(() => accepted(path.id)),
          Effect.catchTags({
            ConnectionNotFound: (error) => Effect.fail(notFound(error)),
            InvalidClose: (error) => Effect.fail(invalidClose(error)),
            NoAnswer: (error) => Effect.fail(noAnswer(error))
          })
        )
      )
      .handle("stopAll", ({ urlParams }) =>
        fleet.stopAll(urlParams).pipe(
          Effect.map(({ stopped, ...rest }) => ({ stopped, ...missing(rest) })),
          Effect.mapError(invalidClose)
        )
      )
      .handleRaw("applyFault", ({ path, request }) =>
        Effect.gen(function* () {
          // Before the body is read, whatever is in it.
          if (!hasFaults) return yield* Effect.fail(disabled)
          const text = yield* Body.read(NodeHttpServerRequest.toIncomingMessage(request))
          if (text === undefined) return yield* Effect.fail(tooLarge)
          yield* Effect.catchTags(fleet.applyFault(path.id, text), {
            ConnectionNotFound: ({ message }) => Effect.fail(refusal(404, "ConnectionNotFound", message)),
            NoAnswer: ({ message }) => Effect.fail(refusal(504, "NoAnswer", message))
          })
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
