// A room of this project: what one says, all get. Without pings, which who listens would take for messages.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Room, WebSocketServer } from "../../../dist/index.js"

const server = Effect.map(Room.make(), (room) =>
  WebSocketServer.layer(
    (connection) =>
      Effect.zipRight(
        room.join(connection),
        Stream.runForEach(connection.messages, (message) => room.broadcast(message))
      ),
    { host: "127.0.0.1", port: 0, maxConnections: 20_000, heartbeatInterval: "off" }
  )
)

const told = Layer.effectDiscard(
  Effect.map(WebSocketServer.WebSocketServer, ({ port }) => process.stdout.write(`listening :${port}\n`))
)

NodeRuntime.runMain(Layer.launch(Layer.provide(told, Layer.unwrapEffect(server))))
