/**
 * A transport without a socket: the test is the peer and the kernel, and sees what is done to the connection.
 */
import type * as Effect from "effect/Effect"
import type { RawTransport } from "../../src/connection/Transport.js"
import * as Message from "../../src/protocol/Message.js"
import type { Action } from "../../src/testing/Action.js"
import * as Testing from "../../src/testing/MemoryTransport.js"

/** How the peer and the kernel behave. */
export interface MemoryTransportOptions {
  readonly remote?: string
  /** Whether the peer answers a Close frame, or the end of TCP, so that TCP is closed; by default it does. */
  readonly answersClose?: boolean
  /** Outbound bytes that are buffered before writing waits, by default 10. */
  readonly highWaterMark?: number
  /** Called with each thing that is done to the connection. */
  readonly onAction?: (action: Action) => void
}

/** A transport in memory, as those need it who make it go wrong. What the peer does is read at once, whatever waits. */
export class MemoryTransport extends Testing.MemoryTransport implements RawTransport {
  /** What was done to the connection, in order. */
  readonly actions: Array<Action>
  /** The peer isn't read, or is again. */
  isHeld = false
  /** Whether the peer has ended its side of TCP, unread. */
  isEnded = false

  constructor(options: MemoryTransportOptions = {}) {
    const { answersClose = true, highWaterMark = 10, onAction, remote = "192.0.2.1:50000" } = options
    const actions: Array<Action> = []
    super({
      remote,
      highWaterMark,
      maxPayload: Number.POSITIVE_INFINITY,
      onAction: (action) => {
        actions.push(action)
        onAction?.(action)
        if (answersClose && (action._tag === "close" || action._tag === "end"))
          queueMicrotask(() => this.socketCloses())
      }
    })
    this.actions = actions
  }

  // What the test sees.

  /** The messages that were written, as text. */
  get written(): ReadonlyArray<string> {
    return this.actions.flatMap((action) =>
      action._tag === "write" ? action.messages.map(({ text }) => text) : []
    )
  }

  /** The last words: Close frames as `close 1001 words`, and `end`, `destroy`. */
  get lastWords(): ReadonlyArray<string> {
    return this.actions.flatMap((action) => {
      switch (action._tag) {
        case "close":
          return [
            ["close", action.code, action.reason]
              .filter((part) => part !== undefined && part !== "")
              .join(" ")
          ]
        case "end":
        case "destroy":
        case "reset":
          return [action._tag]
        case "ping":
        case "pong":
        case "raw":
        case "seal":
        case "write":
          return []
      }
    })
  }

  /**
   * One read brings these messages.
   *
   * @returns whether they were taken in: after the end nothing is.
   */
  deliver(...texts: ReadonlyArray<string>): boolean {
    if (this.inbox.isOver || this.listener === undefined) return false
    this.peerSays(texts.map(Message.text))
    return true
  }

  // What those ask for who make it go wrong.

  protected override get isReading(): boolean {
    return true
  }

  override isHeard(): boolean {
    return !this.isHeld
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld
  }

  hasPeerEnded(): boolean {
    return this.isEnded
  }

  isQueueing(): boolean {
    return false
  }

  writeRaw(bytes: Uint8Array): boolean {
    return this.act({ _tag: "raw", bytes: Buffer.from(bytes) })
  }

  get flushed(): Effect.Effect<void> {
    return this.outbox.flushed
  }
}
