/**
 * The TCP connection itself: what has passed over it, and how it is broken off.
 */
import type { Socket } from "node:net"

/** What is asked of a TCP connection. */
export interface Wire {
  /** Bytes that the peer has sent: each is a sign of life. */
  readonly bytesRead: number
  /** Bytes that the kernel has taken to send. Grows as long as the peer makes room for more. */
  readonly bytesTaken: number
  /** Breaks it off with a reset (RFC 9293 section 3.5.2): what is buffered is dropped, here and in the kernel. */
  readonly reset: () => void
}

/**
 * What Node itself looks at to tell a slow write from a stuck one. Nothing public tells how much of a write the kernel
 * has taken: to count only whole writes would take a peer for stuck that reads one large message slowly.
 */
interface Handle {
  readonly bytesWritten?: unknown
  readonly writeQueueSize?: unknown
  /** 0 if the kernel knows of a peer. */
  readonly getpeername?: (name: object) => number
}

interface WithHandle {
  readonly _handle?: Handle | null
}

interface Reading {
  readonly _readableState?: { readonly ended?: boolean }
}

/**
 * Whether the peer has ended its side, or reset the connection. Node has no event for it before all is read: on a
 * socket that isn't read, never. Behind more than Node's own buffer takes, only a reset can be told.
 */
export const hasEnded = (socket: Socket & Reading & WithHandle): boolean =>
  socket._readableState?.ended === true || (socket._handle?.getpeername?.({}) ?? 0) !== 0

/** A TCP connection; with TLS it is the one under it, whose bytes pass however large the records are. */
export class TcpWire implements Wire {
  readonly #socket: Socket & WithHandle

  constructor(socket: Socket) {
    this.#socket = socket
  }

  get bytesRead(): number {
    return this.#socket.bytesRead
  }

  get bytesTaken(): number {
    const handle = this.#socket._handle
    const written = handle?.bytesWritten
    const queued = handle?.writeQueueSize
    return typeof written === "number" && typeof queued === "number"
      ? written - queued
      : this.#socket.bytesWritten - this.#socket.writableLength
  }

  reset(): void {
    this.#socket.resetAndDestroy()
  }
}
