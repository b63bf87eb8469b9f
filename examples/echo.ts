/**
 * The smallest server: what comes is sent back. The rest, from limits to the last word at a shutdown, is there by default.
 *
 *     node examples/echo.ts        (Node 22.18 or later; before that: npx tsx examples/echo.ts)
 *
 * Then connect to ws://localhost:8080/echo. `PORT=9000` in the environment for another port; Ctrl-C to stop.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { WebSocketServer } from "answerback"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

const Server = WebSocketServer.layer((connection) => Stream.run(connection.messages, connection.sendAll), {
  port: Number(process.env["PORT"] ?? 8080),
  path: "/echo"
})

NodeRuntime.runMain(Layer.launch(Server))
