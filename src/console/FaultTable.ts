/**
 * The faults, for the form: what each does, what it takes, and what a page sees of it. The server's own table is the
 * one that counts; a test holds this one against it. (A page never learns why a handshake was refused, so what can't be
 * read must be noticed here.)
 */

const units = "nanos?|micros?|millis?|seconds?|minutes?|hours?|days?|weeks?"
const time = new RegExp(String.raw`^\d+(\.\d+)?((ms|s|m|h|d)| (${units}))$`)
const moment = new RegExp(String.raw`${time.source}|^\d{1,15}msg$`)
const isWhole = (from: number, to: number) => (text: string) =>
  /^\d{1,16}$/.test(text) && Number(text) >= from && Number(text) <= to

/** A parameter: one field of the form. */
export interface Field {
  readonly name: string
  readonly label: string
  readonly hint: string
  /** What an empty field stands for, unless it must not be empty. */
  readonly empty: string
  /** What stands in the field at first. */
  readonly initial: string
  readonly isRequired: boolean
  readonly accepts: string
  readonly isValid: (text: string) => boolean
}

const field = (
  name: string,
  label: string,
  hint: string,
  accepts: string,
  isValid: (text: string) => boolean,
  { empty = "", initial = "" }: { readonly empty?: string; readonly initial?: string } = {}
): Field => ({ name, label, hint, accepts, isValid, empty, initial, isRequired: empty === "" })

const isCode = (text: string): boolean =>
  [
    [1000, 1003],
    [1007, 1014],
    [3000, 4999]
  ].some(([from = 0, to = 0]) => isWhole(from, to)(text))

const isShare = (text: string): boolean =>
  /^(\d+(\.\d*)?|\.\d+)(e-?\d{1,3})?$/.test(text) && Number(text) >= 0 && Number(text) <= 1

const sizes: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2 }

const isThroughput = (text: string): boolean => {
  const [, digits = "", unit = ""] = /^(\d{1,15})(KiB|MiB|)$/.exec(text) ?? []
  const rate = Number(digits) * (sizes[unit] ?? 0)
  return rate >= 1 && rate <= 1024 ** 3
}

const after = field(
  "after",
  "After",
  "such as 5s or 3msg",
  "a time such as 5s, or messages such as 3msg",
  (text) => moment.test(text),
  { empty: "at once" }
)
const seed = field(
  "seed",
  "Seed",
  "to repeat exactly",
  "a whole number",
  isWhole(0, Number.MAX_SAFE_INTEGER),
  {
    empty: "drawn"
  }
)
const share = field("rate", "Share of echoes", "0 to 1", "a share from 0 to 1, such as 0.25", isShare, {
  initial: "0.25"
})
const isTime = (text: string): boolean => time.test(text)

/** A fault: one choice of the form. */
export interface Fault {
  readonly kind: string
  readonly group: "Endings" | "Silence" | "Handshake" | "Echoes"
  /** What the server does. */
  readonly does: string
  /** What this page sees of it. */
  readonly sees: string
  readonly fields: ReadonlyArray<Field>
  /** Whether an open connection can have it, too. */
  readonly isLive: boolean
}

const seesEnd = "An end with 1006, not clean; no error tells why."

/** All faults, in the order of the form. */
export const faults: ReadonlyArray<Fault> = [
  {
    kind: "close",
    group: "Endings",
    does: "The server closes with a code and a reason.",
    sees: "A clean end with that code.",
    fields: [
      field("code", "Code", "such as 1012 or 4001", "1000-1003, 1007-1014 or 3000-4999", isCode, {
        empty: "1000",
        initial: "4001"
      }),
      after,
      field(
        "reason",
        "Reason",
        "at most 123 bytes",
        "at most 123 bytes",
        (text) => new TextEncoder().encode(text).length <= 123,
        { empty: "none" }
      )
    ],
    isLive: true
  },
  {
    kind: "reset",
    group: "Endings",
    does: "TCP is reset, without a Close frame.",
    sees: seesEnd,
    fields: [after],
    isLive: true
  },
  {
    kind: "vanish",
    group: "Endings",
    does: "TCP ends, without a Close frame.",
    sees: seesEnd,
    fields: [after],
    isLive: true
  },
  {
    kind: "truncate",
    group: "Endings",
    does: "Half of the next echo's frame, then TCP ends. Send a message to see it.",
    sees: "No message, and an end with 1006.",
    fields: [after],
    isLive: true
  },
  {
    kind: "corrupt",
    group: "Endings",
    does: "The next echo's frame has a reserved bit set. Send a message to see it.",
    sees: "An error, no message, and an end with 1006.",
    fields: [after],
    isLive: true
  },
  {
    kind: "stall",
    group: "Silence",
    does: "The server reads nothing, sends nothing and answers no ping; TCP stays open.",
    sees: "Nothing. A good client misses the answer to a message in time.",
    fields: [after],
    isLive: true
  },
  {
    kind: "mute",
    group: "Silence",
    does: "The server reads on and answers nothing, Close frames included.",
    sees: "Nothing. Closing takes Chromium 60 s, since no answer comes.",
    fields: [after],
    isLive: true
  },
  {
    kind: "refuse",
    group: "Handshake",
    does: "The handshake is answered with an HTTP status.",
    sees: "A failed handshake; never the status, nor Retry-After.",
    fields: [
      field("status", "Status", "400 to 599", "an HTTP status from 400 to 599", isWhole(400, 599), {
        empty: "503",
        initial: "503"
      }),
      field("retry-after", "Retry-After", "in seconds", "a whole number of seconds", isWhole(0, 10 ** 9), {
        empty: "none"
      })
    ],
    isLive: false
  },
  {
    kind: "hang",
    group: "Handshake",
    does: "The handshake is never answered.",
    sees: "Connecting, until the server's handshake timeout (10 s by default).",
    fields: [],
    isLive: false
  },
  {
    kind: "delay",
    group: "Echoes",
    does: "Each echo is late, in order.",
    sees: "Longer round trips, in the plot.",
    fields: [
      field("time", "Time", "such as 200ms", "a time such as 200ms", isTime, { initial: "200ms" }),
      field("jitter", "Jitter, ±", "such as 50ms", "a time such as 50ms", isTime, {
        empty: "none",
        initial: "50ms"
      }),
      seed,
      after
    ],
    isLive: true
  },
  {
    kind: "drop",
    group: "Echoes",
    does: "A share of the echoes is left out.",
    sees: "Messages without an answer: lost.",
    fields: [share, seed, after],
    isLive: true
  },
  {
    kind: "duplicate",
    group: "Echoes",
    does: "A share of the echoes comes twice.",
    sees: "Messages beyond those that it has sent: extra.",
    fields: [share, seed, after],
    isLive: true
  },
  {
    kind: "throttle",
    group: "Echoes",
    does: "Echoes trickle at so many bytes a second.",
    sees: "Round trips that grow with the size of what was sent.",
    fields: [
      field("rate", "Bytes a second", "such as 10KiB", "500, 10KiB, 1MiB", isThroughput, {
        initial: "10KiB"
      }),
      after
    ],
    isLive: true
  }
]

/** The values of a form, by the names of their fields. */
export type Values = Readonly<Record<string, string>>

/** What stands in the form of a fault at first. */
export const initialValues = ({ fields }: Fault): Values =>
  Object.fromEntries(fields.map(({ initial, name }) => [name, initial]))

/** What is wrong with a field's text, if anything. */
export const problemWith = ({ accepts, isRequired, isValid }: Field, text: string): string | undefined =>
  text === ""
    ? isRequired
      ? `needed: ${accepts}`
      : undefined
    : isValid(text)
      ? undefined
      : `accepted is ${accepts}`

/** The parameters of a fault, without those that were left empty. */
export const parameters = ({ fields, kind }: Fault, values: Values): Readonly<Record<string, string>> =>
  Object.fromEntries([
    ["fault", kind],
    ...fields.flatMap(({ name }) => (values[name] ? [[name, values[name]]] : []))
  ])
