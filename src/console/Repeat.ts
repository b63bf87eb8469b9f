/**
 * How often a message is sent again, as a person writes it.
 */

const units: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000
}

/** The longest interval that a browser's timers keep: beyond it they don't wait at all. */
const LONGEST = 2 ** 31 - 1

/** What `intervalOf` reads. */
export const INTERVALS =
  "accepted for every is 0 (as fast as can be), or a time such as 50ms or 2s, at most 24d"

/** What `timesOf` reads. */
export const TIMES = "accepted for times is a whole number from 1 up, or nothing: until it is stopped"

/** Milliseconds, from a number of them or from a time such as `2s`. */
export const intervalOf = (text: string): number | undefined => {
  const [, digits = "", unit = ""] = /^(\d{1,15}(?:\.\d{1,15})?)(ms|s|m|h|d|)$/.exec(text.trim()) ?? []
  const time = Number(digits) * (units[unit] ?? Number.NaN)
  // A timer takes whole ones alone, so that a part of one would be none.
  return digits !== "" && (time === 0 || (time >= 1 && time <= LONGEST)) ? Math.round(time) : undefined
}

/** How many times; without a number, without end. */
export const timesOf = (text: string): number | undefined => {
  const written = text.trim()
  if (written === "") return Number.POSITIVE_INFINITY
  return /^\d{1,15}$/.test(written) && Number(written) > 0 ? Number(written) : undefined
}
