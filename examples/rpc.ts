/**
 * RPC over WebSocket: the platform's `RpcServer` on an answerback server, with its limits, its back-pressure and its last word;
 * and a client of it.
 *
 *     node examples/rpc.ts            the server (Node 22.18 or later; before that: npx tsx examples/rpc.ts)
 *     node examples/rpc.ts Ann        a client, in another terminal
 *
 * `PORT=9000` in the environment of both for another port.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as Rpc from "@effect/rpc/Rpc"
import * as RpcClient from "@effect/rpc/RpcClient"
import * as RpcGroup from "@effect/rpc/RpcGroup"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as RpcServer from "@effect/rpc/RpcServer"
import * as Socket from "answerback/Socket"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const port = Number(process.env["PORT"] ?? 8080)
const path = "/rpc"

/** What both sides know. */
class Greetings extends RpcGroup.make(
  Rpc.make("greet", { payload: { name: Schema.NonEmptyString }, success: Schema.String }),
  Rpc.make("countdown", { payload: { from: Schema.Number }, success: Schema.Number, stream: true })
) {}

const Handlers = Greetings.toLayer({
  greet: ({ name }) => Effect.succeed(`Hello, ${name}!`),
  countdown: ({ from }) => Stream.map(Stream.range(1, from), (n) => from - n)
})

const Server = RpcServer.layer(Greetings).pipe(
  Layer.provide(Handlers),
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provide(RpcSerialization.layerJson),
  Layer.provide(Socket.layerServer({ port, path, maxPayload: "64KiB" }))
)

const Client = RpcClient.layerProtocolSocket().pipe(
  Layer.provide(RpcSerialization.layerJson),
  Layer.provide(NodeSocket.layerWebSocket(`ws://localhost:${port}${path}`))
)

const ask = (name: string) =>
  Effect.gen(function* () {
    const client = yield* RpcClient.make(Greetings)
    yield* Console.log(yield* client.greet({ name }))
    yield* Stream.runForEach(client.countdown({ from: 3 }), (n) => Console.log(n))
  }).pipe(Effect.scoped, Effect.provide(Client))

const name = process.argv[2]
if (name === undefined) NodeRuntime.runMain(Layer.launch(Server))
else NodeRuntime.runMain(ask(name))
