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
import * as FaultPlan from "../faults/FaultPlan.js"
import * as CloseCode from "../protocol/CloseCode.js"
import { ConnectionId } from "../protocol/ConnectionId.js"

/** The most connections on a page, and how many it has if nothing is said. */
export const MAX_LIMIT = 1000
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

/** A connection, as the API shows it. Bytes are payload bytes. */
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

const Page = Schema.Struct({
  total: Count.annotations({ description: "How many are open in all." }),
  connections: Schema.Array(ConnectionInfo),
  next: Schema.NullOr(id).annotations({
    description: "What to give as `after` for the next page; null if this is the last."
  })
}).annotations({ identifier: "Page" })

/** An error of the API: on the wire `{"error": its name, "message": words for a person}`. */
export class ApiError<Name extends string> extends Error {
  readonly _tag: Name

  constructor(tag: Name, message: string) {
    super(message)
    this._tag = tag
  }
}

const failure = <const Name extends string>(name: Name, status: number, description: string) => {
  const isOne = (given: unknown): given is ApiError<Name> => given instanceof ApiError && given._tag === name
  const of = (message: string) => new ApiError(name, message)
  const schema = Schema.transform(
    Schema.Struct({ error: Schema.Literal(name), message: Schema.String }).annotations({
      identifier: name,
      description
    }),
    Schema.declare(isOne),
    {
      strict: true,
      decode: ({ message }) => of(message),
      encode: ({ message }) => ({ error: name, message })
    }
  ).annotations(HttpApiSchema.annotations({ status, description }))
  return Object.assign(schema, { of })
}

/** No open connection has this id. */
export const ConnectionNotFound = failure(
  "ConnectionNotFound",
  404,
  "No open connection has this id: it has ended, or there never was one."
)
/** A parameter that can't be read. */
export const InvalidRequest = failure(
  "InvalidRequest",
  400,
  "A parameter can't be read: the message says which, and what is accepted."
)
/** A close code or reason that can't be sent. */
export const InvalidClose = failure(
  "InvalidClose",
  400,
  "A close code or reason that can't be sent (RFC 6455 sections 5.5 and 7.4)."
)
/** A fault that can't be read. */
export const InvalidFault = failure(
  "InvalidFault",
  400,
  "A fault that can't be read, or that an open connection can't have."
)
/** Faults are off. */
export const FaultsDisabled = failure("FaultsDisabled", 403, "The server makes no faults.")
/** A body that is too large. */
export const PayloadTooLarge = failure("PayloadTooLarge", 413, "The body of the request is too large.")
const Unauthorized = failure(
  "Unauthorized",
  401,
  "The request lacks the token of the server, or has another."
)
const Forbidden = failure(
  "Forbidden",
  403,
  "Without a token, only programs of the server's own machine are let in."
)
const OriginNotAllowed = failure("OriginNotAllowed", 403, "A page of another origin asks.")

const whole = (min: number, max: number, accepts: string) =>
  Schema.transformOrFail(
    Schema.String.annotations({
      description: `Accepted is ${accepts}.`,
      jsonSchema: { type: "integer", minimum: min, maximum: max }
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
      limit: Schema.optionalWith(whole(1, MAX_LIMIT, `a whole number from 1 to ${MAX_LIMIT}`), {
        default: () => DEFAULT_LIMIT
      }),
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
  .annotate(OpenApi.Summary, "Looks up a connection.")

const stop = HttpApiEndpoint.del("stop")`/connections/${idParam}`
  .setUrlParams(close)
  .addSuccess(Schema.Struct({ id }), { status: 202 })
  .addError(ConnectionNotFound)
  .addError(InvalidClose)
  .annotate(OpenApi.Summary, "Stops a connection. One that is stopping already goes on as it was.")

const stopAll = HttpApiEndpoint.del("stopAll", "/connections")
  .setUrlParams(close)
  .addSuccess(Schema.Struct({ stopped: Count }), { status: 202 })
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

/** What is done with connections. */
export const connections = HttpApiGroup.make("connections", { topLevel: true })
  .add(list)
  .add(get)
  .add(stop)
  .add(stopAll)
  .add(applyFault)
  .add(events)

/** The admin API. */
export const AdminApi = HttpApi.make("answerback")
  .add(connections)
  .addError(InvalidRequest)
  .addError(Unauthorized)
  .addError(Forbidden)
  .addError(OriginNotAllowed)
  .annotate(OpenApi.Title, "answerback")
  .annotate(
    OpenApi.Description,
    "Lists, stops and follows the connections of a server, and lets things go wrong with them."
  )
