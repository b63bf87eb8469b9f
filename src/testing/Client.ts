/**
 * A real client, as a test has it in its hands.
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { InvalidClose } from "../protocol/CloseCode.js"
import type { Message, Sendable } from "../protocol/Message.js"
import type { ExpectationFailed } from "./ExpectationFailed.js"

/**
 * There is no connection: nobody listens there, or what came was no answer.
 *
 * @example
 * ```ts
 * import * as Testing from "answerback/testing"
 * import { Effect } from "effect"
 *
 * export const isUp = Testing.client("ws://127.0.0.1:8080/echo").pipe(
 *   Effect.as(true),
 *   Effect.catchTag("ConnectFailed", (failure: Testing.ConnectFailed) =>
 *     Effect.as(Effect.logInfo(failure.message), false)
 *   ),
 *   Effect.scoped
 * )
 * ```
 */
export class ConnectFailed extends Data.TaggedError("ConnectFailed")<{
  readonly url: string
  readonly why: string
}> {
  override get message(): string {
    return `cannot connect to ${this.url}: ${this.why}`
  }
}

/**
 * How a client connects.
 *
 * @example
 * ```ts
 * import * as Testing from "answerback/testing"
 *
 * export const options: Testing.ClientOptions = {
 *   headers: { authorization: "Bearer TOKEN" },
 *   subprotocol: ["chat.v2", "chat.v1"]
 * }
 * ```
 */
export interface ClientOptions {
  /** Headers of the handshake, beside those that every handshake has. */
  readonly headers?: Readonly<Record<string, string>>
  /** The subprotocols that it offers, by default none. */
  readonly subprotocol?: string | ReadonlyArray<string>
  /** Whether it offers permessage-deflate (RFC 7692), by default not. */
  readonly compression?: boolean
}

/**
 * How a connection has ended, as its client saw it.
 *
 * @example
 * ```ts
 * import type * as Testing from "answerback/testing"
 *
 * export const mayComeBack = ({ code }: Testing.ClientEnded) => code === 1001 || code === 1012
 * ```
 */
export interface ClientEnded {
  /** The close code: 1005 after an empty Close frame, `null` where TCP ended without one. */
  readonly code: number | null
  readonly reason: string
}

/**
 * A real client on a real socket. When its scope closes it goes away without a Close frame.
 *
 * @example
 * ```ts
 * import * as Testing from "answerback/testing"
 * import { Effect } from "effect"
 *
 * export const greet = (client: Testing.Client) =>
 *   Effect.gen(function* () {
 *     yield* client.send("hello")
 *     const answer = yield* client.receive
 *     yield* client.close(1000, "that is all")
 *     return { answer: answer.text, ended: yield* client.ended }
 *   })
 * ```
 */
export interface Client {
  /** `address:port` of this side, which is the `remote` of its connection at the server. */
  readonly local: string
  /** The subprotocol agreed on. */
  readonly subprotocol: string | undefined
  /** Sends messages. Fails if the connection has ended, or is closing. */
  readonly send: (...messages: ReadonlyArray<Sendable>) => Effect.Effect<void, ExpectationFailed>
  /** Waits for the next message of the server, and takes it. Fails when the connection ends instead. */
  readonly receive: Effect.Effect<Message, ExpectationFailed>
  /** All messages that have come so far, whether they were taken or not. */
  readonly received: ReadonlyArray<Message>
  /** Begins the close handshake, with an empty Close frame if there is no code. Fails if it is one that can't be sent. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void, InvalidClose>
  /** Goes away without a Close frame. */
  readonly vanish: Effect.Effect<void>
  /** Waits until the connection has ended. */
  readonly ended: Effect.Effect<ClientEnded>
  /** What has happened so far, a line each. */
  readonly story: ReadonlyArray<string>
}
