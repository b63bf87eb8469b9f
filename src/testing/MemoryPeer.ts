/**
 * What a peer in memory does, and sees.
 */
import * as CloseCode from "../protocol/CloseCode.js"
import type { Message } from "../protocol/Message.js"
import type { Action } from "./Action.js"
import { Changes } from "./Changes.js"
import { MemoryTransport } from "./MemoryTransport.js"
import type { Manners, PeerEnded } from "./Peer.js"
import * as Words from "./Words.js"

/** Whose peer it is, and the limits of its connection in bytes. */
export interface MemoryPeerOptions extends Manners {
  readonly remote: string
  readonly highWaterMark: number
  readonly maxPayload: number
}

/** The other side of a transport in memory. What it does by itself it does in a turn of its own, as on a network. */
export class MemoryPeer {
  readonly transport: MemoryTransport
  readonly received: Array<Message> = []
  readonly story: Array<string> = []
  readonly changes = new Changes()
  closeFrame: PeerEnded["closeFrame"] = undefined
  tcp: PeerEnded["tcp"] | undefined = undefined
  hasClosed = false
  readonly pongs: Array<string> = []
  #manners: Required<Manners>
  #hasEnded = false
  #hasServerEnded = false
  /** What has been sent to it while it doesn't read. */
  #unread: Array<() => void> | undefined = undefined

  constructor({ answersClose = true, answersPings = true, ...options }: MemoryPeerOptions) {
    this.#manners = { answersClose, answersPings }
    this.transport = new MemoryTransport({
      ...options,
      onAction: (action) => this.#onAction(action),
      onEnd: () => this.#onEnd()
    })
  }

  /** Whether no message will come any more. */
  get isOver(): boolean {
    return this.closeFrame !== undefined || this.tcp !== undefined
  }

  /** Whether it has something to say yet. */
  get canSend(): boolean {
    return !this.isOver && !this.hasClosed && !this.#hasEnded
  }

  behave(manners: Manners): void {
    this.#manners = { ...this.#manners, ...manners }
  }

  send(messages: ReadonlyArray<Message>): void {
    for (const message of messages) this.#tell(`peer: ${Words.ofMessage(message)}`)
    this.transport.peerSays(messages)
  }

  ping(payload: string): void {
    this.#tell(`peer: ping ${JSON.stringify(payload)}`)
    this.transport.peerPings(payload)
  }

  close(code: number, reason: string): void {
    if (this.tcp !== undefined || this.hasClosed || this.#hasEnded) return
    this.hasClosed = true
    this.#tell(`peer: ${Words.ofClose(code, reason)}`)
    this.transport.peerCloses(code, reason)
  }

  end(): void {
    if (this.tcp === "reset" || this.#hasEnded) return
    this.#hasEnded = true
    this.#tell("peer: end of TCP")
    if (this.tcp === "end") this.transport.socketCloses()
    else this.transport.peerVanishes()
  }

  reset(): void {
    if (this.tcp !== undefined) return
    this.#onTcpEnd("reset", "peer: reset of TCP")
    this.transport.peerResets()
  }

  /** Goes away, whatever the server is doing. */
  goAway(): void {
    this.reset()
    this.transport.socketCloses()
  }

  pauseReading(): void {
    if (this.#unread !== undefined) return
    this.#unread = []
    this.transport.block()
    this.#tell("peer: reads nothing more")
  }

  resumeReading(): void {
    const unread = this.#unread
    if (unread === undefined) return
    this.#unread = undefined
    this.#tell("peer: reads again")
    for (const read of unread) read()
    this.transport.unblock()
  }

  #onAction(action: Action): void {
    switch (action._tag) {
      case "write":
        return this.#reads(() => {
          for (const message of action.messages) {
            this.received.push(message)
            this.#tell(`server: ${Words.ofMessage(message)}`)
          }
        })
      case "ping":
        return this.#reads(() => {
          this.#tell("server: ping")
          if (this.#manners.answersPings) queueMicrotask(() => this.transport.peerPongs(action.payload))
        })
      case "pong":
        return this.#reads(() => {
          this.pongs.push(action.payload)
          this.#tell(`server: pong ${JSON.stringify(action.payload)}`)
        })
      case "close": {
        const { code = CloseCode.NO_STATUS, reason } = action
        return this.#reads(() => this.#onClose(code, reason))
      }
      // The kernel resets TCP if what it has received was never read (RFC 9293 section 3.6.1).
      case "destroy": {
        const isUnread = this.transport.unread > 0
        return this.#onTcpEnd(
          isUnread ? "reset" : "end",
          isUnread ? "server: reset of TCP" : "server: end of TCP"
        )
      }
      case "reset":
        return this.#onTcpEnd("reset", "server: reset of TCP")
      case "end":
      case "raw":
      case "seal":
        return undefined
    }
  }

  #onClose(code: number, reason: string): void {
    this.closeFrame = { code, reason }
    this.#tell(`server: ${Words.ofClose(code, reason)}`)
    if (this.#manners.answersClose) queueMicrotask(() => this.close(code, reason))
  }

  #onEnd(): void {
    if (this.#hasServerEnded) {
      // It is the peer's end that has come.
      if (this.tcp === "end" && this.#hasEnded) this.transport.socketCloses()
      return
    }
    this.#hasServerEnded = true
    this.#reads(() => {
      this.#onTcpEnd("end", "server: end of TCP")
      if (this.#hasEnded || this.#manners.answersClose) queueMicrotask(() => this.transport.socketCloses())
    })
  }

  #onTcpEnd(how: PeerEnded["tcp"], line: string): void {
    if (this.tcp !== undefined) return
    this.#unread = this.#unread === undefined ? undefined : []
    this.tcp = how
    this.#tell(line)
  }

  /** Reads something now, or when it reads again. */
  #reads(read: () => void): void {
    if (this.tcp !== undefined) return
    if (this.#unread === undefined) read()
    else this.#unread.push(read)
  }

  #tell(line: string): void {
    this.story.push(line)
    this.changes.happened()
  }
}
