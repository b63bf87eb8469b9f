/**
 * Who is told what becomes of connections, as it happens.
 */
import type { Connection } from "../connection/Connection.js"
import type { StopReason } from "../protocol/StopReason.js"

/** How a connection ended. */
export interface Ending {
  readonly reason: StopReason
  /** The close code that was sent or received. */
  readonly code: number | null
  /** From the handshake to the end of TCP. */
  readonly durationMs: number
  /** From the stop signal to the end of TCP. */
  readonly stopMs: number
}

/** Told synchronously, for each connection once and in this order. */
export interface Observer {
  readonly opened: (connection: Connection) => void
  readonly stopping?: (connection: Connection, reason: StopReason) => void
  readonly closed: (connection: Connection, ending: Ending) => void
}
