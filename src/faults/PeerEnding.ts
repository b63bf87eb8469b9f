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

  /**
   * The peer has ended the connection. What it said counts later if this side is silent; and whatever it did counts
   * after a fault that is to come before, since that is owed to messages which have been read and not been answered.
   */
  onEnding(reason: StopReason, isSilent: boolean, isOwing: boolean): void {
    const isSpoken = reason._tag === "PeerClosed" || reason._tag === "ProtocolError"
    if (isOwing || (isSilent && isSpoken)) {
      this.#withheld ??= reason
      return
    }
    this.isUnanswered = isSilent && this.#withheld !== undefined
    this.#tell(this.#withheld ?? reason)
  }

  /** Tells what was withheld, if anything was. */
  tellWithheld(): boolean {
    const withheld = this.#withheld
    this.#withheld = undefined
    if (withheld !== undefined) this.#tell(withheld)
    return withheld !== undefined
  }
}
