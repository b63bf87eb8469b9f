/**
 * Whether the peer is alive: a decision made of times and counts of bytes, without a timer or a socket of its own.
 *
 * The peer is pinged after quiet time, and is dead when no byte has come for the timeout after that. A ping, though,
 * waits in the kernels behind what was sent before it, megabytes at times, and a peer that reads slowly comes to it
 * late. Nothing tells how much that is, so it is estimated: a peer that reads at `PACE` or faster is never taken for
 * dead. One that has read faster, as far as its pongs prove, is given no more time than it takes at that speed.
 */

/** What the decision rests on, all of it growing counts and present facts. */
export interface Signs {
  /** Bytes that the peer has sent. */
  readonly bytesRead: number
  /** Bytes that the kernel has taken. */
  readonly bytesTaken: number
  /** Whether the peer can be asked and heard: where it can't, its silence means nothing. */
  readonly isHeard: boolean
  /** Whether the kernel has taken less than all for a while: what it takes now is room that the peer has made. */
  readonly isCongested: boolean
}

/** What to do. */
export type Verdict = "nothing" | "ping" | "dead"

/** The slowest reader that is given time, in bytes a millisecond: 32 KiB a second. */
const PACE = 32.768

/** What the buffers of both kernels hold at most for one connection, about. */
const MOST_UNDERWAY = 8 * 1024 * 1024

/** A peer that may have more than this under way is pinged though it isn't quiet, to learn how fast it reads. */
const MUCH_UNDERWAY = 64 * 1024

/** The heartbeat of one connection. Times are in milliseconds by a clock that only goes on. */
export class Heartbeat {
  readonly #interval: number
  readonly #timeout: number
  #checkedAt: number
  #aliveAt: number
  #pingedAt: number
  #bytesRead = 0
  #bytesTaken = 0
  /** Bytes that a peer who reads at its pace may have yet to read. */
  #underway = 0
  /** How fast it reads, in bytes a millisecond, as far as that is known. */
  #pace = PACE
  /** What was under way ahead of the last ping. */
  #aheadOfPing = 0
  #takenAtPing = 0
  /** What the peer has read for certain, since it answered a ping behind it; and the earliest that it may have. */
  #certainlyRead = 0
  #mayHaveReadAt: number
  #isAwaiting = false
  #isAnswered = true
  /** Names the last ping; 0 before the first. */
  pings = 0

  /** @param interval, timeout in milliseconds; infinite for never. */
  constructor(interval: number, timeout: number, now: number) {
    this.#interval = interval
    this.#timeout = timeout
    this.#checkedAt = now
    this.#aliveAt = now
    this.#pingedAt = now
    this.#mayHaveReadAt = now
  }

  /** Decides. To be asked again and again, the more often the more exact; after "ping" the peer has been pinged. */
  check(now: number, signs: Signs): Verdict {
    const taken = signs.bytesTaken - this.#bytesTaken
    this.#estimate(now, signs, taken)
    this.#bytesTaken = signs.bytesTaken
    if (
      signs.bytesRead !== this.#bytesRead ||
      // Not dead, as far as can be told. What it doesn't take is another matter: that it takes too little is.
      !signs.isHeard ||
      (signs.isCongested && taken > 0)
    ) {
      this.#bytesRead = signs.bytesRead
      this.#aliveAt = now
      this.#isAwaiting = false
    }
    if (this.#isAwaiting)
      return now - this.#pingedAt >= this.#timeout + this.#aheadOfPing / this.#pace ? "dead" : "nothing"
    if (!signs.isHeard) return "nothing"
    const isQuiet = now - this.#aliveAt >= this.#interval
    const isToBeMeasured =
      this.#isAnswered && this.#underway >= MUCH_UNDERWAY && now - this.#pingedAt >= this.#interval
    if (!isQuiet && !isToBeMeasured) return "nothing"
    this.#ping(now)
    return "ping"
  }

  /** The peer has answered the last ping, and so has read all that was sent before it. */
  onPong(now: number): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    const read = this.#takenAtPing - this.#certainlyRead
    this.#pace = Math.max(PACE, read / Math.max(1, now - this.#mayHaveReadAt))
    this.#certainlyRead = this.#takenAtPing
    // A pong may have been under way for long, and two of which only the first was would make a slow peer look fast.
    this.#mayHaveReadAt = Math.max(this.#pingedAt, now - this.#timeout)
    this.#underway = Math.min(this.#underway, this.#bytesTaken - this.#certainlyRead)
  }

  #estimate(now: number, { bytesTaken, isCongested }: Signs, taken: number): void {
    const read = this.#pace * (now - this.#checkedAt)
    this.#checkedAt = now
    // A kernel that takes no more is full, whatever was known before.
    if (isCongested) this.#pace = PACE
    const most = Math.min(MOST_UNDERWAY, bytesTaken - this.#certainlyRead)
    this.#underway = isCongested ? most : Math.min(most, Math.max(0, this.#underway - read) + taken)
  }

  #ping(now: number): void {
    this.pings++
    this.#pingedAt = now
    this.#takenAtPing = this.#bytesTaken
    this.#aheadOfPing = this.#underway
    this.#isAwaiting = true
    this.#isAnswered = false
  }
}
