/**
 * How long to wait before connecting again: exponential back-off with full jitter, so that the clients of a server that
 * went away don't all come back at once.
 */

/** The most that is waited before the first attempt, in milliseconds. */
export const FIRST = 500

/** The longest time that a server's `Retry-After` is believed, in milliseconds. */
const LONGEST_RETRY_AFTER = 3_600_000

/** How long a server asks to wait, in milliseconds: seconds, or a date (RFC 9110 section 10.2.3). */
export const retryAfter = (text: string | undefined, now: number): number | undefined => {
  if (text === undefined) return undefined
  // `Date.parse` makes a date of nearly anything: one of HTTP begins with the day of the week.
  const date = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text) ? Date.parse(text) : Number.NaN
  const millis = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : date - now
  return Number.isNaN(millis) ? undefined : Math.min(Math.max(0, millis), LONGEST_RETRY_AFTER)
}

/**
 * How long to wait before an attempt, in milliseconds.
 *
 * @param attempt 1 for the first since there was an echo.
 * @param random from 0 to 1.
 */
export const delay = (
  attempt: number,
  options: { readonly maxDelay: number; readonly random: number; readonly retryAfter?: number | undefined }
): number => {
  const ceiling = Math.min(options.maxDelay, FIRST * 2 ** Math.min(attempt - 1, 30))
  return Math.round((options.retryAfter ?? 0) + options.random * ceiling)
}
