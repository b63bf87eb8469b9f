/**
 * The admin API, as its clients see it: paths, parameters, answers and errors. A client can be derived from it with
 * `HttpApiClient`, and `/openapi.json` is made of it.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import {
  ConnectionNotFound,
  FaultsDisabled,
  Forbidden,
  InvalidClose,
  InvalidFault,
  InvalidRequest,
  NoAnswer,
  OriginNotAllowed,
  PayloadTooLarge,
  Unauthorized
} from "./AdminErrors.js"
import * as FaultPlan from "../faults/FaultPlan.js"
import * as CloseCode from "../protocol/CloseCode.js"
import { VERSION } from "../Version.js"
import { ConnectionId } from "../protocol/ConnectionId.js"

/**
 * The most connections on a page.
 *
 * @example
 * ```ts
 * import { HttpApiClient } from "@effect/platform"
 * import { AdminApi, MAX_LIMIT } from "answerback/AdminApi"
 * import { Effect } from "effect"
 *
 * // As few requests as there can be.
 * export const firstPage = Effect.gen(function* () {
 *   const admin = yield* HttpApiClient.make(AdminApi, { baseUrl: "http://localhost:8080" })
 *   return yield* admin.list({ urlParams: { limit: MAX_LIMIT } })
 * })
 * ```
 */
export const MAX_LIMIT = 1000

/**
 * How many connections a page has if nothing is said.
 *
 * @example
 * ```ts
 * import { DEFAULT_LIMIT } from "answerback/AdminApi"
 *
 * // How many requests it takes to see them all, if nothing is said.
 * export const pages = (total: number): number => Math.ceil(total / DEFAULT_LIMIT)
 * ```
 */
export const DEFAULT_LIMIT = 100

const id = Schema.String.pipe(Schema.fromBrand(ConnectionId)).annotations({
  description: "Names a connection; ids sort in the order in which connections opened."
})

const Time = Schema.transform(
  Schema.String.annotations({
    description: "A time (RFC 3339).",
    jsonSchema: { type: "string", format: "date-time" }
  }),
  Schema.Number,
  { strict: true, decode: (text) => Date.parse(text), encode: (millis) => new Date(millis).toISOString() }
)

const Count = Schema.NonNegativeInt

/**
 * A connection, as the API shows it. Bytes are payload bytes.
 *
 * @example
 * ```ts
 * import { ConnectionInfo } from "answerback/AdminApi"
 * import { Schema } from "effect"
 *
 * // The data of an event `opened` of `GET /events`, read as what it is.
 * export const read = Schema.decodeUnknown(Schema.parseJson(ConnectionInfo))
 * ```
 */
export const ConnectionInfo = Schema.Struct({
  id,
  remote: Schema.String.annotations({ description: "address:port of the peer." }),
  path: Schema.String,
  subprotocol: Schema.NullOr(Schema.String),
  openedAt: Time,
  lastMessageAt: Schema.NullOr(Time),
  messagesIn: Count,
  messagesOut: Count,
  bytesIn: Count,
  bytesOut: Count,
  bufferedBytes: Count.annotations({ description: "Outbound bytes that wait to be taken by the kernel." }),
  state: Schema.Literal("open", "stopping", "stalled")
}).annotations({ identifier: "Connection" })

const unanswered = Schema.optional(
  Schema.Array(Schema.String).annotations({
    description: "Servers that did not answer in time, whose part is missing; left out if all did."
  })
)

const Page = Schema.Struct({
  total: Count.annotations({ description: "How many are open in all." }),
  connections: Schema.Array(ConnectionInfo),
  next: Schema.NullOr(id).annotations({
    description: "What to give as `after` for the next page; null if this is the last."
  }),
  unanswered
}).annotations({ identifier: "Page" })

const whole = (min: number, max: number, accepts: string, more: { readonly default?: number } = {}) =>
  Schema.transformOrFail(
    Schema.String.annotations({
      description: `Accepted is ${accepts}.`,
      jsonSchema: { type: "integer", minimum: min, maximum: max, ...more }
    }),
    Schema.Number,
    {
      strict: true,
      decode: (text, _, ast) => {
        const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
        return number >= min && number <= max
          ? ParseResult.succeed(number)
          : ParseResult.fail(new ParseResult.Type(ast, text, `accepted is ${accepts}`))
      },
      encode: (number) => ParseResult.succeed(String(number))
    }
  )

/** What stands in a Close frame. Whether the code can be sent is for the registry to say. */
const close = Schema.Struct({
  code: Schema.optional(
    whole(
      0,
      65_535,
      `a close code that may be sent: ${CloseCode.SENDABLE}; without one it is ${CloseCode.GOING_AWAY}`
    )
  ),
  reason: Schema.optional(
    Schema.String.annotations({
      description: `At most ${CloseCode.MAX_REASON_BYTES} bytes of UTF-8; by default "connection interrupted".`
    })
  )
})

const idParam = HttpApiSchema.param("id", id)

const list = HttpApiEndpoint.get("list", "/connections")
  .setUrlParams(
    Schema.Struct({
      // Not with its default here: a client that is derived from this would have to give it.
      limit: Schema.optional(
        whole(1, MAX_LIMIT, `a whole number from 1 to ${MAX_LIMIT}`, { default: DEFAULT_LIMIT })
      ),
      after: Schema.optional(
        Schema.String.annotations({
          description: "The id after which to begin; its connection may have ended."
        })
      )
    })
  )
  .addSuccess(Page)
  .annotate(OpenApi.Summary, "Lists the open connections, in the order of their ids.")

const get = HttpApiEndpoint.get("get")`/connections/${idParam}`
  .addSuccess(ConnectionInfo)
  .addError(ConnectionNotFound)
  .addError(NoAnswer)
  .annotate(OpenApi.Summary, "Looks up a connection.")

const stop = HttpApiEndpoint.del("stop")`/connections/${idParam}`
  .setUrlParams(close)
  .addSuccess(Schema.Struct({ id }), { status: 202 })
  .addError(ConnectionNotFound)
  .addError(InvalidClose)
  .addError(NoAnswer)
  .annotate(OpenApi.Summary, "Stops a connection. One that is stopping already goes on as it was.")

const stopAll = HttpApiEndpoint.del("stopAll", "/connections")
  .setUrlParams(close)
  .addSuccess(Schema.Struct({ stopped: Count, unanswered }), { status: 202 })
  .addError(InvalidClose)
  .annotate(
    OpenApi.Summary,
    "Stops all connections that are open now, and tells how many this request stopped."
  )

const applyFault = HttpApiEndpoint.post("applyFault")`/connections/${idParam}/faults`
  .setPayload(FaultPlan.ConnectionFault)
  .addSuccess(Schema.Struct({ id }), { status: 202 })
  .addError(ConnectionNotFound)
  .addError(InvalidFault)
  .addError(FaultsDisabled)
  .addError(PayloadTooLarge)
  .addError(NoAnswer)
  .annotate(
    OpenApi.Summary,
    "Lets something go wrong with an open connection. A later fault replaces an earlier one."
  )

const events = HttpApiEndpoint.get("events", "/events")
  .setHeaders(
    Schema.Struct({
      "last-event-id": Schema.optional(
        Schema.String.annotations({
          description: "The id of the last event that was received: what came since is sent first."
        })
      )
    })
  )
  .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
  .annotate(
    OpenApi.Summary,
    "Follows what happens, as server-sent events: opened, stopping and closed, each with the connection's JSON; lagged with the number of those that were lost."
  )

/**
 * What is done with connections.
 *
 * @example
 * ```ts
 * import { HttpApi, OpenApi } from "@effect/platform"
 * import { connections } from "answerback/AdminApi"
 *
 * // The description of a gateway that passes these requests on, beside its own.
 * export const spec = OpenApi.fromApi(HttpApi.make("gateway").add(connections))
 * ```
 */
export const connections = HttpApiGroup.make("connections", { topLevel: true })
  .add(list)
  .add(get)
  .add(stop)
  .add(stopAll)
  .add(applyFault)
  .add(events)

const PLATFORM_ERROR = "HttpApiDecodeError"

/** Takes out the platform's own error of parameters, which nobody is sent, and what it is made of. */
const withoutPlatformError = (part: unknown): unknown => {
  if (Array.isArray(part)) {
    return part
      .filter((one) => !JSON.stringify(one).endsWith(`/${PLATFORM_ERROR}"}`))
      .map(withoutPlatformError)
  }
  if (typeof part !== "object" || part === null) return part
  return Object.fromEntries(
    Object.entries(part)
      .filter(([name]) => name !== PLATFORM_ERROR && name !== "Issue" && name !== "PropertyKey")
      .map(([name, inner]) => [name, withoutPlatformError(inner)])
  )
}

/** Without a token on programs of the same machine, with one on others. */
const describe = (spec: Record<string, unknown>): Record<string, unknown> => ({
  ...Object.fromEntries(
    Object.entries(spec).map(([name, part]) => [
      name,
      name === "components" && typeof part === "object"
        ? withoutPlatformError({ ...part, securitySchemes: { token: { type: "http", scheme: "bearer" } } })
        : withoutPlatformError(part)
    ])
  ),
  security: [{}, { token: [] }]
})

/**
 * The admin API.
 *
 * @example
 * ```ts
 * import { FetchHttpClient, HttpApiClient, HttpClient, HttpClientRequest } from "@effect/platform"
 * import { AdminApi } from "answerback/AdminApi"
 * import { Effect } from "effect"
 *
 * // Sends everybody away who connected to /old.
 * export const empty = Effect.gen(function* () {
 *   const admin = yield* HttpApiClient.make(AdminApi, {
 *     baseUrl: "http://localhost:8080",
 *     transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken("the token"))
 *   })
 *   const { connections } = yield* admin.list({ urlParams: { limit: 1000 } })
 *   for (const { id, path } of connections)
 *     if (path === "/old") yield* admin.stop({ path: { id }, urlParams: { code: 4001, reason: "moved" } })
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 */
export const AdminApi = HttpApi.make("answerback")
  .add(connections)
  .addError(InvalidRequest)
  .addError(Unauthorized)
  .addError(Forbidden)
  .addError(OriginNotAllowed)
  .annotate(OpenApi.Title, "answerback")
  .annotate(OpenApi.Version, VERSION)
  .annotate(
    OpenApi.Description,
    "Lists, stops and follows the connections of a server, and lets things go wrong with them."
  )
  .annotate(OpenApi.Transform, describe)
