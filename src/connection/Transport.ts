/**
 * The wire under a connection, as its lifecycle sees it. One implementation speaks WebSocket over TCP or TLS.
 */
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import type { Message } from "../protocol/Message.js"
import type { StopReason } from "../protocol/StopReason.js"
import type { Wire } from "./Wire.js"

/** Whose transport it is, and its limits. */
export interface TransportOptions {
  readonly remote: string
  readonly wire: Wire
  /** Outbound bytes buffered before reading pauses. */
  readonly highWaterMark: number
  /** The largest message, in bytes. */
  readonly maxPayload: number
}

/** What a transport reports, synchronously and in the order of the wire. */
export interface TransportListener {
  /** The peer ends the connection. What it sent before can still be taken. */
  readonly onEnding: (reason: StopReason) => void
  /** The peer has sent a pong. */
  readonly onPong: (payload: string) => void
  /** The TCP connection is gone. */
  readonly onClosed: () => void
}

/** The wire under one connection. */
export interface Transport {
  /** Who the peer is: `address:port`, or its address alone if a proxy has told it. */
  readonly remote: string
  readonly wire: Wire
  /** Starts to report. Nothing is read before. */
  readonly attach: (listener: TransportListener) => void
  /** Waits for messages and takes all that have been read. Empty when there will be no more. */
  readonly take: Effect.Effect<ReadonlyArray<Message>>
  /** Whether messages wait to be taken. */
  readonly hasMessages: () => boolean
  /** Whether the peer is being read: not so while too much waits, inbound or outbound. */
  readonly isReading: () => boolean
  /** Outbound bytes that the kernel hasn't taken yet. */
  readonly bufferedBytes: () => number
  /** Writes messages as one batch. False if it was too late: a Close frame has been sent, or TCP is gone. */
  readonly write: (messages: Chunk.Chunk<Message>) => boolean
  /** Waits while more than the high-water mark is buffered, and no longer than until the connection ends. */
  readonly drained: Effect.Effect<void>
  /**
   * Ends the stream of messages after what has been read by now; what comes later is dropped. `drained` doesn't wait
   * any more for as much as it takes to answer that.
   */
  readonly seal: () => void
  /**
   * Sends the last frame, a Close frame (an empty one without a code), and reads on for the peer's. False if it was
   * too late: something else was the last, or TCP is gone.
   */
  readonly close: (code: number | undefined, reason: string) => boolean
  /** Sends a ping, unless it is too late. */
  readonly ping: (payload: string) => void
  /** Ends the sending side of TCP, after what was written. */
  readonly end: () => void
  /** Gives up the TCP connection, and what is buffered. */
  readonly destroy: () => void
  /** Gives up the TCP connection with a reset, so that the kernel keeps nothing for it either. */
  readonly reset: () => void
  /** Whether the TCP connection is gone. */
  readonly isClosed: () => boolean
  /** Waits until the TCP connection is gone. */
  readonly closed: Effect.Effect<void>
}
