/**
 * What came and went: the last hundred thousand entries, of which the latest keep their whole payloads.
 */

export type Payload = string | Uint8Array

/**
 * What became of a message that was sent: nothing yet, its echo came, or something later came instead. One that came and
 * is an echo is answered, too.
 */
export type Fate = "waiting" | "answered" | "lost"

/** A message that was sent or came, or something that happened to the connection. */
export interface Entry {
  /** Counts from 1, and never comes again. */
  readonly number: number
  readonly at: number
  readonly kind: "sent" | "received" | "event"
  readonly isText: boolean
  readonly size: number
  readonly preview: string
  /** All of it, unless so much came after it that it had to go. */
  payload: Payload | undefined
  roundTrip: number | undefined
  fate: Fate | undefined
}

/** How many entries are kept. */
export const CAPACITY = 100_000
/** Trimming costs a copy, so it makes room for many. */
const SLACK = 10_000
/** Payload bytes that are kept. */
const PAYLOADS = 64 * 1024 ** 2

export class MessageLog {
  #entries: Array<Entry> = []
  #next = 1
  #bytes = 0
  /** The first entry that still has its payload. */
  #firstWhole = 1

  get entries(): ReadonlyArray<Entry> {
    return this.#entries
  }

  /** How many were too old to be kept. */
  get dropped(): number {
    return this.#next - 1 - this.#entries.length
  }

  add(entry: Omit<Entry, "number">): Entry {
    const added: Entry = { ...entry, number: this.#next++ }
    this.#entries.push(added)
    this.#bytes += entry.size
    this.#shed()
    if (this.#entries.length >= CAPACITY + SLACK) this.#entries = this.#entries.slice(-CAPACITY)
    return added
  }

  clear(): void {
    this.#entries = []
    this.#next = 1
    this.#firstWhole = 1
    this.#bytes = 0
  }

  /** Lets the oldest payloads go, but never that of the latest. */
  #shed(): void {
    while (this.#bytes > PAYLOADS && this.#firstWhole < this.#next - 1) {
      const entry = this.#entries[this.#firstWhole - 1 - this.dropped]
      if (entry !== undefined) {
        this.#bytes -= entry.size
        entry.payload = undefined
      }
      this.#firstWhole++
    }
  }
}
