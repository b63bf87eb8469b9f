/**
 * What became of every connection, as its peer saw it and as the server logged it; the two must fit.
 */
import * as settings from "./settings.js"
import type { ServerEnding } from "./settings.js"
import type { Transcript } from "./Messages.js"

/** The code that stands for a Close frame without one (RFC 6455 section 7.4.1). */
export const NO_STATUS = 1005

/** One connection, as its peer knows it. */
export interface Account {
  /** For a person who reads that it went wrong. */
  readonly name: string
  readonly port: number
  readonly transcript: Transcript
  /** Whether the handshake was completed. */
  isOpen: boolean
  /** Nothing more comes. */
  isOver: boolean
  /** Whether the server was told to stop meanwhile. */
  wasStopped: boolean
  /** Whether an operator may have stopped it. */
  wasInterrupted: boolean
  /** Whether it doesn't read for a while: then a close handshake may take too long for the server. */
  readonly stalls: boolean
  /** What the peer did first: the code of its Close frame, the end of its side of TCP, a reset, a bad frame that asks for that code. */
  closedWith: number | undefined
  hasEnded: boolean
  hasReset: boolean
  violated: number | undefined
  /** The server's Close frame. */
  saw: { readonly code: number; readonly text: string } | undefined
  /** Whether the server ended TCP in order. */
  sawEnd: boolean
}

/** A line `connection closed`. */
export interface ClosedLine {
  readonly reason: string
  readonly code: number | null
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesOut: number
}

interface Fitting {
  readonly reason: string
  readonly code: number | null
  readonly text?: string
  /** Whether all that the peer said must have been echoed. */
  readonly isComplete: boolean
}

/** The endings that fit what happened. */
const fittings = (
  account: Account,
  endings: { readonly always: ReadonlyArray<ServerEnding>; readonly stopped: ServerEnding }
): ReadonlyArray<Fitting> => {
  const { closedWith, hasEnded, hasReset, violated, wasInterrupted, wasStopped } = account
  const found: Array<Fitting> = endings.always.map((ending) => ({ ...ending, isComplete: false }))
  if (wasStopped) found.push({ ...endings.stopped, isComplete: false })
  if (wasInterrupted) found.push({ ...settings.OPERATOR, isComplete: false })
  if (closedWith !== undefined) {
    found.push({ reason: "PeerClosed", code: closedWith, text: "", isComplete: true })
  }
  if (violated !== undefined) found.push({ reason: "ProtocolError", code: violated, isComplete: true })
  if (hasEnded || hasReset) found.push({ reason: "PeerVanished", code: null, isComplete: true })
  return found
}

/** What the peer saw, in a few words. */
export const describeSeen = ({ hasReset, saw, sawEnd }: Account): string => {
  const close = saw === undefined ? "" : `close ${saw.code === NO_STATUS ? "without a code" : saw.code}`
  if (hasReset) return saw === undefined ? "its own reset" : `${close}, its own reset`
  const end = sawEnd ? "" : "a reset"
  return [close, end].filter((part) => part !== "").join(", ") || "end of TCP"
}

/** What the peer did, in a few words. */
const describeDeeds = (account: Account): string => {
  const { closedWith, hasEnded, hasReset, violated, wasInterrupted, wasStopped } = account
  return (
    [
      closedWith === undefined ? "" : `sent Close ${closedWith}`,
      violated === undefined ? "" : `broke the protocol (${violated})`,
      hasEnded ? "ended TCP" : "",
      hasReset ? "reset TCP" : "",
      wasStopped ? "was there when the server was stopped" : "",
      wasInterrupted ? "was stopped by the operator" : ""
    ]
      .filter((part) => part !== "")
      .join(", ") || "did nothing to end it"
  )
}

/** What doesn't fit, if anything. */
export const judge = (
  account: Account,
  line: ClosedLine,
  endings: { readonly always: ReadonlyArray<ServerEnding>; readonly stopped: ServerEnding }
): string | undefined => {
  const { hasReset, saw, transcript } = account
  const { bytesEchoed, echoed, sent } = transcript
  const story = `${account.name} ${describeDeeds(account)}, saw ${describeSeen(account)} and ${echoed} of ${sent} echoes, and was logged as ${JSON.stringify(line)}`
  const fitting = fittings(account, endings).find(({ reason }) => reason === line.reason)
  if (fitting === undefined) return `an ending that doesn't fit: ${story}`
  const wasCutOff = account.stalls && line.reason === settings.OPERATOR.reason && !account.sawEnd
  if (hasReset || wasCutOff) {
    // It may have missed anything, but not heard more than was said.
    if (line.code !== null && line.code !== fitting.code) return `another close code: ${story}`
    const isOrdered =
      echoed <= line.messagesOut && line.messagesOut <= line.messagesIn && line.messagesIn <= sent
    return isOrdered ? undefined : `numbers that can't be: ${story}`
  }
  if (line.code !== fitting.code) return `another close code: ${story}`
  if ((saw?.code ?? null) !== fitting.code) return `another Close frame than the log tells: ${story}`
  if (saw !== undefined && fitting.text !== undefined && saw.text !== fitting.text) {
    return `a Close frame that says ${JSON.stringify(saw.text)}: ${story}`
  }
  if (!account.sawEnd) return `the server reset TCP: ${story}`
  if (fitting.isComplete && !transcript.isComplete) return `lost messages: ${story}`
  if (line.messagesIn !== line.messagesOut) return `messages that were read and not answered: ${story}`
  if (line.messagesOut !== echoed || line.bytesOut !== bytesEchoed) {
    return `other numbers than the peer counted (${bytesEchoed} bytes): ${story}`
  }
  return undefined
}

/** The accounts of one run of the server. */
export class Ledger {
  readonly #onPair: (account: Account, line: ClosedLine) => void
  readonly #onStranger: (line: ClosedLine, remote: string) => void
  /** By port, in the order of opening: a port may be used again before its last connection was logged. */
  readonly #unlogged = new Map<number, Array<Account>>()
  /** Logged, while the peer has yet to see the end. */
  readonly #logged = new Map<Account, ClosedLine>()
  #isStopping = false

  constructor(options: {
    readonly onPair: (account: Account, line: ClosedLine) => void
    /** There is a line for a connection that nobody has. */
    readonly onStranger: (line: ClosedLine, remote: string) => void
  }) {
    this.#onPair = options.onPair
    this.#onStranger = options.onStranger
  }

  open(account: Account): void {
    const others = this.#unlogged.get(account.port)
    if (others === undefined) this.#unlogged.set(account.port, [account])
    else others.push(account)
  }

  /** The peer has seen the end of it. */
  over(account: Account): void {
    account.isOver = true
    const line = this.#logged.get(account)
    if (line !== undefined) {
      this.#logged.delete(account)
      this.#onPair(account, line)
      return
    }
    // The server logs a handshake that it didn't complete only as a request; of one that it was stopped within, it may.
    if (!account.isOpen && !this.#isStopping) this.#forget(account)
  }

  log(remote: string, line: ClosedLine): void {
    const account = this.#unlogged.get(Number(/:(\d+)$/.exec(remote)?.[1]))?.[0]
    if (account === undefined) return this.#onStranger(line, remote)
    this.#forget(account)
    if (account.isOver) this.#onPair(account, line)
    else this.#logged.set(account, line)
  }

  /** The server is told to stop now. */
  stop(): void {
    this.#isStopping = true
    for (const account of this.#accounts()) account.wasStopped = true
  }

  /** An operator may stop the connection with that port of its peer. */
  interrupt(port: number): void {
    for (const account of this.#unlogged.get(port) ?? []) account.wasInterrupted = true
  }

  /** Connections that were opened, and have no line. */
  get unaccounted(): ReadonlyArray<Account> {
    return this.#accounts().filter(({ isOpen }) => isOpen)
  }

  get isBalanced(): boolean {
    return this.#logged.size === 0 && (this.#unlogged.size === 0 || this.unaccounted.length === 0)
  }

  #accounts(): ReadonlyArray<Account> {
    return [...[...this.#unlogged.values()].flat(), ...this.#logged.keys()]
  }

  #forget(account: Account): void {
    const others = (this.#unlogged.get(account.port) ?? []).filter((other) => other !== account)
    if (others.length === 0) this.#unlogged.delete(account.port)
    else this.#unlogged.set(account.port, others)
  }
}
