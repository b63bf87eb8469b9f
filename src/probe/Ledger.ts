/**
 * What was sent and what came back: each message carries a number, so that none is lost, doubled, changed or out of
 * order without being counted.
 */

/** How many messages became what. */
export interface Counts {
  readonly sent: number
  /** Messages that came back as they were sent, however late; each counts once. */
  readonly echoes: number
  /** Messages that were sent and didn't come back. */
  readonly lost: number
  /** Echoes beyond the first of a message. */
  readonly duplicates: number
  /** Echoes whose bytes or type weren't what was sent. */
  readonly changed: number
  /** Echoes that came after that of a later message. */
  readonly outOfOrder: number
  /** Messages that are none of the probe's own. */
  readonly others: number
}

/** What became of a message that was received. */
export type Verdict =
  | {
      readonly _tag: "Echo"
      readonly number: number
      readonly millis: number
      readonly isOutOfOrder: boolean
      readonly isLate: boolean
    }
  | { readonly _tag: "Duplicate" | "Changed"; readonly number: number }
  | { readonly _tag: "Other"; readonly bytes: number }

/** The shortest message that holds its number. */
export const MIN_SIZE = 16

/**
 * The payload of a message: 8 characters of the connection, 8 of the number, and a filler that differs from message to
 * message. Text is ASCII; binary has all bytes.
 */
export const payload = (connection: string, number: number, size: number, isBinary: boolean): Buffer => {
  const bytes = Buffer.alloc(size)
  bytes.write(connection.slice(0, 8).padEnd(8, "-") + number.toString(36).padStart(8, "0"), "latin1")
  for (let i = MIN_SIZE; i < size; i++) {
    bytes[i] = isBinary ? (i * 31 + number * 17) & 0xff : 97 + ((i + number) % 26)
  }
  return bytes
}

/** The messages of one connection. Times are in milliseconds. */
export class Ledger {
  readonly #connection: string
  readonly #size: number
  readonly #isBinary: boolean
  readonly #timeout: number
  /** When those were sent that are waited for, the oldest first. */
  readonly #awaited = new Map<number, number>()
  /** When those were sent that aren't waited for any longer, and may come yet. */
  readonly #missing = new Map<number, number>()
  #sent = 0
  #echoes = 0
  #duplicates = 0
  #changed = 0
  #outOfOrder = 0
  #others = 0
  #highest = 0

  constructor(options: {
    readonly connection: string
    readonly size: number
    readonly isBinary: boolean
    readonly timeout: number
  }) {
    this.#connection = options.connection
    this.#size = options.size
    this.#isBinary = options.isBinary
    this.#timeout = options.timeout
  }

  /** The next message, which is sent now. */
  send(now: number): { readonly number: number; readonly bytes: Buffer } {
    const number = ++this.#sent
    this.#awaited.set(number, now)
    return { number, bytes: payload(this.#connection, number, this.#size, this.#isBinary) }
  }

  /** What a received message is. */
  receive(bytes: Buffer, isBinary: boolean, now: number): Verdict {
    const number = this.#numberOf(bytes)
    if (number === undefined) return this.other(bytes)
    const same =
      isBinary === this.#isBinary &&
      bytes.equals(payload(this.#connection, number, this.#size, this.#isBinary))
    if (!same) {
      this.#changed++
      this.#miss(number)
      return { _tag: "Changed", number }
    }
    const sentAt = this.#awaited.get(number) ?? this.#missing.get(number)
    if (sentAt === undefined) {
      this.#duplicates++
      return { _tag: "Duplicate", number }
    }
    this.#awaited.delete(number)
    this.#missing.delete(number)
    this.#echoes++
    const isOutOfOrder = number < this.#highest
    if (isOutOfOrder) this.#outOfOrder++
    this.#highest = Math.max(this.#highest, number)
    const millis = now - sentAt
    return { _tag: "Echo", number, millis, isOutOfOrder, isLate: millis >= this.#timeout }
  }

  /** Counts a received message that can be none of these, whatever it holds. */
  other(bytes: Buffer): Verdict {
    this.#others++
    return { _tag: "Other", bytes: bytes.length }
  }

  /** Marks those that have waited for the timeout, and tells their numbers. */
  overdue(now: number): ReadonlyArray<number> {
    const found: Array<number> = []
    for (const [number, sentAt] of this.#awaited) {
      if (now - sentAt < this.#timeout) break
      this.#miss(number)
      found.push(number)
    }
    return found
  }

  /** When the oldest message was sent that is still waited for. */
  get waitingSince(): number | undefined {
    const [oldest] = this.#awaited.values()
    return oldest
  }

  /** Whether a message is still waited for. */
  isAwaited(number: number): boolean {
    return this.#awaited.has(number)
  }

  get counts(): Counts {
    return {
      sent: this.#sent,
      echoes: this.#echoes,
      lost: this.#awaited.size + this.#missing.size,
      duplicates: this.#duplicates,
      changed: this.#changed,
      outOfOrder: this.#outOfOrder,
      others: this.#others
    }
  }

  #miss(number: number): void {
    const sentAt = this.#awaited.get(number)
    if (sentAt === undefined) return
    this.#awaited.delete(number)
    this.#missing.set(number, sentAt)
  }

  #numberOf(bytes: Buffer): number | undefined {
    const head = bytes.toString("latin1", 0, MIN_SIZE)
    if (head.length < MIN_SIZE || !head.startsWith(this.#connection)) return undefined
    const text = head.slice(8)
    const number = /^[0-9a-z]{8}$/.test(text) ? Number.parseInt(text, 36) : 0
    return number >= 1 && number <= this.#sent ? number : undefined
  }
}

/** The counts of several connections. */
export const total = (all: ReadonlyArray<Counts>): Counts => {
  const sum = (name: keyof Counts): number => all.reduce((sum, counts) => sum + counts[name], 0)
  return {
    sent: sum("sent"),
    echoes: sum("echoes"),
    lost: sum("lost"),
    duplicates: sum("duplicates"),
    changed: sum("changed"),
    outOfOrder: sum("outOfOrder"),
    others: sum("others")
  }
}
