/**
 * The peer of a connection without a socket, in the hands of a test.
 */
import type * as Effect from "effect/Effect"
import type { StopOptions } from "../connection/StopOptions.js"
import type { InvalidClose } from "../protocol/CloseCode.js"
import type { ConnectionId, ConnectionNotFound } from "../protocol/ConnectionId.js"
import type { Message, Sendable } from "../protocol/Message.js"
import type { ConnectionInfo } from "../registry/ConnectionInfo.js"
import type { Ended } from "./Endings.js"
import type { ExpectationFailed } from "./ExpectationFailed.js"

/**
 * What a peer does by itself.
 *
 * @example
 * ```ts
 * import { echo } from "answerback"
 * import * as Testing from "answerback/testing"
 *
 * const dead: Testing.Manners = { answersPings: false, answersClose: false }
 * export const peer = Testing.connect(echo, { ...dead, heartbeatInterval: "10 seconds" })
 * ```
 */
export interface Manners {
  /** Whether it answers pings, by default it does. */
  readonly answersPings?: boolean
  /** Whether it answers a Close frame, and the end of TCP, by default it does. */
  readonly answersClose?: boolean
}

/**
 * Who connects, and what for.
 *
 * @example
 * ```ts
 * import * as Testing from "answerback/testing"
 *
 * export const browser: Testing.PeerOptions = {
 *   target: "/chat?room=lobby",
 *   headers: { origin: "https://example.com", authorization: "Bearer TOKEN" },
 *   subprotocol: "chat.v1",
 *   remote: "203.0.113.7:50000"
 * }
 * ```
 */
export interface PeerOptions extends Manners {
  /** The path and the query that it asks for, by default `/`. */
  readonly target?: string
  /** Headers of the handshake, beside those that every handshake has. */
  readonly headers?: Readonly<Record<string, string>>
  /** The subprotocols that it offers: the connection has the first that the endpoint has too. By default none. */
  readonly subprotocol?: string | ReadonlyArray<string>
  /** `address:port` of the peer, by default 192.0.2.1 with a port for each. */
  readonly remote?: string
}

/**
 * How a connection without a socket has ended: why, and what its peer saw of it.
 *
 * @example
 * ```ts
 * import { echo, StopReason } from "answerback"
 * import * as Testing from "answerback/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     const peer = yield* Testing.connect(echo)
 *     yield* peer.stop({ code: 4000, reason: "bye" })
 *     const { closeFrame, reason, tcp }: Testing.PeerEnded = yield* peer.ended
 *     return { closeFrame, tcp, isStop: StopReason.$is("StopSignal")(reason) }
 *   })
 * )
 * ```
 */
export interface PeerEnded extends Ended {
  /** The Close frame that came; `code` is 1005 if it was empty. */
  readonly closeFrame: { readonly code: number; readonly reason: string } | undefined
  /** How TCP ended. */
  readonly tcp: "end" | "reset"
}

/**
 * The peer of a connection without a socket. What it does arrives at once, and is read by the server as from a socket: in
 * order, with back-pressure, within the limits. When its scope closes it goes away with a TCP reset.
 *
 * @example
 * ```ts
 * import { echo } from "answerback"
 * import * as Testing from "answerback/testing"
 * import { Effect } from "effect"
 *
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     const peer: Testing.Peer = yield* Testing.connect(echo)
 *     yield* peer.send("one", "two")
 *     const first = yield* peer.receive
 *     yield* peer.close(1000)
 *     yield* Testing.expectStop(peer, "PeerClosed")
 *     return [first.text, ...peer.received.map(({ text }) => text)]
 *   })
 * )
 * ```
 */
export interface Peer {
  /** The name of its connection at the server. */
  readonly id: ConnectionId
  /** The subprotocol agreed on. */
  readonly subprotocol: string | undefined

  /** Sends messages, all of which one read brings. Fails if the connection has ended, or the peer has closed it. */
  readonly send: (...messages: ReadonlyArray<Sendable>) => Effect.Effect<void, ExpectationFailed>
  /** Waits for the next message of the server, and takes it. Fails when the connection ends instead. */
  readonly receive: Effect.Effect<Message, ExpectationFailed>
  /** All messages that have come so far, whether they were taken or not. */
  readonly received: ReadonlyArray<Message>
  /** Sends a Close frame, an empty one without a code. Fails if it is one that can't be sent. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void, InvalidClose>
  /** Goes away without a Close frame: TCP ends, or is reset. */
  readonly vanish: (how?: "end" | "reset") => Effect.Effect<void>
  /** Reads nothing more: the server's kernel takes no more bytes. (A real one would take some for a while.) */
  readonly pauseReading: Effect.Effect<void>
  /** Reads what was sent meanwhile, and what comes. */
  readonly resumeReading: Effect.Effect<void>
  /** Sends a ping, and waits for the pong. Fails when the connection ends instead. */
  readonly ping: (payload?: string) => Effect.Effect<void, ExpectationFailed>
  /** From now on it does this by itself, or doesn't. */
  readonly behave: (manners: Manners) => Effect.Effect<void>

  /** Stops the connection, as an operator does: see `Connections.stop`. */
  readonly stop: (options?: StopOptions) => Effect.Effect<void, ConnectionNotFound | InvalidClose>
  /** Shuts the server down, and waits until it is. */
  readonly shutdown: Effect.Effect<void>

  /** What the server knows of the connection, at its end if it has ended. */
  readonly info: Effect.Effect<ConnectionInfo>
  /** Bytes that the peer has sent and the server hasn't read, since its handler doesn't pull or its sending is stuck. */
  readonly unreadBytes: number
  /** Waits until the connection has ended, and what its handler had acquired is released. */
  readonly ended: Effect.Effect<PeerEnded>
  /** What has happened so far, a line each. */
  readonly story: ReadonlyArray<string>
}
