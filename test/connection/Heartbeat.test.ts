/**
 * Whether a peer is taken for dead: by times and counts alone.
 */
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import { Heartbeat, type Verdict } from "../../src/connection/Heartbeat.js"

const INTERVAL = 25_000
const TIMEOUT = 10_000
const STEP = 250

const KIB = 1024
const MIB = 1024 * KIB

/** A peer, as the kernel of the server sees it; it reads what is sent at some rate, and answers pings as it comes to them. */
class Peer {
  readonly #rate: number
  readonly #heartbeat: Heartbeat
  readonly #pings: Array<number> = []
  /** What the two kernels hold at most. */
  readonly #room: number
  #now = 0
  #toSend = 0
  #read = 0
  #taken = 0
  #received = 0
  #wasFull = false
  /** Whether it sends anything of its own. */
  isTalking = false
  isAlive = true
  readonly verdicts: Array<readonly [now: number, verdict: Verdict]> = []

  constructor(options: {
    readonly rate: number
    readonly room?: number
    readonly timeout?: number
    readonly interval?: number
  }) {
    this.#rate = options.rate
    this.#room = options.room ?? 4 * MIB
    this.#heartbeat = new Heartbeat(options.interval ?? INTERVAL, options.timeout ?? TIMEOUT, 0)
  }

  send(bytes: number): void {
    this.#toSend += bytes
  }

  /** Lets time pass, until it is dead or over. */
  pass(millis: number): void {
    for (const end = this.#now + millis; this.#now < end && !this.isDead;) {
      this.#now += STEP
      if (this.isAlive) this.#received = Math.min(this.#taken, this.#received + this.#rate * STEP)
      const answered = this.isAlive ? this.#pings.filter((at) => at <= this.#received) : []
      this.#pings.splice(0, answered.length)
      const taken = Math.min(this.#toSend, this.#room - (this.#taken - this.#received))
      this.#taken += taken
      this.#toSend -= taken
      if (answered.length > 0 || (this.isAlive && this.isTalking)) this.#read += 10
      if (answered.length > 0 && this.#pings.length === 0) this.#heartbeat.onPong(this.#now)
      const isFull = this.#toSend > 0
      const verdict = this.#heartbeat.check(this.#now, {
        bytesRead: this.#read,
        bytesTaken: this.#taken,
        // As a transport does: over the high-water mark it doesn't read.
        isHeard: this.#toSend <= 64 * KIB,
        isCongested: isFull && this.#wasFull
      })
      this.#wasFull = isFull
      if (verdict === "ping") this.#pings.push(this.#taken + this.#toSend)
      if (verdict !== "nothing") this.verdicts.push([this.#now, verdict])
    }
  }

  get isDead(): boolean {
    return this.verdicts.at(-1)?.[1] === "dead"
  }

  get diedAt(): number | undefined {
    return this.isDead ? this.verdicts.at(-1)?.[0] : undefined
  }
}

const FAST = 100 * KIB

describe("a peer that is quiet", () => {
  it("is pinged after the interval, and again after each more", () => {
    const peer = new Peer({ rate: FAST })
    peer.pass(3 * INTERVAL + 4 * STEP)
    expect(peer.verdicts.map(([, verdict]) => verdict)).toEqual(["ping", "ping", "ping"])
    expect(peer.verdicts[0]?.[0]).toBe(INTERVAL)
  })

  it("and answers nothing is dead at the timeout after the ping, not earlier", () => {
    const peer = new Peer({ rate: FAST })
    peer.isAlive = false
    peer.pass(10 * INTERVAL)
    expect(peer.verdicts).toEqual([
      [INTERVAL, "ping"],
      [INTERVAL + TIMEOUT, "dead"]
    ])
  })

  it("is alive with any byte, up to the last moment", () => {
    const peer = new Peer({ rate: FAST })
    peer.isAlive = false
    peer.pass(INTERVAL + TIMEOUT - STEP)
    peer.isAlive = true
    peer.isTalking = true
    peer.pass(10 * INTERVAL)
    expect(peer.isDead).toBe(false)
  })

  it("is pinged and never dead if there is no timeout", () => {
    const peer = new Peer({ rate: FAST, timeout: Number.POSITIVE_INFINITY })
    peer.isAlive = false
    peer.pass(100 * INTERVAL)
    expect(peer.verdicts).toEqual([[INTERVAL, "ping"]])
  })
})

describe("a peer that talks", () => {
  it("isn't pinged", () => {
    const peer = new Peer({ rate: FAST })
    peer.isTalking = true
    peer.pass(10 * INTERVAL)
    expect(peer.verdicts).toEqual([])
  })

  it("and dies is dead in time, though it was sent a lot before", () => {
    const peer = new Peer({ rate: FAST, interval: 1000, timeout: 1000 })
    peer.isTalking = true
    for (let i = 0; i < 40; i++) {
      peer.send(100 * KIB)
      peer.pass(STEP)
    }
    peer.isAlive = false
    const start = 40 * STEP
    peer.pass(60_000)
    expect(peer.diedAt).toBeLessThanOrEqual(start + 3000)
  })
})

describe("a peer that reads slowly", () => {
  it("50 KiB a second of 20 MiB is never dead, though it says nothing of its own", () => {
    const peer = new Peer({ rate: (50 * KIB) / 1000 })
    peer.send(20 * MIB)
    peer.pass(600_000)
    expect(peer.isDead).toBe(false)
  })

  it("isn't dead with a short heartbeat either", () => {
    const peer = new Peer({ rate: (50 * KIB) / 1000, interval: 500, timeout: 500 })
    peer.send(6 * MIB)
    peer.pass(300_000)
    expect(peer.isDead).toBe(false)
  })

  it.prop(
    "is never dead if it reads 40 KiB a second or more, whatever it is sent and when",
    [
      FC.integer({ min: 40, max: 2000 }),
      FC.array(FC.tuple(FC.nat(3 * MIB), FC.nat(20_000)), { minLength: 1, maxLength: 8 }),
      FC.constantFrom(500, 2000, 25_000),
      FC.integer({ min: 64 * KIB, max: 8 * MIB })
    ],
    ([rate, sends, interval, room]) => {
      const peer = new Peer({ rate: (rate * KIB) / 1000, room, interval, timeout: 1000 })
      for (const [bytes, pause] of sends) {
        peer.send(bytes)
        peer.pass(pause)
      }
      peer.pass(400_000)
      expect(peer.isDead).toBe(false)
    },
    {
      fastCheck: {
        numRuns: 2000,
        // Two pongs that were noticed soon after one another had made these peers look faster than they are.
        examples: [
          [
            44,
            [
              [1_148_929, 10_001],
              [76_584, 15_501],
              [373_976, 0]
            ],
            500,
            752_425
          ],
          [
            40,
            [
              [348_161, 251],
              [31_141, 8751],
              [3_031_041, 0]
            ],
            500,
            3_020_801
          ]
        ]
      }
    }
  )

  it("and dies is dead when it would have come to the ping", () => {
    const peer = new Peer({ rate: (50 * KIB) / 1000 })
    peer.send(2 * MIB)
    peer.pass(1000)
    peer.isAlive = false
    peer.pass(600_000)
    expect(peer.isDead).toBe(true)
  })
})
