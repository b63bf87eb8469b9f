/**
 * Log lines as they are written, to look at and to wait for.
 */
import * as Effect from "effect/Effect"

/** One line of the log in JSON. */
export type Line = Readonly<Record<string, unknown>>

/** A log that is being written. */
export interface Log {
  readonly lines: ReadonlyArray<Line>
  /** Takes a line. */
  readonly write: (line: string) => void
  /** Waits for the first line with this message and these fields; fails, with what was logged, after 10 seconds. */
  readonly logged: (message: string, fields?: Line) => Effect.Effect<Line, Error>
}

/** Starts a log. */
export const make = (): Log => {
  const lines: Array<Line> = []
  let waiting: Array<() => void> = []
  const logged: Log["logged"] = (message, fields = {}) => {
    const find = () =>
      lines.find(
        (line) =>
          line["message"] === message && Object.entries(fields).every(([name, value]) => line[name] === value)
      )
    const look: Effect.Effect<Line> = Effect.suspend(() => {
      const found = find()
      if (found !== undefined) return Effect.succeed(found)
      return Effect.zipRight(
        Effect.async<void>((resume) => {
          waiting.push(() => resume(Effect.void))
        }),
        look
      )
    })
    return Effect.timeoutFail(look, {
      duration: "10 seconds",
      onTimeout: () =>
        new Error(
          `no line ${JSON.stringify({ message, ...fields })} was logged, but:\n${lines.map((line) => JSON.stringify(line)).join("\n")}`
        )
    })
  }
  return {
    lines,
    logged,
    write: (line) => {
      const parsed: Line = JSON.parse(line)
      lines.push(parsed)
      const woken = waiting
      waiting = []
      for (const wake of woken) wake()
    }
  }
}
