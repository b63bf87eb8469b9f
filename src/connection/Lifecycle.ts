/**
 * The life of a connection: a scoped fiber runs the handler, the stop signal ends it, and the scope's finalizer has
 * the last word on the wire.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as CloseCode from "../protocol/CloseCode.js"
import { codeOf, farewell, StopReason } from "../protocol/StopReason.js"
import { Connection, type ConnectionOptions } from "./Connection.js"
import type { Deadline, Deadlines } from "./Deadlines.js"
import { failed, type Handle, isExpected } from "./Handler.js"
import type { Log } from "./Log.js"
import type { Monotonic } from "./Monotonic.js"
import type * as OwnScope from "./OwnScope.js"
import { StopSwitch } from "./StopSignal.js"
import type { Transport, TransportListener } from "./Transport.js"
import { Watch, type WatchOptions } from "./Watch.js"

/** What the life of one connection is given. Not kept: it would be a good part of what an idle connection costs. */
export interface LifecycleOptions extends Omit<ConnectionOptions, "ending" | "now" | "stopSignal"> {
  readonly log: Log
  /** Which part of the jitter of lifetimes it gets, between -1 and 1. */
  readonly jitter: number
}

/** What the lives of connections share. */
export interface SharedOptions extends Pick<ConnectionOptions, "now"> {
  /** As far away as a handler may go on with what was read before the stop, and then the peer with its Close frame. */
  readonly deadlines: Deadlines
  /** What it is watched for. */
  readonly watch: WatchOptions
  /** A clock that only goes on. */
  readonly elapsed: Monotonic
  /** Called once, when the connection begins to end. */
  readonly onStopping: (life: Lifecycle, reason: StopReason) => void
  /** Called once, when the last word has been said. */
  readonly onFarewell: (life: Lifecycle, reason: StopReason) => void
  /** Called once, when the TCP connection is gone, with the close code that was sent or received. */
  readonly onClosed: (life: Lifecycle, reason: StopReason, code: number | null) => void
}

/** The life of one connection. */
export class Lifecycle implements TransportListener, OwnScope.Owner {
  readonly connection: Connection
  readonly log: Log
  /** When it began, by the clock that only goes on. */
  readonly startedAt: number
  readonly #signal = new StopSwitch()
  readonly #transport: Transport
  readonly #options: SharedOptions
  readonly #watcher: Watch
  #fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined = undefined
  /** How long the handler may take, and then the peer. */
  #deadline: Deadline | undefined = undefined
  #patience: Deadline | undefined = undefined
  #isReleasing = false
  #isLeaving = false
  #hasLeft = false
  #isOver = false
  #handlerCause: Cause.Cause<unknown> = Cause.empty
  /** The close code that was sent or received. */
  #code: number | null = null

  constructor(shared: SharedOptions, { about, id, jitter, log, transport }: LifecycleOptions) {
    this.log = log
    this.#options = shared
    this.#transport = transport
    this.connection = new Connection({
      id,
      about,
      transport,
      now: shared.now,
      stopSignal: this.#signal,
      ending: this
    })
    this.startedAt = shared.elapsed()
    this.#watcher = new Watch(this.connection, transport, shared.watch, this.startedAt, jitter)
    this.#transport.attach(this)
  }

  onPing(payload: Buffer): void {
    this.#transport.pong(payload)
  }

  onPong(payload: string): void {
    this.#watcher.onPong(this.#options.elapsed(), payload)
  }

  onEnding(reason: StopReason): void {
    this.stop(reason)
  }

  onClosed(): void {
    // There is nobody left to answer, and the ending counts now, whatever the handler still has to release.
    if (!this.#isLeaving) this.#leaveNow()
    this.#finish()
  }

  /**
   * Ends the connection, unless it is ending already: the first reason wins. Synchronous, and at once: nothing more
   * is read. A handler that reads messages sees them end after those that had been read, and has the close timeout to
   * come to its own end; then it is interrupted. One that hasn't asked for messages is interrupted now.
   *
   * @returns whether this call ended it.
   */
  stop(reason: StopReason): boolean {
    if (!this.#begin(reason)) return false
    if (farewell(reason)._tag === "Reset") {
      this.#leaveNow()
      this.#transport.reset()
      return true
    }
    if (this.#transport.isClosed() || !this.connection.hasPulled) this.#interrupt()
    this.#watch()
    return true
  }

  /**
   * Ends the connection with its last word, without waiting for the handler, unless it is ending already. The handler,
   * which may have asked for it, has the close timeout to come to its own end.
   *
   * @returns whether this call ended it.
   */
  close(reason: StopReason): boolean {
    if (!this.#begin(reason)) return false
    this.#leave()
    this.#deadline = this.#options.deadlines.set(() => this.#fiber?.unsafeInterruptAsFork(FiberId.none))
    return true
  }

  /** Ends the connection without waiting for anyone: the last word is sent if it wasn't, and TCP is destroyed. */
  kill(reason: StopReason): void {
    this.#begin(reason)
    this.#leaveNow()
    // Also one that goes on after it has closed its connection.
    this.#fiber?.unsafeInterruptAsFork(FiberId.none)
    this.#transport.destroy()
  }

  /** Looks whether it has to end, for what its peer does or doesn't. To be called again and again. */
  look(now: number): void {
    if (this.#signal.reason !== undefined) return
    const reason = this.#watcher.check(now)
    if (reason !== undefined) this.stop(reason)
  }

  /** Runs the handler in a fiber, which ends when the TCP connection is gone and the handler's resources are released. */
  begin<E, R>(handle: Handle<E, R>, fork: OwnScope.Fork<R>): Fiber.RuntimeFiber<void> {
    return fork(() => handle(this.connection), this)
  }

  onBegun(fiber: Fiber.RuntimeFiber<unknown, unknown>): void {
    this.#fiber = fiber
  }

  #begin(reason: StopReason): boolean {
    if (!this.#signal.give(reason)) return false
    this.#transport.seal()
    this.#options.onStopping(this, reason)
    return true
  }

  /** Leaves without the handler: one that can't be interrupted must not keep the ending from being counted. */
  #leaveNow(): void {
    this.#interrupt()
    this.#leave()
  }

  #interrupt(): void {
    if (!this.#isLeaving) this.#fiber?.unsafeInterruptAsFork(FiberId.none)
  }

  /** How the handler has ended is why the connection ends, unless it was ending: its resources don't decide that. */
  onEnded(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> | undefined {
    const isStopped = this.#signal.reason !== undefined
    this.#isReleasing = true
    if (!isStopped) {
      this.#deadline = this.#options.deadlines.set(() => this.#leave())
      this.#begin(
        Exit.isFailure(exit)
          ? StopReason.HandlerFailed({ cause: exit.cause })
          : StopReason.StopSignal({ code: CloseCode.NORMAL, reason: "" })
      )
    }
    if (Exit.isSuccess(exit)) return undefined
    this.#handlerCause = exit.cause
    return isStopped && isExpected(exit.cause) ? undefined : this.#report(exit.cause)
  }

  #report(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    return failed(cause, this.connection.id)
  }

  /** What failed in the release of what the handler had acquired; how the handler itself ended has been reported. */
  onReleaseFailed(cause: Cause.Cause<unknown>): Effect.Effect<void> {
    const known = new Set(Cause.defects(this.#handlerCause))
    const defects = [...Cause.defects(cause)].filter((defect) => !known.has(defect))
    return Effect.forEach(defects, (defect) => this.#report(Cause.die(defect)), { discard: true })
  }

  get #reason(): StopReason {
    return this.#signal.reason ?? StopReason.PeerVanished()
  }

  /** Says the last word, and waits until the connection is over. */
  release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#leave()
      return this.#transport.closed
    })
  }

  /** Says the last word, unless it is said, and sees to it that TCP is closed in time. */
  #leave(): void {
    this.#deadline?.cancel()
    if (this.#isLeaving) return
    this.#isLeaving = true
    // Said before it is told of: whoever asked for the stop waits for what its peer sees.
    this.#sayFarewell()
    this.#options.onFarewell(this, this.#reason)
    this.#hasLeft = true
    if (this.#transport.isClosed()) this.#finish()
    else this.#patience = this.#options.deadlines.set(() => this.#transport.destroy())
  }

  /** TCP is gone: that is told of once, behind the farewell. */
  #finish(): void {
    this.#patience?.cancel()
    if (!this.#hasLeft || this.#isOver) return
    this.#isOver = true
    this.#options.onClosed(this, this.#reason, this.#code)
  }

  #sayFarewell(): void {
    const reason = this.#signal.reason
    if (reason === undefined) return
    const last = farewell(reason)
    if (last._tag === "End") this.#transport.end()
    else if (last._tag === "Reset") this.#transport.reset()
    // A code that came counts, even if nobody is there any more to have it back.
    else if (this.#transport.close(last.code, last.reason) || reason._tag === "PeerClosed")
      this.#code = codeOf(reason)
  }

  /** Ends a connection whose handler doesn't end by itself, and at last one whose handler can't be interrupted. */
  #watch(): void {
    this.#deadline = this.#options.deadlines.set(() => {
      if (this.#isReleasing) return this.#leave()
      this.#interrupt()
      this.#deadline = this.#options.deadlines.set(() => this.#leave())
    })
  }
}
