/**
 * How the peer ends a connection on which something goes wrong.
 */
import { farewell, StopReason } from "../protocol/StopReason.js"

/** Tells how the peer has ended the connection, or keeps it to itself for a while. */
export class PeerEnding {
  readonly #tell: (reason: StopReason) => void
  #withheld: StopReason | undefined = undefined
  /** The peer was sent a bad frame: whatever it ends the connection with, that is why. */
  hasCorrupted = false
  /** The peer has spoken last, to a side that was silent until TCP had ended, and gets no answer any more. */
  isUnanswered = false

  constructor(tell: (reason: StopReason) => void) {
    this.#tell = (reason) =>
      tell(this.hasCorrupted ? StopReason.Fault({ kind: "corrupt", last: farewell(reason) }) : reason)
  }

  /** The peer has ended the connection. What it said counts later, if this side is silent. */
  onEnding(reason: StopReason, isSilent: boolean): void {
    const isSpoken = reason._tag === "PeerClosed" || reason._tag === "ProtocolError"
    if (isSilent && isSpoken) {
      this.#withheld ??= reason
      return
    }
    this.isUnanswered = this.#withheld !== undefined
    this.#tell(this.#withheld ?? reason)
  }

  /** Tells what was withheld, if anything was. */
  tellWithheld(): boolean {
    if (this.#withheld === undefined) return false
    this.#tell(this.#withheld)
    return true
  }
}
