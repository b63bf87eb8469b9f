/**
 * What servers ask of one another, and answer, as JSON. What comes from another machine is checked by these schemas on
 * arrival, as any input is; what comes from another process of this program isn't (`Ipc.ts`).
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidClose } from "../protocol/CloseCode.js"
import { ConnectionId, ConnectionNotFound } from "../protocol/ConnectionId.js"
import { type Refusal, refusal } from "../protocol/Handshake.js"
import { tags } from "../protocol/StopReason.js"
import { type Fleet, NoAnswer } from "./Fleet.js"

const Count = Schema.NonNegativeInt
const Text = Schema.String.pipe(Schema.maxLength(64 * 1024))
const Id = Text.pipe(Schema.fromBrand(ConnectionId))

/** A connection; times are in milliseconds since 1970. */
const Info = Schema.Struct({
  id: Id,
  remote: Text,
  path: Text,
  subprotocol: Schema.NullOr(Text),
  openedAt: Count,
  lastMessageAt: Schema.NullOr(Count),
  messagesIn: Count,
  messagesOut: Count,
  bytesIn: Count,
  bytesOut: Count,
  bufferedBytes: Count,
  state: Schema.Literal("open", "stopping", "stalled")
})

const close = { code: Schema.optional(Count), reason: Schema.optional(Text) }

/** What one server asks of another. */
export const Request = Schema.Union(
  Schema.TaggedStruct("Page", {
    limit: Schema.Int.pipe(Schema.between(1, 1000)),
    after: Schema.optional(Text)
  }),
  Schema.TaggedStruct("Get", { id: Text }),
  Schema.TaggedStruct("Stop", { id: Text, ...close }),
  Schema.TaggedStruct("StopAll", close),
  Schema.TaggedStruct("ApplyFault", { id: Text, plan: Text })
)
export type Request = typeof Request.Type

const Names = Schema.Array(Text)

/** What it answers. */
export const Answer = Schema.Union(
  Schema.TaggedStruct("Page", {
    total: Count,
    connections: Schema.Array(Info),
    next: Schema.NullOr(Id),
    unanswered: Names
  }),
  Schema.TaggedStruct("Connection", { connection: Info }),
  Schema.TaggedStruct("Done", {}),
  Schema.TaggedStruct("Stopped", { stopped: Count, unanswered: Names }),
  Schema.TaggedStruct("ConnectionNotFound", { id: Text }),
  Schema.TaggedStruct("InvalidClose", { message: Text }),
  Schema.TaggedStruct("NoAnswer", { server: Text }),
  Schema.TaggedStruct("Refusal", {
    status: Schema.Int.pipe(Schema.between(400, 599)),
    error: Text,
    message: Text
  })
)
export type Answer = typeof Answer.Type

const reason = Schema.Struct({ _tag: Schema.Literal(...tags) })

/** What happened to a connection of another server. */
export const Event = Schema.Union(
  Schema.TaggedStruct("opened", { connection: Info }),
  Schema.TaggedStruct("stopping", { connection: Info, reason }),
  Schema.TaggedStruct("closed", { connection: Info, reason, code: Schema.NullOr(Count) })
)
export type Event = typeof Event.Type

const is = <Tag extends Answer["_tag"]>(got: Answer, tag: Tag): got is Extract<Answer, { _tag: Tag }> =>
  got._tag === tag

type Failure = ConnectionNotFound | InvalidClose | NoAnswer | Refusal

const failed = (error: Failure): Effect.Effect<Answer> => {
  switch (error._tag) {
    case "ConnectionNotFound":
      return Effect.succeed({ _tag: error._tag, id: error.id })
    case "InvalidClose":
      return Effect.succeed({ _tag: error._tag, message: error.message })
    case "NoAnswer":
      return Effect.succeed({ _tag: error._tag, server: error.server })
    case "Refusal":
      return Effect.succeed({
        _tag: error._tag,
        status: error.status,
        error: error.error,
        message: error.message
      })
  }
}

/** Does what was asked. */
export const answer = (fleet: Fleet, request: Request): Effect.Effect<Answer> => {
  const outcome = (): Effect.Effect<Answer, Failure> => {
    switch (request._tag) {
      case "Page":
        return Effect.map(fleet.page(request), (page) => ({ _tag: "Page", ...page }))
      case "Get":
        return Effect.map(fleet.get(request.id), (connection) => ({ _tag: "Connection", connection }))
      case "Stop":
        return Effect.as(fleet.stop(request.id, request), { _tag: "Done" })
      case "StopAll":
        return Effect.map(fleet.stopAll(request), (stopped) => ({ _tag: "Stopped", ...stopped }))
      case "ApplyFault":
        return Effect.as(fleet.applyFault(request.id, request.plan), { _tag: "Done" })
    }
  }
  return Effect.catchAll(outcome(), failed)
}

/** A fleet elsewhere: `ask` brings requests to it, and fails where no answer comes, or one that can't be read. */
export const remote = (
  server: string,
  ask: (request: Request) => Effect.Effect<Answer, NoAnswer>
): Fleet<NoAnswer> => {
  const unexpected = Effect.fail(new NoAnswer({ server }))
  /** Asks about one connection, and takes this for an answer. */
  const askOne = <Tag extends Answer["_tag"]>(request: Request, tag: Tag) =>
    Effect.flatMap(ask(request), (got): Effect.Effect<Extract<Answer, { _tag: Tag }>, Failure> => {
      switch (got._tag) {
        case "ConnectionNotFound":
          return Effect.fail(new ConnectionNotFound({ id: got.id }))
        case "InvalidClose":
          return Effect.fail(new InvalidClose({ message: got.message }))
        case "NoAnswer":
          return Effect.fail(new NoAnswer({ server: got.server }))
        case "Refusal":
          return Effect.fail(refusal(got.status, got.error, got.message))
        default:
          return is(got, tag) ? Effect.succeed(got) : unexpected
      }
    })
  const otherwise = () => unexpected
  return {
    page: (options) => Effect.catchAll(askOne({ _tag: "Page", ...options }, "Page"), otherwise),
    get: (id) =>
      askOne({ _tag: "Get", id }, "Connection").pipe(
        Effect.map(({ connection }) => connection),
        Effect.catchTags({ InvalidClose: otherwise, Refusal: otherwise })
      ),
    stop: (id, options) =>
      Effect.catchTag(Effect.asVoid(askOne({ ...options, _tag: "Stop", id }, "Done")), "Refusal", otherwise),
    stopAll: (options) =>
      Effect.catchTags(askOne({ ...options, _tag: "StopAll" }, "Stopped"), {
        ConnectionNotFound: otherwise,
        Refusal: otherwise
      }),
    applyFault: (id, plan) =>
      Effect.catchTag(
        Effect.asVoid(askOne({ _tag: "ApplyFault", id, plan }, "Done")),
        "InvalidClose",
        otherwise
      )
  }
}
