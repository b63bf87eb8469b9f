/**
 * Clients outside this process, which are told in JSON what to do.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ClientFailed, inTime, type Message, type Session } from "./client.js"

const RemoteMessage = Schema.Union(
  Schema.Struct({ text: Schema.String }),
  Schema.Struct({ base64: Schema.String })
)

const Opened = Schema.Struct({ subprotocol: Schema.String, extensions: Schema.String })
const Exchanged = Schema.Struct({ messages: Schema.Array(RemoteMessage) })
const Heard = Schema.Struct({ heard: Schema.String })
const Closed = Schema.Struct({
  code: Schema.Number,
  reason: Schema.String,
  wasClean: Schema.Boolean,
  error: Schema.optionalWith(Schema.String, { nullable: true }),
  unread: Schema.Number
})
const Failed = Schema.Struct({ failed: Schema.String })

const encode = (message: Message): typeof RemoteMessage.Type =>
  typeof message === "string" ? { text: message } : { base64: Buffer.from(message).toString("base64") }

const decode = (message: typeof RemoteMessage.Type): Message =>
  "text" in message ? message.text : Buffer.from(message.base64, "base64")

/** Has one thing done, and gives the answer. */
export type Call = (
  name: "open" | "exchange" | "hear" | "sendBytes" | "close" | "closed",
  argument: Readonly<Record<string, unknown>>
) => Effect.Effect<unknown, ClientFailed>

/** Opens a connection through calls. */
export const open = (
  call: Call,
  url: string,
  subprotocols: ReadonlyArray<string>
): Effect.Effect<Session, ClientFailed> => {
  const ask = <A, I>(answer: Schema.Schema<A, I>, ...[name, argument]: Parameters<Call>) =>
    call(name, argument).pipe(
      inTime(`an answer to "${name}"`),
      Effect.flatMap((value) =>
        Schema.is(Failed)(value)
          ? Effect.fail(new ClientFailed({ message: value.failed }))
          : Effect.orDie(Schema.decodeUnknown(answer)(value))
      )
    )
  return Effect.map(ask(Opened, "open", { url, subprotocols }), (opened) => ({
    ...opened,
    exchange: (messages, count = messages.length) =>
      Effect.map(ask(Exchanged, "exchange", { messages: messages.map(encode), count }), ({ messages }) =>
        messages.map(decode)
      ),
    hear: (millis) => Effect.map(ask(Heard, "hear", { millis }), ({ heard }) => heard),
    sendBytes: (size) => ask(Schema.Void, "sendBytes", { size }),
    close: (code, reason) => ask(Schema.Void, "close", { code, reason }),
    closed: ask(Closed, "closed", {})
  }))
}
