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
  /** Writes a line, with its line end, or drops it. Never throws, never waits. */
  readonly write: (line: string) => void
  /** Calls back when what was written has been taken, or has failed. */
  readonly flush: (done: () => void) => void
}

/** What a connection writes when it is stopped: two lines. */
const OF_A_CONNECTION = 640

/**
 * How many bytes of log may wait in memory for whoever reads a pipe: some 4,000 lines, and those of all connections that
 * there may be, which can end in one moment; of 10,000 if there may be any number.
 */
export const roomFor = (maxConnections: number): number =>
  1024 * 1024 + OF_A_CONNECTION * (Number.isFinite(maxConnections) ? maxConnections : 10_000)

/** A pipe or a terminal: writes wait in memory until they are taken. */
const toStream = (output: Output, { mostWaiting, tellDropped }: LogSinkOptions): LogSink => {
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
    write: (line) => {
      if (!output.writable) return
      if (output.writableLength > mostWaiting) dropped++
      else output.write(line)
    },
    flush: (done) => {
      if (output.writable && output.writableLength > 0) output.write("", done)
      else done()
    }
  }
}

/** A file: writes fail when the disk is full, and may go on when it no longer is. */
const toFile = (fd: number, { tellDropped }: LogSinkOptions): LogSink => {
  let dropped = 0
  /** The rest of a line of which only a part could be written. */
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
  const write = (line: string): void => {
    const isWhole = rest.length === 0
    if (!isWhole && !writeAll(rest)) {
      dropped++
      return
    }
    if (!writeAll(Buffer.from(line))) {
      // A line of which nothing could be written is dropped; one that is torn is completed later.
      if (rest.length === Buffer.byteLength(line)) {
        rest = Buffer.alloc(0)
        dropped++
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
export const make = (output: Output, options: LogSinkOptions): LogSink =>
  isFile(output) ? toFile(output.fd, options) : toStream(output, options)
