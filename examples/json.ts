/**
 * A protocol in JSON, behind a token: messages are values of a `Schema` in the program, and a peer who sends anything else is
 * told so by the close code. Who may connect is decided before the handshake is accepted.
 *
 *     node examples/json.ts        (Node 22.18 or later; before that: npx tsx examples/json.ts)
 *
 * Then connect to ws://localhost:8080/account?token=s3cret and send {"_tag":"Deposit","amount":5}. (A browser can't set headers
 * of a handshake; other clients may send `Authorization: Bearer s3cret` instead.) `PORT=9000` in the environment for another port.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Endpoint, HandshakeRefused, type HandshakeRequest, Json, WebSocketServer } from "answerback"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const Command = Schema.Union(
  Schema.TaggedStruct("Deposit", { amount: Schema.Number.pipe(Schema.positive()) }),
  Schema.TaggedStruct("Withdraw", { amount: Schema.Number.pipe(Schema.positive()) })
)

const Event = Schema.Union(
  Schema.TaggedStruct("Balance", { balance: Schema.Number, at: Schema.Date }),
  Schema.TaggedStruct("Refused", { reason: Schema.String })
)

/** Whose token it is, and what they have. A program has a database for both. */
class Accounts extends Context.Tag("Accounts")<
  Accounts,
  {
    readonly ownerOf: (token: string) => string | undefined
    readonly change: (owner: string, amount: number) => Effect.Effect<typeof Event.Type>
  }
>() {
  static readonly layer = Layer.sync(Accounts, () => {
    const owners: Readonly<Record<string, string>> = { s3cret: "ann" }
    const balances = new Map<string, number>()
    return {
      ownerOf: (token) => owners[token],
      change: (owner, amount) =>
        Effect.sync(() => {
          const balance = (balances.get(owner) ?? 0) + amount
          if (balance < 0) return { _tag: "Refused", reason: "there isn't as much" }
          balances.set(owner, balance)
          return { _tag: "Balance", balance, at: new Date() }
        })
    }
  })
}

const authorize = ({ headers, query }: HandshakeRequest) =>
  Effect.flatMap(Accounts, ({ ownerOf }) => {
    const token = /^Bearer (.+)$/.exec(headers["authorization"] ?? "")?.[1] ?? query.get("token") ?? ""
    const owner = ownerOf(token)
    return owner === undefined
      ? Effect.fail(
          new HandshakeRefused({
            status: 401,
            message: "a token is wanted",
            headers: { "www-authenticate": "Bearer" }
          })
        )
      : Effect.succeed(owner)
  })

const account = Endpoint.make({
  authorize,
  handler: (connection, owner) =>
    Effect.gen(function* () {
      const { change } = yield* Accounts
      const peer = Json.connection(connection, { incoming: Command, outgoing: Event })
      yield* peer.messages.pipe(
        Stream.mapEffect(({ _tag, amount }) => change(owner, _tag === "Deposit" ? amount : -amount)),
        Stream.run(peer.sendAll)
      )
    })
})

const Server = WebSocketServer.layerEndpoints(
  { "/account": account },
  { port: Number(process.env["PORT"] ?? 8080) }
)

NodeRuntime.runMain(Layer.launch(Server.pipe(Layer.provide(Accounts.layer))))
