/**
 * A stop from business logic: when a user's session is revoked, exactly the connections of that user are closed, with a
 * reason that their clients understand; those of others go on.
 *
 *     node examples/revoke.ts        (Node 22.18 or later; before that: npx tsx examples/revoke.ts)
 *
 * Then connect some clients to ws://localhost:8080/inbox?user=ann and ?user=bob, and
 * `curl -X DELETE http://localhost:8080/sessions/ann`. `PORT=9000` in the environment for another port.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { type CloseCode, type Connection, Endpoint, HandshakeRefused, Upgrader } from "answerback"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"

/** Codes from 4000 to 4999 are a program's own: clients that see this one know that they have to sign in again. */
const REVOKED = { code: 4001, reason: "session revoked" }

/** Who is connected, by user. It knows nothing of HTTP, and whatever revokes sessions knows nothing of WebSockets. */
class Sessions extends Context.Tag("Sessions")<
  Sessions,
  {
    /** Keeps a connection among those of the user for as long as it is open. */
    readonly join: (user: string, connection: Connection) => Effect.Effect<void, never, Scope.Scope>
    /** Closes all connections of the user, and tells how many there were. */
    readonly revoke: (user: string) => Effect.Effect<number, CloseCode.InvalidClose>
  }
>() {
  static readonly layer = Layer.sync(Sessions, () => {
    const connections = new Map<string, Set<Connection>>()
    const of = (user: string) => connections.get(user) ?? new Set()
    return {
      join: (user, connection) =>
        Effect.acquireRelease(
          Effect.sync(() => connections.set(user, of(user).add(connection))),
          () =>
            Effect.sync(() => {
              of(user).delete(connection)
              if (of(user).size === 0) connections.delete(user)
            })
        ),
      revoke: (user) =>
        Effect.suspend(() => {
          const all = [...of(user)]
          return Effect.as(
            Effect.forEach(all, (connection) => connection.stop(REVOKED)),
            all.length
          )
        })
    }
  })
}

/** Who may connect. A program has a better way to find out who somebody is. */
const authorize = ({ query }: { readonly query: URLSearchParams }) =>
  Effect.fromNullable(query.get("user")).pipe(
    Effect.mapError(() => new HandshakeRefused({ status: 401, message: "connect with ?user=NAME" }))
  )

const inbox = Endpoint.make({
  authorize,
  handler: (connection, user) =>
    Effect.gen(function* () {
      const sessions = yield* Sessions
      yield* sessions.join(user, connection)
      yield* connection.send(`hello, ${user}`)
      // A stop ends the messages: what was read before is still answered, then the peer gets the Close frame.
      yield* Stream.runForEach(connection.messages, ({ text }) => connection.send(`noted: ${text}`))
    })
})

const revoke = HttpLayerRouter.add(
  "DELETE",
  "/sessions/:user",
  Effect.gen(function* () {
    const { user = "" } = yield* HttpLayerRouter.params
    const sessions = yield* Sessions
    return yield* HttpServerResponse.json({ stopped: yield* sessions.revoke(user) })
  }).pipe(Effect.orDie)
)

const Server = HttpLayerRouter.serve(Layer.mergeAll(Upgrader.layerRoute("/inbox", inbox), revoke)).pipe(
  Layer.provide(Upgrader.layer()),
  Layer.provide(Sessions.layer),
  Layer.provide(
    NodeHttpServer.layer(() => Upgrader.guard(createServer()), { port: Number(process.env["PORT"] ?? 8080) })
  )
)

NodeRuntime.runMain(Layer.launch(Server))
