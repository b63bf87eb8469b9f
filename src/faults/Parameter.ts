/**
 * The parameters of faults: how their values are written, and what is accepted.
 */
import * as Duration from "effect/Duration"
import * as Value from "../config/Value.js"
import * as CloseCode from "../protocol/CloseCode.js"

/** When a fault comes: after a time in milliseconds, or when so many messages have been echoed. */
export type Moment =
  | { readonly _tag: "Time"; readonly millis: number }
  | { readonly _tag: "Messages"; readonly count: number }

const wholeNumber = (min: number, max: number, accepts: string): Value.Value<number> => ({
  placeholder: "NUMBER",
  accepts,
  read: (text) => {
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    return number >= min && number <= max ? number : undefined
  }
})

export const moment: Value.Value<Moment> = {
  placeholder: "MOMENT",
  accepts: `${Value.duration.accepts}, or a number of echoed messages such as 3msg`,
  read: (text) => {
    const messages = /^(\d{1,15})msg$/.exec(text)
    if (messages !== null) return { _tag: "Messages", count: Number(messages[1]) }
    const time = millis.read(text)
    return time === undefined ? undefined : { _tag: "Time", millis: time }
  }
}

/** Writes a moment as it is read. */
export const writeMoment = (after: Moment): string =>
  after._tag === "Time" ? `${after.millis}ms` : `${after.count}msg`

/** A time that is counted exactly: longer ones, thousands of centuries, would not be read as they were written. */
export const millis: Value.Value<number> = {
  ...Value.duration,
  read: (text) => {
    const duration = Value.duration.read(text)
    const time = duration === undefined ? Number.NaN : Duration.toMillis(duration)
    return time <= Number.MAX_SAFE_INTEGER ? time : undefined
  }
}

export const code = Value.closeCode

export const reason: Value.Value<string> = {
  placeholder: "TEXT",
  accepts: `at most ${CloseCode.MAX_REASON_BYTES} bytes of UTF-8`,
  read: (text) => (Buffer.byteLength(text) <= CloseCode.MAX_REASON_BYTES ? text : undefined)
}

export const status = wholeNumber(400, 599, "an HTTP status from 400 to 599")

export const seconds = wholeNumber(0, 10 ** 9, "a whole number of seconds, such as 5")

export const seed = wholeNumber(
  0,
  Number.MAX_SAFE_INTEGER,
  `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`
)

export const share: Value.Value<number> = {
  placeholder: "RATE",
  accepts: "a share from 0 to 1, such as 0.25",
  read: (text) => {
    const number = /^(\d+(\.\d*)?|\.\d+)(e-?\d{1,3})?$/.test(text) ? Number(text) : Number.NaN
    return number >= 0 && number <= 1 ? number : undefined
  }
}

export const throughput: Value.Value<number> = {
  ...Value.size(1, 1024 ** 3, ""),
  accepts: "bytes a second, up to 1024MiB: 500, 10KiB, 1MiB"
}

const values: Readonly<Record<string, Value.Value<unknown>>> = {
  after: moment,
  code,
  reason,
  status,
  "retry-after": seconds,
  time: millis,
  jitter: millis,
  rate: share,
  seed
}

/** The names of all parameters. */
export const names: ReadonlyArray<string> = ["fault", ...Object.keys(values)]

/** What a parameter of a fault accepts. */
export const named = (fault: string, name: string): Pick<Value.Value<unknown>, "accepts"> =>
  (fault === "throttle" && name === "rate" ? throughput : values[name]) ?? { accepts: "something else" }
