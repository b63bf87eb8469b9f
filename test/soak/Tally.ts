/**
 * What a soak did, in numbers, and what went wrong.
 */
import type { Bell } from "./Bell.js"
import type { ClosedLine } from "./Ledger.js"
import type { Transcript } from "./Messages.js"

/** So many problems tell enough; the rest is only counted. */
const MOST_PROBLEMS = 10

const count = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

export class Tally {
  readonly #bell: Bell
  readonly problems: Array<string> = []
  moreProblems = 0
  opened = 0
  restarts = 0
  cycles = 0
  sent = 0
  echoed = 0
  bytesSent = 0
  bytesEchoed = 0
  /** Endings by reason and code, as the server logged them. */
  readonly endingsLogged = new Map<string, number>()
  /** Endings as the peers saw them. */
  readonly endingsSeen = new Map<string, number>()

  /** @param bell rung when something went wrong. */
  constructor(bell: Bell) {
    this.#bell = bell
  }

  problem(problem: string): void {
    if (this.problems.length < MOST_PROBLEMS) this.problems.push(problem)
    else this.moreProblems++
    this.#bell.ring()
  }

  /** What explains the others. */
  mainProblem(problem: string): void {
    this.problems.unshift(problem)
    this.#bell.ring()
  }

  get hasProblem(): boolean {
    return this.problems.length > 0
  }

  logged({ code, reason }: ClosedLine): void {
    count(this.endingsLogged, code === null ? reason : `${reason} ${code}`)
  }

  saw(what: string): void {
    count(this.endingsSeen, what)
  }

  talked({ bytesEchoed, bytesSent, echoed, sent }: Transcript): void {
    this.sent += sent
    this.echoed += echoed
    this.bytesSent += bytesSent
    this.bytesEchoed += bytesEchoed
  }
}
