/**
 * What a connection is watched for: a peer that is dead, slow or idle, and an age that is too high.
 *
 * Nothing here waits. All connections of a server are looked at in turn, a few times a second, by one fiber with one
 * timer (see `registry/Sweep`): ten thousand of them would otherwise have tens of thousands of timers, each set anew
 * with every message.
 */
import { StopReason } from "../protocol/StopReason.js"
import type { Connection } from "./Connection.js"
import { Heartbeat } from "./Heartbeat.js"
import type { Transport } from "./Transport.js"

/** Lengths of time in milliseconds; infinite for never. */
export interface WatchOptions {
  /** Quiet time after which the peer is pinged. */
  readonly heartbeatInterval: number
  /** How long after a ping without a byte it is dead. */
  readonly heartbeatTimeout: number
  /** How long no message may come or go. */
  readonly idleTimeout: number
  /** How old a connection may become, about: each gets up to a tenth more or less. */
  readonly maxLifetime: number
  /** How long the kernel may take nothing of what is to be sent. */
  readonly sendTimeout: number
}

/** How much the ages that connections reach differ, so that a fleet of clients doesn't come back all at once. */
export const LIFETIME_JITTER = 0.1

/** The longest that a connection isn't looked at, and the shortest, in milliseconds. */
const SELDOM = 250
const OFTEN = 10

/** How often to look, in milliseconds: as often as the shortest time asks for. Infinite if there is nothing to look for. */
export const intervalOf = (options: WatchOptions): number => {
  const { heartbeatInterval, heartbeatTimeout, idleTimeout, maxLifetime, sendTimeout } = options
  // Closes that fall into the same look come together: the spread of lifetimes needs finer ones.
  const shortest = Math.min(heartbeatInterval, idleTimeout, maxLifetime / 10, sendTimeout)
  return Number.isFinite(shortest)
    ? Math.max(OFTEN, Math.min(SELDOM, shortest / 8, heartbeatTimeout / 8))
    : shortest
}

/** Looks at one connection. Times are in milliseconds by a clock that only goes on. */
export class Watch {
  readonly #connection: Connection
  readonly #transport: Transport
  /** Idle is a connection without messages: none came or went, none waits to be handled or to be taken. */
  readonly #idleTimeout: number
  readonly #sendTimeout: number
  readonly #endOfLife: number
  readonly #heartbeat: Heartbeat | undefined
  #messages = 0
  #activeAt: number
  #bytesTaken = 0
  #movedAt: number
  #wasFull = false

  /** @param jitter between -1 and 1: which part of the jitter of lifetimes this one gets. */
  constructor(
    connection: Connection,
    transport: Transport,
    options: WatchOptions,
    now: number,
    jitter: number
  ) {
    this.#connection = connection
    this.#transport = transport
    this.#idleTimeout = options.idleTimeout
    this.#sendTimeout = options.sendTimeout
    this.#endOfLife = now + options.maxLifetime * (1 + LIFETIME_JITTER * jitter)
    this.#activeAt = now
    this.#movedAt = now
    this.#heartbeat = Number.isFinite(options.heartbeatInterval)
      ? new Heartbeat(options.heartbeatInterval, options.heartbeatTimeout, now)
      : undefined
  }

  /** Tells why the connection is to end now, if it is. May ping the peer. */
  check(now: number): StopReason | undefined {
    const isFull = this.#transport.untakenBytes() > 0
    const messages = this.#connection.messagesIn + this.#connection.messagesOut
    const isQuiet = messages === this.#messages
    this.#messages = messages
    // To ask the kernel is what a look costs most: not of a connection on which nothing was said. A pong is seen later.
    if (isFull || this.#wasFull || !isQuiet) this.#see(now, isFull)
    if (isFull && now - this.#movedAt >= this.#sendTimeout) return StopReason.SlowConsumer()
    if (this.#isDead(now, isFull && this.#wasFull)) return StopReason.HeartbeatTimeout()
    this.#wasFull = isFull
    if (now >= this.#endOfLife) return StopReason.LifetimeReached()
    if (!isQuiet || this.#transport.bufferedBytes() > 0 || this.#transport.hasMessages()) this.#activeAt = now
    return now - this.#activeAt >= this.#idleTimeout ? StopReason.IdleTimeout() : undefined
  }

  /** The peer has sent a pong. */
  onPong(now: number, payload: string): void {
    if (this.#heartbeat !== undefined && payload === String(this.#heartbeat.pings))
      this.#heartbeat.onPong(now)
  }

  /** Stuck is a peer for which the kernel takes not a byte; one for which it takes a few is slow, and stays. */
  #see(now: number, isFull: boolean): void {
    const { bytesTaken } = this.#transport.wire
    if (!isFull || !this.#wasFull || bytesTaken !== this.#bytesTaken) this.#movedAt = now
    this.#bytesTaken = bytesTaken
  }

  #isDead(now: number, isCongested: boolean): boolean {
    if (this.#heartbeat === undefined) return false
    const { bytesRead } = this.#transport.wire
    const verdict = this.#heartbeat.check(now, {
      bytesRead,
      bytesTaken: this.#bytesTaken,
      isHeard: this.#transport.isHeard(),
      isCongested
    })
    if (verdict === "ping") this.#transport.ping(String(this.#heartbeat.pings))
    return verdict === "dead"
  }
}
