/**
 * A chat with rooms: what somebody says is heard by all in the room, and a member who doesn't keep up is disconnected instead of
 * holding up the others, or filling the memory.
 *
 *     node examples/chat.ts        (Node 22.18 or later; before that: npx tsx examples/chat.ts)
 *
 * Then connect some clients to ws://localhost:8080/chat?room=tea&name=Ann. `PORT=9000` in the environment for another port.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Endpoint, HandshakeRefused, type HandshakeRequest, Rooms, WebSocketServer } from "answerback"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/** Nobody gets in without a name and a room. */
const authorize = ({ query }: HandshakeRequest) => {
  const [name, room] = [query.get("name"), query.get("room")]
  return name === null || room === null
    ? Effect.fail(new HandshakeRefused({ status: 400, message: "connect with ?room=ROOM&name=NAME" }))
    : Effect.succeed({ name, room })
}

const chat = (rooms: Rooms) =>
  Endpoint.make({
    maxPayload: "4KiB",
    authorize,
    handler: (connection, { name, room }) =>
      Effect.gen(function* () {
        // The scope is the connection's: it ends however the connection does.
        yield* Effect.addFinalizer(() => rooms.broadcast(room, `${name} has left`))
        yield* rooms.join(room, connection)
        yield* rooms.broadcast(room, `${name} has come`)
        yield* Stream.runForEach(connection.messages, ({ text }) => rooms.broadcast(room, `${name}: ${text}`))
      })
  })

const Server = Layer.unwrapEffect(
  Effect.map(Rooms.make({ limit: "256KiB", slow: "disconnect" }), (rooms) =>
    WebSocketServer.layerEndpoints(
      { "/chat": chat(rooms) },
      { port: Number(process.env["PORT"] ?? 8080), maxConnectionsPerAddress: 100 }
    )
  )
)

NodeRuntime.runMain(Layer.launch(Server))
