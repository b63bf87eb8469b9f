/**
 * One connection: comes, talks, and ends in one of many ways. By callbacks, since thousands share a core with the server.
 */
import type { Socket } from "node:net"
import * as Frames from "../support/frames.js"
import { type Account, NO_STATUS } from "./Ledger.js"
import { type Kind, type Messages, Transcript } from "./Messages.js"
import type { Random } from "./Random.js"
import * as settings from "./settings.js"
import * as Wire from "./Wire.js"

export interface VisitOptions {
  readonly port: number
  readonly number: number
  readonly random: Random
  readonly messages: Messages
  /** TCP is there. */
  readonly onConnected: (account: Account) => void
  readonly onOpen: () => void
  readonly onEcho: () => void
  /** Nothing more comes. Without an account, there was no TCP. */
  readonly onOver: (account: Account | undefined, error: Error | undefined) => void
  readonly onProblem: (problem: string) => void
}

export class Visit {
  readonly #options: VisitOptions
  readonly #random: Random
  readonly #fate: settings.Fate
  readonly #transcript: Transcript
  readonly #socket: Socket
  #account: Account | undefined = undefined
  #bursts: number
  #timer: NodeJS.Timeout | undefined = undefined
  #isStalling = false
  #hasStalled = false
  /** Nothing more is said. */
  #isLeaving = false
  #mustGo = false

  constructor(options: VisitOptions) {
    this.#options = options
    this.#random = options.random
    this.#fate = options.random.weighed(settings.FATES)
    this.#transcript = new Transcript(options.messages, options.number)
    this.#bursts = this.#fate === "stay" ? Infinity : options.random.between(...settings.BURSTS)
    this.#socket = Wire.connect(options.port, {
      onConnect: (port) => this.#onConnect(port),
      onOpen: () => this.#onOpen(),
      onFrame: (frame) => this.#onFrame(frame),
      onEnd: () => this.#onEnd(),
      onClose: (error) => this.#onClose(error)
    })
  }

  /** Ends it as soon as its fate allows. */
  leave(): void {
    this.#mustGo = true
    // There has been enough of that.
    this.#hasStalled = true
    if (this.#account?.isOpen === true && !this.#isLeaving && !this.#isStalling) this.#go()
  }

  /** Ends it at once, without regard for its fate. */
  destroy(): void {
    this.#reset()
  }

  /** What it does, for a person who wonders why it doesn't end. */
  describe(): string {
    const { echoed, sent } = this.#transcript
    return `${this.#account?.name ?? `connection ${this.#options.number}`} (${echoed} of ${sent} echoes)`
  }

  #onConnect(port: number): void {
    this.#account = {
      name: `connection ${this.#options.number} (127.0.0.1:${port}, ${this.#fate})`,
      port,
      transcript: this.#transcript,
      isOpen: false,
      isOver: false,
      wasStopped: false,
      wasInterrupted: false,
      stalls: this.#fate === "stall" || this.#fate === "stallAndVanish",
      closedWith: undefined,
      hasEnded: false,
      hasReset: false,
      violated: undefined,
      saw: undefined,
      sawEnd: false
    }
    this.#options.onConnected(this.#account)
  }

  #onOpen(): void {
    if (this.#account === undefined) return
    this.#account.isOpen = true
    this.#options.onOpen()
    this.#speak()
  }

  #onFrame(frame: Frames.ServerFrame): void {
    const problem =
      Frames.violation(frame) ??
      (this.#account?.saw === undefined ? undefined : `heard ${Frames.describe(frame)} after the Close frame`)
    if (problem !== undefined) return this.#complain(problem)
    switch (frame.opcode) {
      case Frames.PING:
        if (!this.#isLeaving) this.#socket.write(Frames.pong(frame.payload))
        return
      case Frames.CLOSE:
        return this.#onCloseFrame(frame.payload)
      default: {
        const wrong = this.#transcript.hear(frame)
        if (wrong !== undefined) return this.#complain(wrong)
        this.#options.onEcho()
        if (this.#transcript.isComplete && !this.#isLeaving && !this.#isStalling) this.#think()
      }
    }
  }

  #onCloseFrame(payload: Buffer): void {
    if (this.#account === undefined) return
    const code = payload.length < 2 ? NO_STATUS : payload.readUInt16BE(0)
    this.#account.saw = { code, text: payload.toString("utf8", 2) }
    this.#isLeaving = true
    clearTimeout(this.#timer)
    const { closedWith, hasEnded } = this.#account
    if (closedWith === undefined && !hasEnded && this.#account.violated === undefined) {
      this.#socket.write(Frames.close(code === NO_STATUS ? undefined : code))
    }
  }

  #onEnd(): void {
    if (this.#account !== undefined) this.#account.sawEnd = true
    clearTimeout(this.#timer)
    this.#isLeaving = true
  }

  #onClose(error: Error | undefined): void {
    clearTimeout(this.#timer)
    this.#isLeaving = true
    this.#options.onOver(this.#account, error)
  }

  #complain(problem: string): void {
    this.#options.onProblem(`${this.#account?.name ?? ""} ${problem}`)
    this.#reset()
  }

  /** Says something; the last time, in the way of its fate. */
  #speak(): void {
    if (this.#mustGo || this.#bursts <= 0) return this.#go()
    this.#bursts--
    this.#socket.cork()
    this.#burst()
    this.#socket.uncork()
  }

  #think(): void {
    if (this.#mustGo) return this.#go()
    this.#after(this.#random.between(...settings.THINKING), () => this.#speak())
  }

  #after(milliseconds: number, then: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(then, milliseconds)
  }

  #burst(): void {
    const count = this.#random.between(1, settings.MOST_PIPELINED)
    for (let i = 0; i < count; i++) this.#say(this.#random.weighed(settings.SIZES))
  }

  #say(size: keyof typeof settings.SIZES): void {
    const kind: Kind = this.#random.isOneIn(2) ? "text" : "binary"
    const wanted = this.#random.between(...settings.SIZE_RANGES[size])
    for (const bytes of this.#transcript.say(kind, wanted)) this.#socket.write(bytes)
  }

  #go(): void {
    if (this.#account === undefined || this.#isLeaving) return
    clearTimeout(this.#timer)
    if (this.#fate === "stall" || this.#fate === "stallAndVanish") {
      // Once: when it has heard all that came meanwhile, it closes.
      if (!this.#hasStalled) return this.#stall()
      return this.#fate === "stall" ? this.#close() : this.#reset()
    }
    this.#socket.cork()
    if (this.#fate !== "polite" && this.#fate !== "stay") this.#burst()
    switch (this.#fate) {
      case "polite":
      case "stay":
      case "hasty":
        this.#close()
        break
      case "halfClose":
        this.#isLeaving = true
        this.#account.hasEnded = true
        this.#socket.end()
        break
      case "violate": {
        const [code, bytes] = this.#random.oneOf(settings.VIOLATIONS)
        this.#isLeaving = true
        this.#account.violated = code
        this.#socket.write(bytes)
        break
      }
      case "vanish":
        // Now, or when the server is in the middle of its answers.
        if (this.#random.isOneIn(2)) this.#reset()
        else this.#after(this.#random.between(0, 5), () => this.#reset())
    }
    this.#socket.uncork()
  }

  #stall(): void {
    this.#isStalling = true
    this.#socket.pause()
    const isLong = this.#random.isOneIn(settings.LONG_STALLS)
    const enough = this.#transcript.bytesSent + (isLong ? settings.STALLED.long : settings.STALLED.short)
    while (this.#transcript.bytesSent < enough) this.#say("large")
    this.#after(this.#random.between(...settings.STALL), () => {
      if (this.#fate === "stallAndVanish") return this.#reset()
      this.#isStalling = false
      this.#hasStalled = true
      this.#socket.resume()
      if (this.#mustGo) this.#go()
    })
  }

  #close(): void {
    if (this.#account === undefined) return
    this.#isLeaving = true
    const code = this.#random.oneOf([1000, 1000, 1001, 3000, 4999, NO_STATUS])
    this.#account.closedWith = code
    this.#socket.write(Frames.close(code === NO_STATUS ? undefined : code))
  }

  #reset(): void {
    this.#isLeaving = true
    clearTimeout(this.#timer)
    if (this.#account !== undefined) this.#account.hasReset = true
    this.#socket.resetAndDestroy()
  }
}
