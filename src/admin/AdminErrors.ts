/**
 * What the admin API answers when it doesn't do what it was asked.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"

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
/** The server that holds the connection didn't answer. */
export const NoAnswer = failure(
  "NoAnswer",
  504,
  "The server that holds the connection did not answer in time: what became of the request is not known."
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
/** The token of the server is wanted. */
export const Unauthorized = failure(
  "Unauthorized",
  401,
  "The request lacks the token of the server, or has another."
)
/** Only programs of the same machine are let in. */
export const Forbidden = failure(
  "Forbidden",
  403,
  "Without a token, only programs of the server's own machine are let in."
)
/** A page of another origin is not let in. */
export const OriginNotAllowed = failure("OriginNotAllowed", 403, "A page of another origin asks.")
