/**
 * One connection of a load: sends its message, as many at once as are to be in flight, and compares what comes back.
 */
import type { Socket } from "node:net"
import type { Exchange } from "./Exchange.js"

/** What Node reads at once. */
const MOST_READ = 64 * 1024

/** Messages and echoes, repeated so that whatever is to be sent or has come is one piece of them. */
export class Script {
  readonly frameLength: number
  readonly echoLength: number
  readonly #frames: Buffer
  readonly #echoes: Buffer

  constructor({ echo, frame }: Exchange, inFlight: number) {
    this.frameLength = frame.length
    this.echoLength = echo.length
    this.#frames = Buffer.concat(Array.from({ length: inFlight }, () => frame))
    this.#echoes = Buffer.concat(
      Array.from({ length: Math.ceil((echo.length + MOST_READ) / echo.length) }, () => echo)
    )
  }

  /** So many messages. */
  frames(count: number): Buffer {
    return this.#frames.subarray(0, count * this.frameLength)
  }

  /** Whether these bytes are those of echoes, from there on within one. */
  matches(bytes: Buffer, position: number): boolean {
    return bytes.compare(this.#echoes, position, position + bytes.length) === 0
  }
}

/** What a load is told. */
export interface EchoesListener {
  /** An echo has come, whole; its message was sent, or was to be sent, then. */
  readonly onEcho: (since: number) => void
  readonly onWrong: (what: string) => void
}

/** A connection that waits for its echoes. */
export class Echoes {
  readonly #socket: Socket
  readonly #script: Script
  readonly #isClosedLoop: boolean
  readonly #listener: EchoesListener
  /** When the messages were sent whose echoes are awaited, the oldest at `#oldest`. */
  #sent: Array<number> = []
  #oldest = 0
  /** How much of an echo has come. */
  #position = 0

  constructor(socket: Socket, script: Script, isClosedLoop: boolean, listener: EchoesListener) {
    this.#socket = socket
    this.#script = script
    this.#isClosedLoop = isClosedLoop
    this.#listener = listener
    socket.on("data", (bytes) => this.#onData(bytes))
    socket.on("close", () => listener.onWrong("TCP ended"))
  }

  send(count: number, at: number): void {
    for (let i = 0; i < count; i++) this.#sent.push(at)
    this.#socket.write(this.#script.frames(count))
  }

  #onData(bytes: Buffer): void {
    if (!this.#script.matches(bytes, this.#position)) this.#listener.onWrong("an echo is not what was sent")
    const come = this.#position + bytes.length
    const whole = Math.floor(come / this.#script.echoLength)
    this.#position = come % this.#script.echoLength
    if (whole === 0) return
    for (let i = 0; i < whole; i++) this.#listener.onEcho(this.#sent[this.#oldest++] ?? Number.NaN)
    if (this.#oldest > 1000) {
      this.#sent = this.#sent.slice(this.#oldest)
      this.#oldest = 0
    }
    if (this.#isClosedLoop) this.send(whole, performance.now())
  }
}
