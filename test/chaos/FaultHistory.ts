/**
 * The faults that one connection was given, and when each began, as far as that can be known: exactly, unless a clock
 * decides.
 *
 * How far the handler has come is written down by the handler itself, so the model needn't guess which messages met
 * which fault.
 */
import type { Connection } from "../../src/index.js"
import type { ConnectionPlan, FaultKind } from "../../src/faults/FaultPlan.js"

/** How early and how late a moment may be that a clock decides, in milliseconds, when nothing holds it up. */
const EARLY = 2
const SOON = 60

/** How long before a moment something may hold it up for it to matter. */
const BEFORE = 500

/** What the handler of a connection has done. */
export interface Ledger {
  readonly connection: Connection
  readonly openedAt: number
  /** When it sent each of its messages, whatever became of that. */
  readonly handledAt: Array<number>
  /** How many of them before the connection began to end. */
  open: number
}

/** A fault that was asked for. Nothing comes of it if the connection ended when the one before was over. */
export interface Entry {
  readonly plan: ConnectionPlan | undefined
  /** When; not given if the peer asked for it in its handshake. */
  readonly at: number | undefined
  /** How many messages the handler had sent. */
  readonly handled: number
  /** What the server drew for it, or was given, if it has begun. */
  seed: number | undefined
}

/** A time between two bounds. */
export interface Moment {
  readonly maybe: number
  readonly surely: number
}

type HeldUp = (from: number, to: number) => number

const silent: ReadonlySet<FaultKind> = new Set<FaultKind>(["stall", "mute"])
const holding: ReadonlySet<FaultKind> = new Set<FaultKind>(["stall", "delay", "throttle"])
const random: ReadonlySet<FaultKind> = new Set<FaultKind>(["drop", "duplicate"])

export const isSilent = (plan: ConnectionPlan | undefined): boolean =>
  plan !== undefined && silent.has(plan.fault)

/** Whether it ends the connection by itself. */
export const isEnd = (plan: ConnectionPlan | undefined): boolean =>
  plan?.fault === "close" || plan?.fault === "reset" || plan?.fault === "vanish"

const messagesOf = ({ plan }: Entry): number => (plan?.after?._tag === "Messages" ? plan.after.count : 0)
const millisOf = ({ plan }: Entry): number => (plan?.after?._tag === "Time" ? plan.after.millis : 0)

export class FaultHistory {
  readonly entries: Array<Entry> = []
  readonly #ledger: () => Ledger | undefined

  constructor(plan: ConnectionPlan | undefined, ledger: () => Ledger | undefined) {
    this.#ledger = ledger
    if (plan !== undefined) this.entries.push({ plan, at: undefined, handled: 0, seed: undefined })
  }

  /** Whether anything went wrong, or was to. */
  get isAny(): boolean {
    return this.entries.length > 0
  }

  get handledAt(): ReadonlyArray<number> {
    return this.#ledger()?.handledAt ?? []
  }

  /** How many messages were handled before the connection began to end. */
  get open(): number {
    return this.#ledger()?.open ?? 0
  }

  get last(): Entry | undefined {
    return this.entries.at(-1)
  }

  /** The last plan that came to anything: it stands in the log. */
  get lastPlan(): ConnectionPlan | undefined {
    return this.entries.findLast(({ plan }) => plan !== undefined)?.plan
  }

  #has(kinds: ReadonlySet<FaultKind>): boolean {
    return this.entries.some(({ plan }) => plan !== undefined && kinds.has(plan.fault))
  }

  get hasSilence(): boolean {
    return this.#has(silent)
  }

  /** Whether echoes may have been held back. */
  get hasHolding(): boolean {
    return this.#has(holding)
  }

  has(kind: FaultKind): boolean {
    return this.#has(new Set([kind]))
  }

  startOf({ at }: Entry): number {
    return at ?? this.#ledger()?.openedAt ?? Number.POSITIVE_INFINITY
  }

  /** When an entry was replaced. */
  endOf(entry: Entry): number {
    const next = this.entries[this.entries.indexOf(entry) + 1]
    return next === undefined ? Number.POSITIVE_INFINITY : this.startOf(next)
  }

  /** When it began. */
  begunAt(entry: Entry, heldUp: HeldUp): Moment {
    const start = this.startOf(entry)
    const messages = messagesOf(entry)
    if (messages > 0) {
      const at = this.handledAt[entry.handled + messages - 1] ?? Number.POSITIVE_INFINITY
      return { maybe: at, surely: at }
    }
    const millis = millisOf(entry)
    // An ending waits a turn.
    if (millis === 0) return { maybe: start, surely: isEnd(entry.plan) ? start + EARLY : start }
    const due = start + millis
    return { maybe: due - EARLY, surely: due + SOON + heldUp(due - BEFORE, due + BEFORE) }
  }

  /**
   * Before which messages it may have begun, of those that were handled until `to`; infinite for not at all. `until`
   * is when the connection began to end.
   */
  beginnings(entry: Entry, to: number, until: Moment, heldUp: HeldUp): ReadonlyArray<number> {
    const { handled, plan, seed } = entry
    const never = Number.POSITIVE_INFINITY
    const messages = messagesOf(entry)
    if (plan === undefined) return [never]
    if (messages > 0) return [handled + messages <= to ? handled + messages : never]
    const isReplaced = entry !== this.last
    // They had been the end.
    if (isEnd(plan) && isReplaced) return [never]
    if (millisOf(entry) === 0) return isEnd(plan) ? [handled, never] : [handled]
    const { maybe, surely } = this.begunAt(entry, heldUp)
    const replaced = this.endOf(entry)
    const drawn = random.has(plan.fault)
    if (Math.min(replaced, until.surely) < maybe || (drawn && seed === undefined)) return [never]
    const times = this.handledAt
    const candidates: Array<number> = []
    for (let i = handled; i <= to; i++) {
      const before = times[i - 1] ?? Number.NEGATIVE_INFINITY
      const after = i === to ? Number.POSITIVE_INFINITY : (times[i] ?? Number.POSITIVE_INFINITY)
      if (before <= surely && after >= maybe && (after !== before || i === handled)) candidates.push(i)
    }
    return Math.min(replaced, until.maybe) > surely || (drawn && seed !== undefined)
      ? candidates
      : [...candidates, never]
  }

  /** Whether the server was silent for certain, at some time between these. */
  wasSilent(from: number, to: number, heldUp: HeldUp): boolean {
    return this.entries.some((entry) => {
      if (!isSilent(entry.plan)) return false
      return Math.max(this.begunAt(entry, heldUp).surely, from) < Math.min(this.endOf(entry), to)
    })
  }

  /** Whether it may be silent now. */
  mayBeSilent(now: number, heldUp: HeldUp): boolean {
    const { last } = this
    return last !== undefined && isSilent(last.plan) && this.begunAt(last, heldUp).maybe <= now
  }

  /** What must stand in the list, as long as the connection isn't ending; nothing if either may. */
  stateAt(now: number, heldUp: HeldUp): "open" | "stalled" | undefined {
    const { last } = this
    if (last?.plan?.fault !== "stall") return "open"
    const { maybe, surely } = this.begunAt(last, heldUp)
    return now > surely || maybe === surely
      ? now >= surely
        ? "stalled"
        : "open"
      : now < maybe
        ? "open"
        : undefined
  }

  /** When a fault must have ended the connection; infinite if that isn't certain. */
  endsBy(pauses: ReadonlyArray<{ readonly to: number }>, heldUp: HeldUp): number {
    const { last } = this
    if (last?.plan === undefined) return Number.POSITIVE_INFINITY
    const { surely } = this.begunAt(last, heldUp)
    switch (last.plan.fault) {
      case "close":
      case "vanish":
        return surely
      case "reset":
        // It waits until the peer has taken what was echoed.
        return Math.max(surely, ...pauses.map(({ to }) => to))
      case "truncate":
        return (
          this.handledAt.slice(last.handled + messagesOf(last)).find((at) => at >= surely) ??
          Number.POSITIVE_INFINITY
        )
      default:
        return Number.POSITIVE_INFINITY
    }
  }

  /** Since when no message comes or goes; infinite if that isn't certain. */
  quietFrom(
    { answeredAt, sent }: { readonly answeredAt: number; readonly sent: ReadonlyArray<unknown> },
    handlerTime: number,
    heldUp: HeldUp
  ): number {
    const { handledAt, last } = this
    const from = Math.max(answeredAt, handledAt.at(-1) ?? 0, last === undefined ? 0 : this.startOf(last))
    // Nothing of what the handler has in hand is held back.
    const isStalled = last?.plan?.fault === "stall" && this.entries.length === 1 && handlerTime === 0
    if (isStalled) return Math.max(from, this.begunAt(last, heldUp).surely)
    return !this.hasHolding && handledAt.length === sent.length ? from : Number.POSITIVE_INFINITY
  }

  /** Whether a reset may be waiting: it takes no other fault, and nobody can see whether it does. */
  mayBeResetting(now: number, heldUp: HeldUp): boolean {
    const { last } = this
    return last?.plan?.fault === "reset" && this.begunAt(last, heldUp).maybe <= now
  }
}
