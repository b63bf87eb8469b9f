/**
 * The door to `ws`: no other file of the server knows it.
 *
 * `ws` frames and unframes; when a connection ends is decided elsewhere. Left alone, `ws` answers a Close frame or a
 * bad frame, and the end of TCP, inside the read that brought it, before any fiber has run: the echoes of the
 * messages that stood before it in the same read would be lost. So its `close` is overridden, and its listener for
 * the socket's `end` is set aside until it is asked for.
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import { WebSocket, WebSocketServer } from "ws"
import * as CloseCode from "../protocol/CloseCode.js"
import { StopReason } from "../protocol/StopReason.js"
import { guard, type Receiver } from "./WsReceiver.js"

/** `setTimeout` fires at once when asked for more milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1

type Listener = (this: Socket) => void

const NOTHING = Buffer.alloc(0)

/** The state of a sender of `ws` that compresses nothing. */
const AT_REST = 0

/** What is wrong with a message that is larger than it may be. */
export const tooBig = { code: CloseCode.MESSAGE_TOO_BIG, reason: "message too big" }

/** What was wrong with a frame, in a code and words that fit in a Close frame. */
export const whatWasWrong = (
  code: number,
  error: Error
): { readonly code: number; readonly reason: string } => {
  switch (code) {
    case CloseCode.PROTOCOL_ERROR:
      return { code, reason: error.message.replace("Invalid WebSocket frame: ", "") }
    case CloseCode.INVALID_PAYLOAD:
      return { code, reason: error.message.includes("UTF-8") ? "invalid UTF-8" : "invalid compressed data" }
    case CloseCode.MESSAGE_TOO_BIG:
      return tooBig
    default:
      // `ws` calls a message in too many fragments a policy violation (1008): it is too big to be kept in pieces.
      return { code: CloseCode.MESSAGE_TOO_BIG, reason: "message in too many fragments" }
  }
}

/**
 * How large the frames of a compressed message may be: `ws` holds them to the limit too, though what can't be
 * compressed becomes larger, by 5 bytes in 16 KiB at the worst (RFC 1951 section 3.2.4).
 */
const compressedLimit = (maxPayload: number): number => maxPayload + 64 + Math.ceil(maxPayload / 16_000) * 5

/** What is read, in the order of the wire. */
export interface WsListener {
  readonly onMessage: (pieces: ReadonlyArray<Buffer>, isBinary: boolean) => void
  readonly onPing: (payload: Buffer) => void
  readonly onPong: (payload: string) => void
  /** A Close frame, or a frame that RFC 6455 doesn't allow; after that one nothing more is read. */
  readonly onEnding: (reason: StopReason) => void
  /** TCP has failed. */
  readonly onFailed: () => void
}

/** A `ws` connection that leaves the last word to its owner. */
export class WsSocket extends WebSocket {
  /** Where `ws` parses. With compression it may be behind what was read from TCP. */
  declare readonly _receiver: Receiver
  /** Where `ws` compresses. */
  declare readonly _sender: { readonly _state: number }
  #listener: WsListener | undefined
  #badFrameCode: number | undefined
  #isSaid = false
  #socket: Socket | undefined
  #endListeners: ReadonlyArray<Listener> = []

  /** Takes over: from now on `ws` doesn't send a Close frame of its own, and doesn't end TCP. */
  own(socket: Socket, endListeners: ReadonlyArray<Listener>): void {
    this.#socket = socket
    this.#endListeners = endListeners
    for (const listener of endListeners) socket.off("end", listener)
    // Not put together before somebody asks for that.
    this.binaryType = "fragments"
    guard(this._receiver)
  }

  /** Starts to report. */
  listen(listener: WsListener): void {
    this.#listener = listener
  }

  /** What `ws` calls to tell of what it has read. It is told on without listeners, which each connection would keep. */
  override emit(event: string | symbol, what?: unknown, isBinary?: unknown): boolean {
    const listener = this.#listener
    if (listener === undefined) return super.emit(event, what, isBinary)
    if (event === "error" && what instanceof Error) this.#tell(what)
    else if (Buffer.isBuffer(what)) {
      if (event === "message") listener.onMessage([what], isBinary === true)
      else if (event === "ping") listener.onPing(what)
      else if (event === "pong") listener.onPong(what.toString("latin1"))
    }
    // A binary message, in its fragments.
    else if (Array.isArray(what)) listener.onMessage(what, true)
    return true
  }

  /** Whether a message is being compressed, behind which all others wait. Its bytes alone don't tell: it may be empty. */
  get isCompressing(): boolean {
    return this._sender._state !== AT_REST
  }

  /** Tells of an error: a bad frame, or that TCP has failed. */
  #tell(error: Error): void {
    if (this.#badFrameCode === undefined) this.#listener?.onFailed()
    else this.#listener?.onEnding(StopReason.ProtocolError(whatWasWrong(this.#badFrameCode, error)))
  }

  /**
   * What `ws` calls to answer a Close frame (without a code when that one was empty) or, with a code alone, a bad
   * frame: then an `error` event follows, and tells what was wrong.
   */
  override close(code?: number, data?: string | Buffer): void {
    // TCP has been ended without a Close frame: to write one all the same would reset it.
    if (this.#isSaid && this.readyState === this.OPEN) return
    if (this.#listener === undefined || this.#isSaid) super.close(code, data)
    else if (code !== undefined && data === undefined) this.#badFrameCode = code
    else {
      const reason = data === undefined ? "" : data.toString()
      this.#listener.onEnding(StopReason.PeerClosed({ code: code ?? CloseCode.NO_STATUS, reason }))
    }
  }

  /** Nothing more is to be said, but for the end of a close handshake that has begun, which `ws` sees to. */
  said(): void {
    this.#isSaid = true
  }

  /** Sends the Close frame, or goes on with a close handshake that has begun. */
  sendClose(code?: number, data?: string | Buffer): void {
    super.close(code, data)
  }

  /** Lets `ws` see the end of TCP: it ends its own side too. */
  passEnd(): void {
    // One that is destroyed has ended, and `ws` has forgotten what its listeners would look for.
    if (this.#socket === undefined || this.#socket.destroyed) return
    // Of what it would do this is left to do; to end a stream again makes an error, with its stack.
    if (this.#socket.writableEnded) this._receiver.end()
    else for (const listener of this.#endListeners) listener.call(this.#socket)
  }

  /** Ends this side of TCP. */
  endTcp(): void {
    if (this.#socket?.destroyed === false) this.#socket.end()
  }

  /** Runs a callback when all that was read from TCP has been parsed: at once, unless it has yet to be inflated. */
  afterReceived(then: () => void): void {
    // A bad frame has been found, but is yet to be reported.
    if (this._receiver.errored !== null && !this._receiver.closed) this._receiver.once("close", then)
    else if (this._receiver.writableEnded || this._receiver.writableLength === 0) then()
    else this._receiver.write(NOTHING, (error) => (error ? this.afterReceived(then) : then()))
  }
}

/** What the connections of a server have in common. */
export interface WsOptions {
  /** The largest message, in bytes. */
  readonly maxPayload: number
  /** Whether permessage-deflate (RFC 7692) is accepted. */
  readonly compression: boolean
  /** Milliseconds that a close handshake may take. */
  readonly closeTimeout: number
}

/** Completes a handshake that was found good. */
export interface Acceptor {
  /**
   * Answers 101 and gives the connection; or calls `onRefused` with what was wrong with the extensions that the
   * peer asked for. Calls neither, and destroys the socket, if the peer has gone.
   */
  readonly accept: (
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    handshake: {
      readonly subprotocol: string | undefined
      readonly onOpen: (ws: WsSocket) => void
      readonly onRefused: (message: string) => void
    }
  ) => void
}

/** Makes the acceptor of a server. */
export const acceptor = (options: WsOptions): Acceptor => {
  let subprotocol: string | undefined
  let onRefused: ((message: string) => void) | undefined
  const serverOptions = {
    noServer: true,
    clientTracking: false,
    autoPong: false,
    WebSocket: WsSocket,
    // No matter how many they are: they are put together.
    maxBufferedChunks: 0,
    maxPayload: options.compression ? compressedLimit(options.maxPayload) : options.maxPayload,
    perMessageDeflate: options.compression,
    closeTimeout: Math.min(options.closeTimeout, LONGEST_TIMER),
    handleProtocols: () => subprotocol ?? false
  }
  const server = new WebSocketServer(serverOptions)
  server.on("wsClientError", (error) => onRefused?.(error.message))
  return {
    accept: (request, socket, head, handshake) => {
      // For the callbacks above: `ws` completes a handshake within this call.
      subprotocol = handshake.subprotocol
      onRefused = handshake.onRefused
      // It may have been one of several (RFC 6455 section 4.2.1); `ws` wants it alone.
      request.headers.upgrade = "websocket"
      const before = new Set<object>(socket.listeners("end"))
      server.handleUpgrade(request, socket, head, (ws) => {
        const isNew = (listener: object): listener is Listener => !before.has(listener)
        // In an array that is as long as it has to be.
        ws.own(socket, socket.listeners("end").filter(isNew).slice())
        handshake.onOpen(ws)
      })
    }
  }
}
