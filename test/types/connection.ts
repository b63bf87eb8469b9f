/**
 * What a handler can do with its connection, and what may go wrong.
 */
import type * as Headers from "@effect/platform/Headers"
import {
  type CloseCode,
  type Connection,
  ConnectionClosed,
  type ConnectionEvent,
  type ConnectionId,
  type ConnectionInfo,
  type ConnectionNotFound,
  Connections,
  type Message,
  StopReason
} from "answerback"
import { type Cause, type Chunk, Effect, type Sink, Stream } from "effect"
import { same } from "./same.js"

declare const connection: Connection

// What it is.
same<typeof connection.id, ConnectionId>()
same<typeof connection.remote, string>()
same<typeof connection.path, string>()
same<typeof connection.query, URLSearchParams>()
same<typeof connection.headers, Headers.Headers>()
same<typeof connection.subprotocol, string | undefined>()
same<typeof connection.openedAt, number>()
same<typeof connection.lastMessageAt, number | undefined>()

// What comes: messages, and no errors, since every ending has its reason.
same<typeof connection.messages, Stream.Stream<Message.Message>>()
same<Message.Message["_tag"], "Text" | "Binary">()

// What is sent: only one thing can go wrong.
same<ReturnType<typeof connection.send>, Effect.Effect<void, ConnectionClosed>>()
same<Parameters<typeof connection.send>, [message: string | Uint8Array | Message.Message]>()
same<ReturnType<typeof connection.sendChunk>, Effect.Effect<void, ConnectionClosed>>()
same<Parameters<typeof connection.sendChunk>, [messages: Chunk.Chunk<Message.Message>]>()
same<typeof connection.sendAll, Sink.Sink<void, Message.Sendable, never, ConnectionClosed>>()
// @ts-expect-error -- that would have to be encoded first
connection.send({ hello: "world" })
// @ts-expect-error -- neither would all of them
Stream.run(Stream.make(1, 2), connection.sendAll)

const echo = Stream.run(connection.messages, connection.sendAll)
same<typeof echo, Effect.Effect<void, ConnectionClosed>>()
const careless = Effect.catchTag(echo, "ConnectionClosed", ({ connection }) => {
  same<typeof connection, ConnectionId>()
  return Effect.void
})
same<typeof careless, Effect.Effect<void>>()
// @ts-expect-error -- nothing else can go wrong
Effect.catchTag(echo, "ConnectionNotFound", () => Effect.void)

// How it ends: a code and a reason may not be sendable, a reset has neither.
same<ReturnType<typeof connection.stop>, Effect.Effect<void, CloseCode.InvalidClose>>()
same<ReturnType<typeof connection.close>, Effect.Effect<void, CloseCode.InvalidClose>>()
same<typeof connection.reset, Effect.Effect<void>>()
same<typeof connection.stopSignal.reason, StopReason | undefined>()
same<typeof connection.stopSignal.await, Effect.Effect<StopReason>>()
// @ts-expect-error -- the code of a Close frame is a number (RFC 6455 section 5.5.1)
connection.stop({ code: "1000" })

// The server alone makes connections.
declare const imitation: Omit<Connection, never>
// @ts-expect-error -- it has all that can be seen
void (imitation satisfies Connection)

// Why it ended: whoever matches has to say something of each reason.
const matchers = {
  PeerClosed: ({ code, reason }: { readonly code: number; readonly reason: string }) => `${code} ${reason}`,
  PeerVanished: () => "",
  ProtocolError: ({ code, reason }: { readonly code: number; readonly reason: string }) =>
    `${code} ${reason}`,
  HeartbeatTimeout: () => "",
  SlowConsumer: () => "",
  IdleTimeout: () => "",
  LifetimeReached: () => "",
  StopSignal: ({ code, reason }: { readonly code: number; readonly reason: string }) => `${code} ${reason}`,
  ServerShutdown: ({ code }: { readonly code: number }) => `${code}`,
  HandlerFailed: ({ cause }: { readonly cause: Cause.Cause<unknown> }) => cause._tag,
  Fault: ({ kind }: { readonly kind: string }) => kind
}
same<keyof typeof matchers, StopReason["_tag"]>()
const tell = StopReason.$match(matchers)
same<(reason: StopReason) => string, typeof tell>()
const { ServerShutdown: _, ...incomplete } = matchers
// @ts-expect-error -- nothing is said of a shutdown
StopReason.$match(incomplete)
// @ts-expect-error -- there is no such reason
StopReason.$match({ ...matchers, Boredom: () => "" })
const shutdown = StopReason.ServerShutdown({ code: 1001 })
same<typeof shutdown.code, number>()
same<typeof shutdown._tag, "ServerShutdown">()

// The connections of a server.
const connections = Effect.gen(function* () {
  const { count, drain, events, get, list, page, stop, stopAll } = yield* Connections
  same<typeof count, Effect.Effect<number>>()
  same<typeof list, Effect.Effect<ReadonlyArray<ConnectionInfo>>>()
  same<ReturnType<typeof get>, Effect.Effect<ConnectionInfo, ConnectionNotFound>>()
  same<ReturnType<typeof stop>, Effect.Effect<void, ConnectionNotFound | CloseCode.InvalidClose>>()
  same<ReturnType<typeof stopAll>, Effect.Effect<number, CloseCode.InvalidClose>>()
  same<typeof drain, Effect.Effect<void>>()
  same<typeof events, Stream.Stream<ConnectionEvent>>()
  const { next, total } = yield* page({ limit: 100 })
  same<typeof next, ConnectionId | null>()
  same<typeof total, number>()
  // Ids also come from where there are only strings: a URL, a database.
  yield* stop("0mwumjc5400000dxo0g7", { code: 4000, reason: "enough" })
  // @ts-expect-error -- a page has an end
  yield* page({})
})
same<Effect.Effect.Context<typeof connections>, Connections>()

// What happens to them: an event tells only what it can know.
declare const event: ConnectionEvent
same<ConnectionEvent["_tag"], "opened" | "stopping" | "closed">()
same<typeof event.connection, ConnectionInfo>()
// @ts-expect-error -- that opens has no reason to end
void event.reason
switch (event._tag) {
  case "opened":
    // @ts-expect-error
    void event.reason
    break
  case "stopping":
    same<typeof event.reason, StopReason>()
    // @ts-expect-error -- nothing has been said yet
    void event.code
    break
  case "closed":
    same<typeof event.reason, StopReason>()
    same<typeof event.code, number | null>()
    break
  default:
    same<typeof event, never>()
}
same<ConnectionInfo["state"], "open" | "stopping" | "stalled">()
void ConnectionClosed
