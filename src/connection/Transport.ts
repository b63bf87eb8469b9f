/**
 * The wire under a connection, as its lifecycle sees it. One implementation speaks WebSocket over TCP or TLS.
 */
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import type { Inbox } from "./Inbox.js"
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
  /** The peer has sent a ping, and is to get a pong with the same payload (RFC 6455 section 5.5.2). */
  readonly onPing: (payload: Buffer) => void
  /** The peer has sent a pong. */
  readonly onPong: (payload: string) => void
  /** The TCP connection is gone. */
  readonly onClosed: () => void
}

/** Nothing to be remarked: the same object for all. */
export const NO_REMARKS: Transport["remarks"] = {}

/** The wire under one connection. */
export interface Transport {
  /** Who the peer is: `address:port`, or its address alone if a proxy has told it. */
  readonly remote: string
  readonly wire: Wire
  /** What is to stand in the log of its end, beside what stands there anyway. */
  readonly remarks: Readonly<Record<string, unknown>>
  /** Starts to report. Nothing is read before. */
  readonly attach: (listener: TransportListener) => void
  /** The messages that have been read. */
  readonly inbox: Inbox
  /** Waits for messages and takes all that have been read. Empty when there will be no more. */
  readonly take: Effect.Effect<ReadonlyArray<Message>>
  /** Whether messages wait to be taken. */
  readonly hasMessages: () => boolean
  /** Messages that were written, and the bytes of their payloads. */
  readonly messagesOut: number
  readonly bytesOut: number
  /** Whether the peer can be asked and heard: not so while too much waits, inbound or outbound. */
  readonly isHeard: () => boolean
  /** Whether this side has gone silent, as somebody had asked. */
  readonly isStalled: () => boolean
  /** Outbound bytes that wait. */
  readonly bufferedBytes: () => number
  /** Those of them that the kernel could take. */
  readonly untakenBytes: () => number
  /** The memory that they take, in bytes. */
  readonly outboundCost: () => number
  /** Writes messages as one batch. False if it was too late: a Close frame has been sent, or TCP is gone. */
  readonly write: (messages: Chunk.Chunk<Message>) => boolean
  /** Waits while more than the high-water mark is buffered, and no longer than until the connection ends. To be asked for when it is run. */
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
  /** Sends a pong, unless it is too late. */
  readonly pong: (payload: Buffer) => void
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

/** A transport as those see it who make it go wrong. */
export interface RawTransport extends Transport {
  /** Holds back from reading, whatever else there is to be read for; a Close frame that is sent ends that. */
  readonly hold: (isHeld: boolean) => void
  /** Whether the peer has ended its side of TCP, though not all before that has been read. */
  readonly hasPeerEnded: () => boolean
  /** Whether messages wait to be compressed: bytes that are written as they are would overtake them. */
  readonly isQueueing: () => boolean
  /** Writes bytes as they are, unless it is too late. */
  readonly writeRaw: (bytes: Uint8Array) => boolean
  /** Waits until the kernel has taken all that was written, and no longer than until the connection ends. */
  readonly flushed: Effect.Effect<void>
}
