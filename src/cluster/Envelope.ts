/**
 * What servers send one another through Redis, as JSON, with who sends it. All of it is checked on arrival: whoever
 * reaches Redis can send anything.
 */
import * as Schema from "effect/Schema"
import type { NumberedEvent } from "../registry/Events.js"
import { Answer, Event, Request } from "./Message.js"

/** Not so large that there could be no more: nobody gets there by counting. */
const Count = Schema.NonNegativeInt.pipe(Schema.lessThan(2 ** 40))

/** Names a server to the others, until it ends. */
export const ServerId = Schema.String.pipe(Schema.pattern(/^[0-9a-z]{12}$/))

/** What an operator knows a server by. */
const Name = Schema.String.pipe(Schema.maxLength(512))

const Tag = Schema.String.pipe(Schema.maxLength(64))

/** What is known of a server as long as its lease lasts. */
export const About = Schema.Struct({
  name: Name,
  tags: Schema.Array(Tag).pipe(Schema.maxItems(1024)),
  /** Whether it wants to hear what happens to the connections of the others. */
  follows: Schema.Boolean
})
export type About = typeof About.Type

/** What one who follows knows. */
const Followed = Schema.Struct({
  /** The number of the latest event that is known; without it, all that happened since it follows is wanted. */
  after: Schema.optional(Count),
  /** For how many milliseconds it has followed. */
  following: Count
})
export type Followed = typeof Followed.Type

/** What one server asks of another: what any may ask, and to be told what happens there. */
export const Ask = Schema.Union(Request, Schema.TaggedStruct("Follow", Followed.fields))
export type Ask = typeof Ask.Type

/** The number of a server's latest event, and that after which it has told all that it has kept. */
const Known = Schema.Struct({ last: Count, since: Count })
export type Known = typeof Known.Type

/** What it answers. */
export const Reply = Schema.Union(Answer, Schema.TaggedStruct("Following", Known.fields))
export type Reply = typeof Reply.Type

/** Events of a server; a gap in their numbers tells what was lost. */
export const Batch = Schema.Struct({
  from: ServerId,
  since: Count,
  events: Schema.Array(Schema.Struct({ number: Count, event: Event })).pipe(Schema.maxItems(1000))
})
export type Batch = typeof Batch.Type

const Packet = Schema.Union(
  Schema.Struct({ ask: Count, it: Ask }),
  Schema.Struct({ answer: Count, it: Reply }),
  Schema.Struct({ working: Count }),
  Schema.Struct({ tell: Batch })
)

/** What one server sends to another. */
export const Envelope = Schema.Struct({
  from: ServerId,
  name: Name,
  /** The latest time, by the clock of Redis, at which what is asked may still be done. */
  until: Schema.optional(Schema.Finite),
  packet: Packet
})
export type Envelope = typeof Envelope.Type

/** Reads what came. */
export const readEnvelope = Schema.decodeUnknownEither(Schema.parseJson(Envelope))
export const readBatch = Schema.decodeUnknownEither(Schema.parseJson(Batch))
export const readAbout = Schema.decodeUnknownEither(Schema.parseJson(About))
export const isServerId = Schema.is(ServerId)

/** An event as it is sent: why a handler failed, and the like, is nobody else's concern. */
const bare = (event: Event): Event => {
  const { _tag, connection } = event
  if (_tag === "opened") return { _tag, connection }
  const reason = { _tag: event.reason._tag }
  return _tag === "stopping" ? { _tag, connection, reason } : { _tag, connection, reason, code: event.code }
}

/** Events as they are sent. */
export const batchOf = (from: string, since: number, events: ReadonlyArray<NumberedEvent<Event>>): Batch => ({
  from,
  since,
  events: events.map(({ event, number }) => ({ number, event: bare(event) }))
})
