/**
 * A program of somebody else's, who has installed the package: it starts a server, talks with it, and stops it.
 *
 * It is compiled and run by `consumer.test.ts`, where nothing of this repository is around.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import {
  CloseCode,
  type Connection,
  type ConnectionClosed,
  Connections,
  Endpoint,
  FaultPlan,
  Faults,
  HandshakeRefused,
  Json,
  Message,
  Rooms,
  type ServerOptions,
  type StartError,
  StopReason,
  Upgrader,
  WebSocketServer
} from "answerback"
import { AdminApi } from "answerback/AdminApi"
import * as Redis from "answerback/Redis"
import { fromConnection } from "answerback/Socket"
import * as Testing from "answerback/testing"
import {
  type ConfigError,
  Context,
  Deferred,
  Effect,
  Fiber,
  Layer,
  Option,
  Redacted,
  Schema,
  Stream
} from "effect"
import { WebSocket } from "ws"

/** Whether two types are the same. */
type Same<A, B> = [A, B] extends [B, A] ? true : false
const isTrue = (answer: true): true => answer

class Shout extends Context.Tag("Shout")<Shout, (text: string) => string>() {}

const handler = (connection: Connection): Effect.Effect<void, ConnectionClosed, Shout> =>
  Stream.runForEach(connection.messages, (message) =>
    Effect.flatMap(Shout, (shout) =>
      connection.send(message._tag === "Text" ? Message.text(shout(message.text)) : message)
    )
  )

const options: ServerOptions = { host: "127.0.0.1", port: 0, path: "/shout", drainTimeout: "2 seconds" }
const Server = WebSocketServer.layer(handler, options)

isTrue(true satisfies Same<Layer.Layer.Context<typeof Server>, Shout>)
isTrue(true satisfies Same<Layer.Layer.Error<typeof Server>, StartError | ConfigError.ConfigError>)
isTrue(true satisfies Connections extends Layer.Layer.Success<typeof Server> ? true : false)
// @ts-expect-error -- an option that there is none of
WebSocketServer.layer(handler, { prot: 0 })
// @ts-expect-error -- a code is a number
StopReason.StopSignal({ code: "4001", reason: "" })

const Fleet = Redis.layer({ url: Redacted.make(new URL("redis://localhost")), prefix: "consumer" })
isTrue(true satisfies Same<Layer.Layer.Error<typeof Fleet>, never>)
const Many = Layer.provide(Server, Fleet)
isTrue(true satisfies Same<Layer.Layer.Context<typeof Many>, Shout>)

const nameOf = StopReason.$match({
  PeerClosed: ({ code }) => `peer closed with ${code}`,
  PeerVanished: () => "vanished",
  ProtocolError: ({ code }) => `protocol error ${code}`,
  HeartbeatTimeout: () => "no heartbeat",
  SlowConsumer: () => "slow",
  IdleTimeout: () => "idle",
  LifetimeReached: () => "old",
  StopSignal: ({ code, reason }) => `stopped with ${code} ${reason}`,
  ServerShutdown: ({ code }) => `shut down with ${code}`,
  HandlerFailed: () => "failed",
  Fault: ({ kind }) => kind
})

/** A real client, and what becomes of it. */
const connect = (url: string) =>
  Effect.async<{ readonly echo: string; readonly closed: Promise<string> }, Error>((resume) => {
    const socket = new WebSocket(url)
    const closed = new Promise<string>((resolve) =>
      socket.once("close", (code, reason) => resolve(`${code} ${reason.toString()}`))
    )
    socket.once("open", () => socket.send("hello"))
    socket.once("message", (data: Buffer) => resume(Effect.succeed({ echo: data.toString(), closed })))
    socket.once("error", (error) => resume(Effect.fail(error)))
  })

const program = Effect.gen(function* () {
  const { url, webSocketUrl } = yield* WebSocketServer.WebSocketServer
  const connections = yield* Connections
  const { apply } = yield* Faults.Faults

  const isFollowing = yield* Deferred.make<void>()
  const endings = yield* connections.events.pipe(
    Stream.tap(() => Deferred.succeed(isFollowing, undefined)),
    Stream.filterMap((event) =>
      event._tag === "closed" ? Option.some(nameOf(event.reason)) : Option.none()
    ),
    Stream.take(2),
    Stream.runCollect,
    Effect.fork
  )

  const first = yield* connect(webSocketUrl)
  yield* Deferred.await(isFollowing)
  const admin = yield* HttpApiClient.make(AdminApi, { baseUrl: url })
  const { connections: listed, total } = yield* admin.list({ urlParams: { limit: 10 } })
  const [one] = listed
  if (one !== undefined) yield* admin.stop({ path: { id: one.id }, urlParams: { code: 4001, reason: "bye" } })
  const stopped = yield* Effect.promise(() => first.closed)

  const second = yield* connect(webSocketUrl)
  const [other] = yield* connections.list
  if (other !== undefined)
    yield* apply(other.id, FaultPlan.make({ fault: "close", code: CloseCode.NORMAL, reason: "as asked" }))
  const faulty = yield* Effect.promise(() => second.closed)

  const third = yield* connect(webSocketUrl)
  return {
    echoes: [first.echo, second.echo, third.echo],
    total,
    path: one?.path,
    stopped,
    faulty,
    endings: [...(yield* Fiber.join(endings))],
    last: third.closed
  }
})

const chat = Effect.map(Rooms.make({ slow: "drop" }), (rooms) =>
  Endpoint.make({
    maxPayload: "4KiB",
    authorize: ({ query }) =>
      query.has("name")
        ? Effect.succeed(query.get("name") ?? "")
        : Effect.fail(new HandshakeRefused({ status: 400, message: "a name is wanted" })),
    handler: (connection, name) =>
      Effect.gen(function* () {
        isTrue(true satisfies Same<typeof name, string>)
        yield* rooms.join("all", connection)
        const { messages } = Json.connection(connection, {
          incoming: Schema.Struct({ say: Schema.String }),
          outgoing: Schema.String
        })
        yield* Stream.runForEach(messages, ({ say }) => rooms.broadcast("all", `${name}: ${say}`))
      })
  })
)
const raw = Endpoint.make((connection) => fromConnection(connection).runRaw(() => Shout))
isTrue(true satisfies Same<typeof raw, Endpoint.Endpoint<Shout>>)
export const Route = Upgrader.layerRoute("/raw", raw).pipe(Layer.provide(Upgrader.layer()))

const tested = Effect.gen(function* () {
  const peer = yield* Testing.connect(yield* chat, { target: "/chat?name=Ada" })
  yield* peer.send(JSON.stringify({ say: "hello" }))
  const { text } = yield* peer.receive
  yield* peer.close(4000)
  const { code } = yield* Testing.expectStop(peer, "PeerClosed")
  return [text, code]
}).pipe(Effect.scoped)

const Faulty = Faults.layer(({ headers }) =>
  headers["x-hang"] === undefined ? undefined : FaultPlan.make({ fault: "hang" })
)
const done = await Effect.all({ program, tested }).pipe(
  Effect.provide(
    Server.pipe(Layer.provideMerge(Faulty), Layer.provide(Layer.succeed(Shout, (text) => text.toUpperCase())))
  ),
  Effect.provide(FetchHttpClient.layer),
  Effect.timeout("20 seconds"),
  Effect.runPromise
)
// The layer is closed: so is the connection that was left.
const { program: story } = done
process.stdout.write(`${JSON.stringify({ ...story, tested: done.tested, last: await story.last })}\n`)
