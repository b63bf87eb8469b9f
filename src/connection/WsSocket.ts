/**
 * The door to `ws`: no other file knows it.
 *
 * `ws` frames and unframes; when a connection ends is decided elsewhere. Left alone, `ws` answers a Close frame or a
 * bad frame, and the end of TCP, inside the read that brought it, before any fiber has run: the echoes of the
 * messages that stood before it in the same read would be lost. So its `close` is overridden, and its listener for
 * the socket's `end` is set aside until it is asked for.
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { Writable } from "node:stream"
import { WebSocket, WebSocketServer } from "ws"
import * as CloseCode from "../protocol/CloseCode.js"

/** `setTimeout` fires at once when asked for more milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1

type Listener = (this: Socket) => void

const NOTHING = Buffer.alloc(0)

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

/** A `ws` connection that leaves the last word to its owner. */
export class WsSocket extends WebSocket {
  /** Where `ws` parses. With compression it may be behind what was read from TCP. */
  declare readonly _receiver: Writable
  #onCloseWanted: ((code: number | undefined, data: string | Buffer | undefined) => void) | undefined
  #socket: Socket | undefined
  #endListeners: ReadonlyArray<Listener> = []

  /**
   * Takes over: from now on `ws` doesn't send a Close frame of its own, but says that it wants to, with code and
   * reason when it answers a Close frame (without a code when that one was empty), with a code alone when it has
   * read a bad frame. In that case an `error` event follows, and tells what was wrong.
   */
  own(socket: Socket, endListeners: ReadonlyArray<Listener>): void {
    this.#socket = socket
    this.#endListeners = endListeners
    for (const listener of endListeners) socket.off("end", listener)
  }

  /** Sets who is told that `ws` wants to send a Close frame. */
  set onCloseWanted(callback: (code: number | undefined, data: string | Buffer | undefined) => void) {
    this.#onCloseWanted = callback
  }

  override close(code?: number, data?: string | Buffer): void {
    if (this.#onCloseWanted === undefined) super.close(code, data)
    else this.#onCloseWanted(code, data)
  }

  /** Sends the Close frame, or goes on with a close handshake that has begun. */
  sendClose(code?: number, data?: string | Buffer): void {
    super.close(code, data)
  }

  /** Lets `ws` see the end of TCP: it ends its own side too. */
  passEnd(): void {
    if (this.#socket === undefined) return
    for (const listener of this.#endListeners) listener.call(this.#socket)
  }

  /** Runs a callback when all that was read from TCP has been parsed: at once, unless it has yet to be inflated. */
  afterReceived(then: () => void): void {
    if (this._receiver.writableEnded || this._receiver.writableLength === 0) then()
    else this._receiver.write(NOTHING, then)
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
        ws.own(socket, socket.listeners("end").filter(isNew))
        handshake.onOpen(ws)
      })
    }
  }
}
