/**
 * The log of another process, line by line.
 */

/** Calls back with each line of a text that comes in parts: only `\n` ends one. */
export const linesOf = (onLine: (line: string) => void): ((text: string) => void) => {
  let rest = ""
  return (text) => {
    const lines = `${rest}${text}`.split("\n")
    rest = lines.pop() ?? ""
    lines.forEach(onLine)
  }
}
