/**
 * Log lines that wait for whoever reads them.
 */
import { describe, expect, it } from "vitest"
import * as LogSink from "../../src/telemetry/LogSink.js"

/** A pipe that takes nothing until it is told to. */
const pipe = () => {
  const written: Array<string> = []
  let waiting = 0
  let onDrain = (): void => {}
  const output: LogSink.Output = {
    // Of no open file.
    fd: -1,
    get writableLength() {
      return waiting
    },
    writable: true,
    write: (text) => {
      written.push(text)
      waiting += Buffer.byteLength(text)
      return false
    },
    on: (event, listener) => {
      if (event === "drain") onDrain = listener
    }
  }
  const drain = (): void => {
    waiting = 0
    onDrain()
  }
  return { output, written, drain }
}

/** As long as the longest that a connection writes at its end, with IPv6 addresses and large figures. */
const LINE = `${"x".repeat(319)}\n`

describe("a log that isn't read for a moment", () => {
  for (const [connections, maxConnections] of [
    [10_000, 10_000],
    [10_000, Number.POSITIVE_INFINITY],
    [50_000, 50_000]
  ] as const) {
    it(`keeps both lines of ${connections} connections that end at once, with --max-connections ${maxConnections}`, () => {
      const { output, written } = pipe()
      const dropped: Array<number> = []
      const sink = LogSink.make(output, {
        mostWaiting: LogSink.roomFor(maxConnections),
        tellDropped: (count) => dropped.push(count)
      })
      for (let line = 0; line < 2 * connections; line++) sink.write(LINE)
      expect(written).toHaveLength(2 * connections)
    })
  }

  it("drops what is more, and tells how much that was", () => {
    const { drain, output, written } = pipe()
    const dropped: Array<number> = []
    const sink = LogSink.make(output, {
      mostWaiting: LogSink.roomFor(1),
      tellDropped: (count) => dropped.push(count)
    })
    for (let line = 0; line < 10_000; line++) sink.write(LINE)
    expect(written.length * LINE.length).toBeLessThan(1024 * 1024 + 2 * 640)
    drain()
    expect(dropped).toEqual([10_000 - written.length])
    drain()
    expect(dropped).toHaveLength(1)
  })
})
