/**
 * The door to the client of `ws`, for the test kit.
 */
import type { ClientRequest, IncomingHttpHeaders } from "node:http"
import type { Socket } from "node:net"
import { WebSocket } from "ws"

/** What is asked for. */
export interface WsClientOptions {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly subprotocols: ReadonlyArray<string>
  readonly compression: boolean
}

/** What happens on a connection. */
export interface WsClientListener {
  /** With `address:port` of this side. */
  readonly onOpen: (local: string, subprotocol: string | undefined) => void
  readonly onMessage: (data: Buffer, isBinary: boolean) => void
  /** The handshake was answered with something else; then the end comes. */
  readonly onRefused: (status: number, headers: IncomingHttpHeaders, body: string) => void
  /** There was no answer, or one that can't be read; or a frame that can't. */
  readonly onError: (message: string) => void
  /** It has ended: 1005 after an empty Close frame, 1006 without one. */
  readonly onEnd: (code: number, reason: string) => void
}

/** A connection. */
export interface WsClient {
  /** Whether neither side has begun to close. */
  readonly isOpen: () => boolean
  readonly send: (data: Uint8Array, isBinary: boolean) => void
  /** Begins the close handshake, with an empty Close frame if there is no code. */
  readonly close: (code: number | undefined, reason: string) => void
  /** Gives up the TCP connection, without a Close frame. */
  readonly terminate: () => void
}

const addressOf = ({ localAddress = "", localPort = 0 }: Socket): string =>
  `${localAddress.includes(":") ? `[${localAddress}]` : localAddress}:${localPort}`

/** Connects. */
export const connect = (options: WsClientOptions, listener: WsClientListener): WsClient => {
  const { compression, headers, subprotocols, url } = options
  let local = ""
  const settings = {
    headers,
    perMessageDeflate: compression,
    finishRequest: (request: ClientRequest) => {
      request.once("socket", (socket) => {
        socket.once("connect", () => (local = addressOf(socket)))
      })
      request.end()
    }
  }
  const ws = new WebSocket(url, [...subprotocols], settings)
  ws.on("unexpected-response", (_, response) => {
    const body: Array<Buffer> = []
    response.on("data", (chunk: Buffer) => body.push(chunk))
    response.once("close", () => {
      listener.onRefused(response.statusCode ?? 0, response.headers, Buffer.concat(body).toString())
      ws.terminate()
    })
  })
  ws.on("open", () => listener.onOpen(local, ws.protocol === "" ? undefined : ws.protocol))
  ws.on("message", (data, isBinary) => {
    if (Buffer.isBuffer(data)) listener.onMessage(data, isBinary)
  })
  ws.on("error", ({ message }) => listener.onError(message))
  ws.on("close", (code, reason) => listener.onEnd(code, reason.toString()))
  return {
    isOpen: () => ws.readyState === WebSocket.OPEN,
    send: (data, isBinary) => ws.send(data, { binary: isBinary }),
    close: (code, reason) => (code === undefined ? ws.close() : ws.close(code, reason)),
    terminate: () => ws.terminate()
  }
}
