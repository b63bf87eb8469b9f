/**
 * Connects real clients.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as CloseCode from "../protocol/CloseCode.js"
import * as Message from "../protocol/Message.js"
import { HandshakeRefused } from "../server/HandshakeRefused.js"
import { Changes } from "./Changes.js"
import { type Client, type ClientEnded, type ClientOptions, ConnectFailed } from "./Client.js"
import { ExpectationFailed } from "./ExpectationFailed.js"
import { receiving } from "./receiving.js"
import * as Words from "./Words.js"
import * as WsClient from "./WsClient.js"

/** What was refused, by the body if it is one of this package's. */
const refusalOf = (
  status: number,
  headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>,
  body: string
): HandshakeRefused => {
  const fields = new Map<string, unknown>()
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === "object" && parsed !== null)
      for (const [name, value] of Object.entries(parsed)) fields.set(name, value)
  } catch {
    // It isn't JSON.
  }
  const error = fields.get("error")
  const message = fields.get("message")
  return new HandshakeRefused({
    status,
    message: typeof message === "string" ? message : body,
    ...(typeof error === "string" ? { error } : {}),
    headers: Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
    )
  })
}

type Failure = HandshakeRefused | ConnectFailed

/** What is known of a connection of a client. */
class State {
  readonly received: Array<Message.Message> = []
  readonly story: Array<string> = []
  readonly changes = new Changes()
  local = ""
  subprotocol: string | undefined = undefined
  isOpen = false
  failure: Failure | undefined = undefined
  ended: ClientEnded | undefined = undefined

  get isOver(): boolean {
    return this.ended !== undefined
  }

  tell(line: string): void {
    this.story.push(line)
    this.changes.happened()
  }
}

const open = (url: string, options: ClientOptions, state: State): WsClient.WsClient => {
  const { compression = false, headers = {}, subprotocol = [] } = options
  const subprotocols = typeof subprotocol === "string" ? [subprotocol] : subprotocol
  return WsClient.connect(
    { url, headers, subprotocols, compression },
    {
      onOpen: (local, subprotocol) => {
        state.local = local
        state.subprotocol = subprotocol
        state.isOpen = true
        state.tell(`client: open to ${url}, from ${local}`)
      },
      onMessage: (data, isBinary) => {
        const message = isBinary ? Message.binary(data) : new Message.Message("Text", data)
        state.received.push(message)
        state.tell(`server: ${Words.ofMessage(message)}`)
      },
      onRefused: (status, headers, body) => (state.failure = refusalOf(status, headers, body)),
      onError: (why) => {
        state.failure ??= new ConnectFailed({ url, why })
        state.tell(`client: error: ${why}`)
      },
      onEnd: (code, reason) => {
        state.ended = { code: code === CloseCode.ABNORMAL ? null : code, reason }
        state.tell(
          code === CloseCode.ABNORMAL
            ? "server: end of TCP without a Close frame"
            : `server: ${Words.ofClose(code, reason)}`
        )
      }
    }
  )
}

const clientOf = (ws: WsClient.WsClient, state: State): Client => {
  const failed = (expected: string): Effect.Effect<never, ExpectationFailed> =>
    Effect.suspend(() => {
      const { ended, story } = state
      const seen =
        ended === undefined
          ? "that it is closing"
          : `the end of the connection: ${ended.code === null ? "no Close frame" : Words.ofClose(ended.code, ended.reason)}`
      return Effect.fail(new ExpectationFailed({ expected, seen, story: [...story] }))
    })
  const closing = (code: number | undefined, reason: string) => {
    if (!ws.isOpen()) return
    state.tell(`client: ${Words.ofClose(code ?? CloseCode.NO_STATUS, reason)}`)
    ws.close(code, reason)
  }
  return {
    local: state.local,
    subprotocol: state.subprotocol,
    send: (...messages) =>
      Effect.suspend(() => {
        if (!ws.isOpen()) return failed("a connection that the client can send on")
        for (const message of messages.map(Message.from)) {
          state.tell(`client: ${Words.ofMessage(message)}`)
          ws.send(message.bytes, message._tag === "Binary")
        }
        return Effect.void
      }),
    receive: receiving(state, failed("a message")),
    get received() {
      return [...state.received]
    },
    close: (code, reason = "") =>
      Effect.suspend(() => {
        if (code === undefined) return Effect.sync(() => closing(undefined, ""))
        return Effect.map(CloseCode.check(code, reason), () => closing(code, reason))
      }),
    vanish: Effect.sync(() => {
      if (state.ended === undefined) state.tell("client: end of TCP")
      ws.terminate()
    }),
    ended: Effect.suspend(() =>
      Effect.zipRight(
        state.changes.until(() => state.isOver),
        Effect.suspend(() =>
          state.ended === undefined
            ? Effect.dieMessage("an end without an ending")
            : Effect.succeed(state.ended)
        )
      )
    ),
    get story() {
      return [...state.story]
    }
  }
}

/**
 * Connects a real client, which goes away when the scope closes.
 *
 * Fails with the `HandshakeRefused` that the server answered: `status`, and `error` and `message` of its JSON body, or any
 * other body as the `message`. Fails with `ConnectFailed` when nobody listens, or the answer can't be read.
 *
 * @example
 * ```ts
 * import { echo, WebSocketServer } from "answerback"
 * import * as Testing from "answerback/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     const { webSocketUrl } = yield* WebSocketServer.WebSocketServer
 *     const client = yield* Testing.client(webSocketUrl)
 *     yield* client.send("hello")
 *     return (yield* client.receive).text
 *   })
 * ).pipe(Effect.provide(Testing.layerServer(echo)))
 * ```
 */
export const client = (
  url: string,
  options: ClientOptions = {}
): Effect.Effect<Client, HandshakeRefused | ConnectFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const state = new State()
      return { state, ws: open(url, options, state) }
    }),
    ({ state, ws }) =>
      Effect.suspend(() => {
        ws.terminate()
        return state.changes.until(() => state.isOver)
      })
  ).pipe(
    Effect.flatMap(({ state, ws }) =>
      Effect.zipRight(
        state.changes.until(() => state.isOpen || state.isOver),
        Effect.suspend((): Effect.Effect<Client, Failure> => {
          if (state.isOpen) return Effect.succeed(clientOf(ws, state))
          return Effect.fail(state.failure ?? new ConnectFailed({ url, why: "TCP ended without an answer" }))
        })
      )
    )
  )
