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

const linesOf = (written: ReadonlyArray<string>): number => written.join("").split("\n").length - 1

describe("the lines of one turn of the event loop", () => {
  const options = { mostWaiting: 1000, tellDropped: () => {} }

  it("are written together, when it is over", async () => {
    const { output, written } = pipe()
    const sink = LogSink.make(output, options)
    sink.write("one\n")
    sink.write("two\n")
    expect(written).toEqual([])
    await new Promise((resolve) => setImmediate(resolve))
    expect(written).toEqual(["one\ntwo\n"])
    sink.write("three\n")
    await new Promise((resolve) => setImmediate(resolve))
    expect(written).toEqual(["one\ntwo\n", "three\n"])
  })

  it("are written before that where the process ends", () => {
    const { output, written } = pipe()
    const sink = LogSink.make(output, options)
    sink.write("last words\n")
    sink.handOver()
    expect(written).toEqual(["last words\n"])
  })

  it("are written before those that wait for them to be taken are told", () => {
    const { drain, output, written } = pipe()
    const sink = LogSink.make(output, options)
    sink.write("last words\n")
    let isTaken = false
    sink.flush(() => (isTaken = true))
    expect(written).toEqual(["last words\n", ""])
    expect(isTaken).toBe(false)
    drain()
  })
})

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
      sink.handOver()
      expect(linesOf(written)).toBe(2 * connections)
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
    sink.handOver()
    // And what had been gathered when it was full.
    expect(linesOf(written) * LINE.length).toBeLessThan(LogSink.roomFor(1) + 2 * 64 * 1024)
    drain()
    expect(dropped).toEqual([10_000 - linesOf(written)])
    drain()
    expect(dropped).toHaveLength(1)
  })
})
