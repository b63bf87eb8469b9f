/**
 * One WebSocket connection, as its handler sees it.
 */
import * as Headers from "@effect/platform/Headers"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as CloseCode from "../protocol/CloseCode.js"
import type { ConnectionId } from "../protocol/ConnectionId.js"
import * as Message from "../protocol/Message.js"
import { StopReason } from "../protocol/StopReason.js"
import { queryOf } from "../protocol/Target.js"
import { ConnectionClosed } from "./ConnectionClosed.js"
import { type Ending, signal, type StopOptions, stopReason } from "./StopOptions.js"
import { type About, pack, unpack } from "./About.js"
import * as MessageChannel from "./MessageChannel.js"
import type { StopSignal } from "./StopSignal.js"
import type { Transport } from "./Transport.js"

/** What a connection is made of. */
export interface ConnectionOptions {
  readonly id: ConnectionId
  readonly about: About
  readonly transport: Transport
  readonly stopSignal: StopSignal
  /** The time in milliseconds since 1970. */
  readonly now: () => number
  readonly ending: Ending
}

/**
 * One WebSocket connection, as its handler sees it.
 *
 * @example
 * ```ts
 * import type { Connection } from "answerback"
 * import { Effect, Stream } from "effect"
 *
 * export const countdown = (connection: Connection) =>
 *   Effect.gen(function* () {
 *     const from = Number(connection.query.get("from") ?? 10)
 *     yield* Stream.range(1, from).pipe(
 *       Stream.map((n) => String(from + 1 - n)),
 *       Stream.run(connection.sendAll)
 *     )
 *     yield* connection.close({ code: 1000, reason: "lift-off" })
 *   })
 * ```
 */
export class Connection {
  readonly id: ConnectionId
  /** `address:port` of the peer. */
  readonly remote: string
  /** The path that the peer asked for, without the query. */
  readonly path: string
  /** The subprotocol agreed on in the handshake (RFC 6455 section 1.9). */
  readonly subprotocol: string | undefined
  /** When the handshake was accepted, in milliseconds since 1970. */
  readonly openedAt: number
  /** Given when the connection is to end, with the reason. */
  readonly stopSignal: StopSignal
  #messagesIn = 0
  #bytesIn = 0
  #lastMessageAt: number | undefined = undefined
  #hasPulled = false
  readonly #target: string
  readonly #headers: string
  readonly #transport: Transport
  readonly #now: () => number
  readonly #ending: Ending

  /** @internal */
  constructor(options: ConnectionOptions) {
    this.id = options.id
    this.path = options.about.path
    this.subprotocol = options.about.subprotocol
    this.#target = options.about.target ?? ""
    this.#headers = pack(options.about.headers)
    this.remote = options.transport.remote
    this.openedAt = options.now()
    this.stopSignal = options.stopSignal
    this.#transport = options.transport
    this.#now = options.now
    this.#ending = options.ending
  }

  /** The query of the URL that the peer asked for. */
  get query(): URLSearchParams {
    return queryOf(this.#target)
  }

  /** The headers of the handshake, with names in lower case. */
  get headers(): Headers.Headers {
    return Headers.fromInput(unpack(this.#headers))
  }

  /** Messages that the handler has been handed. */
  get messagesIn(): number {
    return this.#messagesIn
  }

  /** Bytes of their payloads. */
  get bytesIn(): number {
    return this.#bytesIn
  }

  /** Messages that have been written. */
  get messagesOut(): number {
    return this.#transport.messagesOut
  }

  /** Bytes of their payloads. */
  get bytesOut(): number {
    return this.#transport.bytesOut
  }

  /** When the handler last got a message, in milliseconds since 1970; `undefined` before the first. */
  get lastMessageAt(): number | undefined {
    return this.#lastMessageAt
  }

  /**
   * Whether the handler has asked for messages.
   *
   * @internal
   */
  get hasPulled(): boolean {
    return this.#hasPulled
  }

  /**
   * What stands in the log of its end, beside what stands there anyway.
   *
   * @internal
   */
  get remarks(): Readonly<Record<string, unknown>> {
    return this.#transport.remarks
  }

  /** Whether it has gone silent, since a fault `stall` was asked for. */
  get isStalled(): boolean {
    return this.#transport.isStalled()
  }

  /** Outbound bytes that wait to be taken by the kernel. */
  get bufferedBytes(): number {
    return this.#transport.bufferedBytes()
  }

  /**
   * The messages of the peer, in order, in chunks of what was read together. Ends when the connection is to end,
   * after what was read by then: `stopSignal` tells why. What isn't pulled isn't read, but for a small buffer, and
   * TCP tells the peer to wait.
   *
   * A stream that is cut short, as by `Stream.take`, loses the rest of the chunk that it has been handed. For a first
   * message that is unlike the others, such as a token, there is `Stream.peel(connection.messages, Sink.head())`.
   */
  get messages(): Stream.Stream<Message.Message> {
    const channel = MessageChannel.make(this.#transport.take, (messages) => this.#count(messages))
    return Stream.fromChannel(
      Channel.suspend(() => {
        this.#hasPulled = true
        return channel
      })
    )
  }

  /** Goes on when there may be a message to pull, or when there will be none. @internal */
  afterArrival<A, E, R>(next: (isAny: boolean) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.async((resume) => {
      this.#hasPulled = true
      this.#transport.inbox.onceSo(() => resume(Effect.suspend(() => next(this.#transport.inbox.hasNext))))
    })
  }

  #count(messages: ReadonlyArray<Message.Message>): void {
    this.#messagesIn += messages.length
    for (const { size } of messages) this.#bytesIn += size
    this.#lastMessageAt = this.#now()
  }

  /**
   * Sends a message: a string as text, bytes as binary. Waits while more than the high-water mark of outbound bytes
   * is buffered.
   *
   * Fails with `ConnectionClosed` when it is too late: the Close frame has been sent, or the peer is gone.
   */
  send(message: Message.Sendable): Effect.Effect<void, ConnectionClosed> {
    return this.sendChunk(Chunk.of(Message.from(message)))
  }

  /** Sends messages as one batch, in order; otherwise like `send`. */
  sendChunk(messages: Chunk.Chunk<Message.Message>): Effect.Effect<void, ConnectionClosed> {
    return Effect.suspend(() => this.sendNow(messages))
  }

  /**
   * Sends messages as one batch, now, and gives what is to be waited for then.
   *
   * @internal
   */
  sendNow(messages: Chunk.Chunk<Message.Message>): Effect.Effect<void, ConnectionClosed> {
    if (!this.#transport.write(messages)) return Effect.fail(new ConnectionClosed({ connection: this.id }))
    return this.#transport.drained
  }

  /**
   * A sink that sends what it is given: `Stream.run(answers, connection.sendAll)`. A chunk is one batch, and the stream
   * waits while more than the high-water mark of outbound bytes is buffered.
   *
   * Fails with `ConnectionClosed` like `send`.
   */
  get sendAll(): Sink.Sink<void, Message.Sendable, never, ConnectionClosed> {
    return Sink.forEachChunk((messages: Chunk.Chunk<Message.Sendable>) =>
      this.sendChunk(Chunk.map(messages, Message.from))
    )
  }

  /**
   * Sends messages as one batch and waits for nothing: not at all if it is stopping, or what waits already takes more
   * than so many bytes of memory.
   *
   * @internal
   */
  offer(messages: Chunk.Chunk<Message.Message>, limit: number): "sent" | "full" | "closed" {
    if (this.stopSignal.reason !== undefined) return "closed"
    if (this.#transport.outboundCost() > limit) return "full"
    return this.#transport.write(messages) ? "sent" : "closed"
  }

  /**
   * Stops this connection, unless it is stopping already: what has been read is still handed to the handler, if it has
   * asked for messages (or else it is interrupted), then the peer gets a Close frame. Doesn't wait for that.
   *
   * Fails with `InvalidClose` if the code or the reason can't be sent (RFC 6455 sections 5.5 and 7.4).
   */
  stop(options?: StopOptions): Effect.Effect<void, CloseCode.InvalidClose> {
    return Effect.map(stopReason(options), (reason) => {
      this.#ending.stop(reason)
    })
  }

  /**
   * Closes this connection, unless it is stopping already: the peer gets a Close frame behind what has been sent, by
   * default with 1000 and no reason. What has been read and not been taken is dropped, `messages` ends, and the handler
   * may go on for as long as the close timeout. Doesn't wait for the peer.
   *
   * Fails with `InvalidClose` if the code or the reason can't be sent (RFC 6455 sections 5.5 and 7.4).
   */
  close(options: StopOptions = {}): Effect.Effect<void, CloseCode.InvalidClose> {
    return Effect.map(signal(options.code ?? CloseCode.NORMAL, options.reason ?? ""), (reason) => {
      this.#ending.close(reason)
    })
  }

  /**
   * Gives up this connection with a TCP reset, unless it is stopping already: no Close frame, what is buffered is lost,
   * and the handler is interrupted. It counts as a `StopSignal` whose code is 1006, which no peer is ever sent (RFC 6455
   * section 7.4.1).
   */
  get reset(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#ending.stop(StopReason.StopSignal({ code: CloseCode.ABNORMAL, reason: "" }))
    })
  }

  /** Gives up this connection, whose peer doesn't take what it is sent, with a TCP reset. @internal */
  get dropSlow(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#ending.stop(StopReason.SlowConsumer())
    })
  }
}
