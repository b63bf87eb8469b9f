/**
 * One WebSocket connection, as its handler sees it.
 */
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CloseCode from "../protocol/CloseCode.js"
import type { ConnectionId } from "../protocol/ConnectionId.js"
import * as Message from "../protocol/Message.js"
import { StopReason } from "../protocol/StopReason.js"
import type { StopSignal } from "./StopSignal.js"
import type { Transport } from "./Transport.js"

/** Something was to be sent on a connection that has said its last word, or whose peer is gone. */
export class ConnectionClosed extends Data.TaggedError("ConnectionClosed")<{
  readonly connection: ConnectionId
}> {
  override get message(): string {
    return `connection ${this.connection} is closed: nothing can be sent on it any more`
  }
}

/** What a handler does with a connection. Its resources live in the connection's scope. */
export type Handler<E = never, R = never> = (
  connection: Connection
) => Effect.Effect<void, E, R | Scope.Scope>

/** What a connection is made of. */
export interface ConnectionOptions {
  readonly id: ConnectionId
  readonly path: string
  readonly subprotocol: string | undefined
  readonly transport: Transport
  readonly stopSignal: StopSignal
  /** The time in milliseconds since 1970. */
  readonly now: () => number
  /** Stops the connection, unless it is stopping already. */
  readonly stop: (reason: StopReason) => boolean
}

/** What a stop from a program or an operator may say. */
export interface StopOptions {
  /** The close code, by default 1001. */
  readonly code?: number | undefined
  /** The close reason, by default `connection interrupted`; at most 123 bytes of UTF-8. */
  readonly reason?: string | undefined
}

/** The reason of a stop from a program or an operator, if its code and reason can be sent. */
export const stopReason = (options: StopOptions = {}): Either.Either<StopReason, CloseCode.InvalidClose> =>
  Either.map(
    CloseCode.check(options.code ?? CloseCode.GOING_AWAY, options.reason ?? "connection interrupted"),
    StopReason.StopSignal
  )

/** One WebSocket connection, as its handler sees it. */
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
  /** Counted as messages are handed to the handler, and payload bytes with them. */
  messagesIn = 0
  bytesIn = 0
  /** When the handler last got a message, in milliseconds since 1970; `undefined` before the first. */
  lastMessageAt: number | undefined = undefined
  /** Whether the handler has asked for messages. */
  hasPulled = false
  readonly #transport: Transport
  readonly #now: () => number
  readonly #stop: (reason: StopReason) => boolean

  constructor(options: ConnectionOptions) {
    this.id = options.id
    this.path = options.path
    this.subprotocol = options.subprotocol
    this.remote = options.transport.remote
    this.openedAt = options.now()
    this.stopSignal = options.stopSignal
    this.#transport = options.transport
    this.#now = options.now
    this.#stop = options.stop
  }

  /** Counted as messages are written, and payload bytes with them. */
  get messagesOut(): number {
    return this.#transport.messagesOut
  }

  get bytesOut(): number {
    return this.#transport.bytesOut
  }

  /** What stands in the log of its end, beside what stands there anyway. */
  get remarks(): Readonly<Record<string, unknown>> {
    return this.#transport.remarks
  }

  /** Whether it has gone silent, as somebody had asked. */
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
   */
  get messages(): Stream.Stream<Message.Message> {
    return Stream.fromChannel(this.#source)
  }

  // A channel by hand: a pull costs half of what it does with the ready-made stream constructors.
  get #source(): Channel.Channel<Chunk.Chunk<Message.Message>, unknown, never, unknown, void> {
    const take = Channel.fromEffect(this.#transport.take)
    const loop: Channel.Channel<
      Chunk.Chunk<Message.Message>,
      unknown,
      never,
      unknown,
      void
    > = Channel.flatMap(take, (messages) => {
      if (messages.length === 0) return Channel.void
      this.#count(messages)
      return Channel.flatMap(Channel.write(Chunk.unsafeFromArray(messages)), () => loop)
    })
    return Channel.suspend(() => {
      this.hasPulled = true
      return loop
    })
  }

  #count(messages: ReadonlyArray<Message.Message>): void {
    this.messagesIn += messages.length
    for (const message of messages) this.bytesIn += message.bytes.length
    this.lastMessageAt = this.#now()
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
    return Effect.suspend(() => {
      if (!this.#transport.write(messages)) return Effect.fail(new ConnectionClosed({ connection: this.id }))
      return this.#transport.drained
    })
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
   * Stops this connection, unless it is stopping already: what has been read is still handed to the handler, then
   * the peer gets a Close frame. Doesn't wait for that.
   *
   * Fails with `InvalidClose` if the code or the reason can't be sent (RFC 6455 sections 5.5 and 7.4).
   */
  stop(options?: StopOptions): Effect.Effect<void, CloseCode.InvalidClose> {
    return Effect.map(stopReason(options), (reason) => {
      this.#stop(reason)
    })
  }
  /**
   * Gives up this connection, whose peer doesn't take what it is sent, with a TCP reset.
   *
   * @internal
   */
  get dropSlow(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#stop(StopReason.SlowConsumer())
    })
  }
}
