// Loaded into the program by the soak for a try of itself, to make it as bad as its query says: the soak must notice.
// oxlint-disable typescript/unbound-method -- each is called on what it is of
import * as fs from "node:fs"
import { Server } from "node:http"
import { Socket } from "node:net"

const how = new URL(import.meta.url).search.slice(1)

/** Which echo is spoiled. */
const NTH = 100
let echoes = 0
const spoiled = new WeakSet()
const { write } = Socket.prototype

/** `ws` writes the header of a frame, and then its payload. */
const isHeader = (chunk) =>
  Buffer.isBuffer(chunk) &&
  chunk.length >= 2 &&
  chunk.length <= 10 &&
  (chunk[0] === 0x81 || chunk[0] === 0x82)

const callback = (args) => {
  const last = args.at(-1)
  if (typeof last === "function") process.nextTick(last)
}

const onEcho = {
  drop: (socket, chunk, args) => {
    if (isHeader(chunk)) spoiled.add(socket)
    else {
      spoiled.delete(socket)
      callback(args)
    }
    return true
  },
  repeat: (socket, chunk, args) => {
    if (isHeader(chunk)) {
      spoiled.add(socket)
      socket.header = chunk
      return true
    }
    spoiled.delete(socket)
    write.call(socket, Buffer.concat([socket.header, chunk, socket.header]))
    return write.call(socket, chunk, ...args)
  },
  alter: (socket, chunk, args) => {
    if (isHeader(chunk)) {
      spoiled.add(socket)
      return write.call(socket, chunk, ...args)
    }
    spoiled.delete(socket)
    const other = Buffer.from(chunk)
    other[other.length - 1] ^= 1
    return write.call(socket, other, ...args)
  }
}[how]

if (onEcho !== undefined) {
  Socket.prototype.write = function (chunk, ...args) {
    if (spoiled.has(this)) return onEcho(this, chunk, args)
    if (isHeader(chunk) && ++echoes === NTH) return onEcho(this, chunk, args)
    return write.call(this, chunk, ...args)
  }
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
