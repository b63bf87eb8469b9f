// Loaded into the program by the soak for a try of itself, to make it as bad as its query says: the soak must notice.
// oxlint-disable typescript/unbound-method -- each is called on what it is of
import * as fs from "node:fs"
import { Server } from "node:http"
import { Socket } from "node:net"

const how = new URL(import.meta.url).search.slice(1)

/** The first echo of which batch of several is spoiled: the next ones tell of it. */
const NTH = 10
let batches = 0
const { write } = Socket.prototype

/** Small messages are written in one piece with the headers of their frames. How long the first of a piece is. */
const firstFrame = (chunk) => {
  if (!Buffer.isBuffer(chunk) || (chunk[0] !== 0x81 && chunk[0] !== 0x82)) return Infinity
  const end = chunk[1] < 126 ? 2 + chunk[1] : chunk[1] === 126 ? 4 + chunk.readUInt16BE(2) : Infinity
  return end
}

const spoil = {
  drop: (chunk, end) => chunk.subarray(end),
  repeat: (chunk, end) => Buffer.concat([chunk.subarray(0, end), chunk]),
  alter: (chunk, end) => {
    const other = Buffer.from(chunk)
    other[end - 1] ^= 1
    return other
  }
}[how]

if (spoil !== undefined)
  Socket.prototype.write = function (chunk, ...args) {
    const end = firstFrame(chunk)
    const isSpoiled = end < chunk.length && ++batches === NTH
    return write.call(this, isSpoiled ? spoil(chunk, end) : chunk, ...args)
  }

const hoard = []
const onConnection = {
  die: () => process.exit(3),
  complain: () => process.stderr.write("something is wrong\n"),
  logError: () => process.stdout.write(`${JSON.stringify({ level: "error", message: "handler failed" })}\n`),
  leakFile: () => fs.openSync("/dev/null"),
  leakTimer: () => setInterval(() => {}, 60_000),
  leakMemory: () => hoard.push(Array.from({ length: 4096 }, (_, i) => i / 3)),
  leakBuffer: () => hoard.push(Buffer.alloc(64 * 1024, 1))
}[how]

if (onConnection !== undefined) {
  const { emit } = Server.prototype
  let connections = 0
  Server.prototype.emit = function (name, ...args) {
    if (name === "connection" && ++connections > 20) onConnection()
    return emit.call(this, name, ...args)
  }
}

if (how === "silence") {
  // One line isn't logged.
  let lines = 0
  const { stdout } = process
  const log = stdout.write
  const isLogged = (line) => !line.includes("connection closed") || ++lines !== 20
  stdout.write = (text, ...args) => {
    const kept = String(text)
      .split(/(?<=\n)/)
      .filter(isLogged)
      .join("")
    return log.call(stdout, kept, ...args)
  }
}

if (how === "exit") process.on("SIGTERM", () => process.exit(1))
