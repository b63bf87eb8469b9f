/**
 * Where log lines go: standard output, which may be a terminal, a pipe that nobody reads, or a file on a full disk. None
 * of that may take the server down, hold it up, or fill its memory: lines that can't be written are dropped, counted,
 * and told of when writing goes on.
 */
import * as fs from "node:fs"

/** What is asked of the stream. */
export interface Output {
  readonly fd: number
  readonly isTTY?: boolean
  readonly writableLength: number
  readonly writable: boolean
  readonly write: (text: string, callback?: () => void) => boolean
  readonly on: (event: "error" | "drain", listener: () => void) => unknown
}

/** What becomes of lines that can't be written. */
export interface LogSinkOptions {
  /** How many bytes may wait for whoever reads a pipe or a terminal; see `roomFor`. */
  readonly mostWaiting: number
  /** Called when writing goes on after lines were dropped, with their number. */
  readonly tellDropped: (count: number) => void
}

/** A place for log lines. */
export interface LogSink {
  /** Writes a line, with its line end, at the end of this turn of the event loop; or drops it. Never throws, never waits. */
  readonly write: (line: string) => void
  /** Hands over what was written in this turn: for the end of the process, which has no other. */
  readonly handOver: () => void
  /** Calls back when what was written has been taken, or has failed. */
  readonly flush: (done: () => void) => void
}

/** Where lines go at last, several at once. */
interface Outlet {
  readonly write: (text: string, lines: number) => void
  readonly flush: (done: () => void) => void
}

/** What is handed over before the turn is over, in characters: what a pipe holds on Linux. */
const MUCH = 64 * 1024

/** What a connection writes when it is stopped: two lines. */
const OF_A_CONNECTION = 640

/**
 * How many bytes of log may wait in memory for whoever reads a pipe: some 4,000 lines, and those of all connections that
 * there may be, which can end in one moment; of 10,000 if there may be any number.
 */
export const roomFor = (maxConnections: number): number =>
  1024 * 1024 + OF_A_CONNECTION * (Number.isFinite(maxConnections) ? maxConnections : 10_000)

/** A pipe or a terminal: writes wait in memory until they are taken. */
const toStream = (output: Output, { mostWaiting, tellDropped }: LogSinkOptions): Outlet => {
  let dropped = 0
  // A log that nobody reads any more: the reader has gone, and no other can come.
  output.on("error", () => {})
  output.on("drain", () => {
    if (dropped === 0) return
    const count = dropped
    dropped = 0
    tellDropped(count)
  })
  return {
    write: (text, lines) => {
      if (!output.writable) return
      if (output.writableLength > mostWaiting) dropped += lines
      else output.write(text)
    },
    flush: (done) => {
      if (output.writable && output.writableLength > 0) output.write("", done)
      else done()
    }
  }
}

/** A file: writes fail when the disk is full, and may go on when it no longer is. */
const toFile = (fd: number, { tellDropped }: LogSinkOptions): Outlet => {
  let dropped = 0
  /** The rest of what could be written only in part. */
  let rest: Buffer = Buffer.alloc(0)
  const writeAll = (bytes: Buffer): boolean => {
    rest = bytes
    try {
      while (rest.length > 0) rest = rest.subarray(fs.writeSync(fd, rest))
    } catch {
      return false
    }
    return true
  }
  const write = (text: string, lines: number): void => {
    const isWhole = rest.length === 0
    if (!isWhole && !writeAll(rest)) {
      dropped += lines
      return
    }
    if (!writeAll(Buffer.from(text))) {
      // Lines of which nothing could be written are dropped; those that are torn are completed later.
      if (rest.length === Buffer.byteLength(text)) {
        rest = Buffer.alloc(0)
        dropped += lines
      }
      return
    }
    if (dropped === 0) return
    const count = dropped
    dropped = 0
    tellDropped(count)
  }
  return { write, flush: (done) => done() }
}

const isFile = ({ fd, isTTY }: Output): boolean => {
  if (isTTY === true) return false
  try {
    const stat = fs.fstatSync(fd)
    return stat.isFile() || stat.isCharacterDevice()
  } catch {
    return false
  }
}

/** Makes a sink. */
export const make = (output: Output, options: LogSinkOptions): LogSink => {
  const outlet = isFile(output) ? toFile(output.fd, options) : toStream(output, options)
  let text = ""
  let lines = 0
  const handOver = (): void => {
    if (lines === 0) return
    const [all, count] = [text, lines]
    text = ""
    lines = 0
    outlet.write(all, count)
  }
  return {
    // Together: each write is a system call, and many connections may end in one turn.
    write: (line) => {
      if (lines === 0) setImmediate(handOver)
      text += line
      lines++
      if (text.length >= MUCH) handOver()
    },
    handOver,
    flush: (done) => {
      handOver()
      outlet.flush(done)
    }
  }
}
