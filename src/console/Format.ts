/**
 * How numbers, times and bytes are written.
 */

const units = ["B", "KiB", "MiB", "GiB"] as const

/** `512 B`, `1.5 KiB`. */
export const bytes = (count: number): string => {
  const power = count < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(count) / 10))
  const value = count / 1024 ** power
  return `${power === 0 || Number.isInteger(value) ? value : value.toFixed(1)} ${units[power]}`
}

/** `1,234`. */
export const count = (number: number): string => number.toLocaleString("en")

/** Milliseconds as `0.42 ms`, `12.3 ms`, `1.20 s`. */
export const millis = (time: number): string =>
  time < 10
    ? `${time.toFixed(2)} ms`
    : time < 100
      ? `${time.toFixed(1)} ms`
      : time < 1000
        ? `${time.toFixed(0)} ms`
        : `${(time / 1000).toFixed(2)} s`

const two = (number: number): string => String(number).padStart(2, "0")

/** A length of time as `9s`, `4m 10s`, `3h 05m`, `2d 3h`. */
export const age = (time: number): string => {
  const seconds = Math.max(0, Math.floor(time / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3600)}h`
}

/** A time of day as `14:03:09.123`. */
export const clock = (at: number): string => {
  const date = new Date(at)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`
}

const hexOf = (data: Uint8Array): ReadonlyArray<string> =>
  Array.from(data, (byte) => byte.toString(16).padStart(2, "0"))

/** Bytes in one line: `de ad be ef`. */
export const hex = (data: Uint8Array, limit: number): string =>
  hexOf(data.subarray(0, limit)).join(" ") + (data.length > limit ? " …" : "")

/** Bytes as a dump: offset, 16 bytes, and what of them is ASCII. */
export const dump = (data: Uint8Array, limit: number): string => {
  const lines: Array<string> = []
  for (let at = 0; at < Math.min(data.length, limit); at += 16) {
    const row = data.subarray(at, Math.min(at + 16, limit))
    const text = Array.from(row, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."))
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hexOf(row).join(" ").padEnd(47)}  ${text.join("")}`)
  }
  return lines.join("\n")
}

/** Reads bytes from hex digits, with blanks or without; `undefined` if they are none. */
export const fromHex = (text: string): Uint8Array<ArrayBuffer> | undefined => {
  const digits = text.replaceAll(/\s+/g, "")
  if (digits.length % 2 !== 0 || !/^[\da-f]*$/i.test(digits)) return undefined
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
