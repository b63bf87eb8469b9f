/**
 * Everybody who connects: so many seats, on each of which one connection follows another.
 */
import type { Bell } from "./Bell.js"
import { describeSeen, Ledger, type Account, type ClosedLine, judge } from "./Ledger.js"
import type { Messages } from "./Messages.js"
import { Random } from "./Random.js"
import * as settings from "./settings.js"
import type { Tally } from "./Tally.js"
import { Visit } from "./Visit.js"

export interface LoadOptions {
  readonly connections: number
  readonly seed: number
  readonly messages: Messages
  readonly tally: Tally
  readonly bell: Bell
}

interface Seat {
  readonly random: Random
  visit: Visit | undefined
  /** Whether an echo was heard since all were asked to come. */
  hasHeard: boolean
}

export class Load {
  readonly #options: LoadOptions
  readonly #tally: Tally
  readonly #seats: ReadonlyArray<Seat>
  #port = 0
  #ledger: Ledger
  #waiting: Array<Seat> = []
  #shaking = 0
  #present = 0
  #heard = 0
  #numbers = 0
  #isComing = false
  #isStopped = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.#tally = options.tally
    // A source each: what a seat does is the same for the same seed, in whatever order they come.
    this.#seats = Array.from({ length: options.connections }, (_, i) => ({
      random: new Random(options.seed + Math.imul(i + 1, 0x9e3779b1)),
      visit: undefined,
      hasHeard: false
    }))
    this.#ledger = this.#newLedger()
  }

  /** The server runs on this port. */
  attend(port: number): void {
    this.#port = port
    this.#isStopped = false
    this.#ledger = this.#newLedger()
  }

  /** Everybody comes, and comes again. */
  come(): void {
    this.#isComing = true
    this.#heard = 0
    for (const seat of this.#seats) {
      seat.hasHeard = false
      if (seat.visit === undefined) this.#waiting.push(seat)
    }
    this.#fill()
  }

  /** Everybody goes, in their own ways. */
  go(): void {
    this.#isComing = false
    this.#waiting = []
    for (const seat of this.#seats) seat.visit?.leave()
  }

  /** The server is told to stop: nobody comes any more, and those who are there talk on. */
  stopping(): void {
    this.#isComing = false
    this.#isStopped = true
    this.#waiting = []
    this.#ledger.stop()
  }

  /** Nobody is left, however they end. */
  destroy(): void {
    this.#isComing = false
    this.#waiting = []
    for (const seat of this.#seats) seat.visit?.destroy()
  }

  /** An operator may stop the connection with that port of its peer. */
  interrupted(port: number): void {
    this.#ledger.interrupt(port)
  }

  /** A line `connection closed` of the server. */
  log(remote: string, line: ClosedLine): void {
    this.#tally.logged(line)
    this.#ledger.log(remote, line)
  }

  get present(): number {
    return this.#present
  }

  get isGone(): boolean {
    return this.#present === 0
  }

  /** How many seats have heard an echo since all were asked to come. */
  get heard(): number {
    return this.#heard
  }

  /** Whether the server has logged all that ended. */
  get isBalanced(): boolean {
    return this.#ledger.isBalanced
  }

  get unaccounted(): ReadonlyArray<string> {
    return this.#ledger.unaccounted.map(({ name }) => name)
  }

  /** Some of those who are there, and what they do. */
  get some(): string {
    const all = this.#seats.flatMap(({ visit }) => (visit === undefined ? [] : [visit.describe()]))
    return `${all.slice(0, 5).join("; ")}${all.length > 5 ? "; ..." : ""}`
  }

  #newLedger(): Ledger {
    const endings = { always: settings.SERVER_ENDINGS, stopped: settings.SHUTDOWN }
    return new Ledger({
      onPair: (account, line) => {
        const problem = judge(account, line, endings)
        if (problem !== undefined) this.#tally.problem(problem)
      },
      onStranger: (line, remote) =>
        this.#tally.problem(`a line for a connection that nobody has: ${remote} ${JSON.stringify(line)}`)
    })
  }

  #fill(): void {
    while (this.#shaking < settings.HANDSHAKES) {
      const seat = this.#waiting.shift()
      if (seat === undefined) return
      this.#open(seat)
    }
  }

  #open(seat: Seat): void {
    const ledger = this.#ledger
    let isShaking = true
    this.#shaking++
    this.#present++
    const shaken = (): void => {
      if (!isShaking) return
      isShaking = false
      this.#shaking--
      this.#fill()
    }
    seat.visit = new Visit({
      port: this.#port,
      number: this.#numbers++,
      random: seat.random,
      messages: this.#options.messages,
      onConnected: (account) => {
        account.wasStopped = this.#isStopped
        ledger.open(account)
      },
      onOpen: () => {
        this.#tally.opened++
        shaken()
      },
      onEcho: () => {
        if (seat.hasHeard) return
        seat.hasHeard = true
        this.#heard++
        if (this.#heard === this.#seats.length) this.#options.bell.ring()
      },
      onProblem: (problem) => this.#tally.problem(problem),
      onOver: (account, error) => {
        seat.visit = undefined
        this.#present--
        this.#onOver(ledger, account, error)
        if (this.#isComing) this.#waiting.push(seat)
        shaken()
        this.#fill()
        if (this.#present === 0) this.#options.bell.ring()
      }
    })
  }

  #onOver(ledger: Ledger, account: Account | undefined, error: Error | undefined): void {
    if (account !== undefined) {
      ledger.over(account)
      this.#tally.talked(account.transcript)
      if (account.isOpen) this.#tally.saw(describeSeen(account))
    }
    // A server that stops needn't take those who are still coming.
    if (account?.isOpen !== true && account?.hasReset !== true && !this.#isStopped) {
      this.#tally.problem(`couldn't connect: ${account?.name ?? ""} ${error?.message ?? "TCP ended"}`)
    }
  }
}
