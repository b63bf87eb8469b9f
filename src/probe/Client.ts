/**
 * The door to the client of `ws`: one connection, and what its end looked like from here.
 */
import type { ClientRequest, IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import { WebSocket } from "ws"
import { ABNORMAL, NO_STATUS, NORMAL } from "../protocol/CloseCode.js"
import { Ending } from "./Ending.js"
import type { ProbeSettings } from "./ProbeOptions.js"

/** A handshake that went well. */
export interface Opened {
  /** Address and port of the TCP peer. */
  readonly remote: string
  readonly subprotocol: string | undefined
  readonly isCompressed: boolean
}

/** What happens on a connection. */
export interface Listener {
  readonly onOpen: (opened: Opened) => void
  readonly onMessage: (data: Buffer, isBinary: boolean) => void
  readonly onPong: (data: Buffer) => void
  /** Bytes came, whatever they are. */
  readonly onBytes: () => void
  /** The kernel has taken a message or a ping, or will never take it. */
  readonly onTaken: () => void
  /** It has ended; comes once. */
  readonly onEnd: (ending: Ending) => void
}

/** A connection. */
export interface Client {
  readonly send: (data: Buffer, isBinary: boolean) => void
  readonly ping: (data: Buffer) => void
  /** Starts the close handshake, with 1000; the end comes within the close timeout. */
  readonly close: () => void
  /** Whether messages can be sent: neither side has begun to close. */
  readonly isOpen: () => boolean
  /** Ends an attempt that isn't answered in this way; one that is refused already ends with what is known of it. */
  readonly giveUp: (ending: Ending) => void
  /** Ends it at once, whatever its state, and calls back when its socket has closed. */
  readonly destroy: (whenClosed: () => void) => void
  /** Outbound bytes that the kernel hasn't taken. */
  readonly buffered: () => number
}

/** How much of the body of a refusal is read, in characters. */
const MAX_BODY = 64 * 1024

/** How long the body of a refusal is read, in milliseconds: the status is known, and worth more than the rest. */
const BODY_PATIENCE = 1000

const MIB = 1024 ** 2

/**
 * The longest message that is taken, in bytes. A server may send what it likes, but not fill the memory: an echo that was
 * changed may have grown, and what isn't an echo is only counted.
 */
export const longestMessage = (size: number): number => Math.max(16 * MIB, 2 * size)

const isTls = /^(CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO|INVALID_CA|HOSTNAME_)/

const codeOf = (error: Error): string => ("code" in error ? String(error.code) : "")

/** What ended an attempt before there was a connection. */
const failed = (error: Error): Ending => {
  const code = codeOf(error)
  const { message } = error
  if (isTls.test(code)) return Ending.Tls({ code, message: message.trim().split("\n")[0] ?? "" })
  // TCP ended, or was reset, in place of an answer; the rest of Node's parser and of `ws` has no errno.
  if (message === "socket hang up") return Ending.BadHandshake({ message: "TCP ended without an answer" })
  if (code === "ECONNRESET") return Ending.BadHandshake({ message: "TCP was reset without an answer" })
  if (code.startsWith("HPE_")) return Ending.BadHandshake({ message: `the answer is not HTTP: ${message}` })
  if (/^E[A-Z_]+$/.test(code)) return Ending.Unreachable({ code, message: message === "" ? code : message })
  return Ending.BadHandshake({ message })
}

/** What a refusal says: the `message` or `error` of a JSON object, else the first line of a text. */
const saidIn = (body: string, type: string): string => {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === "object" && parsed !== null) {
      const fields = new Map<string, unknown>(Object.entries(parsed))
      for (const name of ["message", "error"]) {
        const value = fields.get(name)
        if (typeof value === "string") return value
      }
    }
  } catch {
    // It isn't JSON.
  }
  return /^text\/plain|^$/.test(type) ? (body.trim().split(/\r?\n/)[0] ?? "") : ""
}

const refused = (response: IncomingMessage, body: string): Ending =>
  Ending.Refused({
    status: response.statusCode ?? 0,
    message: saidIn(body, response.headers["content-type"] ?? "") || (response.statusMessage ?? ""),
    retryAfter: response.headers["retry-after"],
    location: response.headers.location
  })

const headersOf = ({ headers }: ProbeSettings): Record<string, Array<string>> => {
  const all = new Map<string, { readonly name: string; readonly values: Array<string> }>()
  for (const { name, value } of headers) {
    const known = all.get(name.toLowerCase())
    if (known === undefined) all.set(name.toLowerCase(), { name, values: [value] })
    else known.values.push(value)
  }
  return Object.fromEntries([...all.values()].map(({ name, values }) => [name, values]))
}

/** What `ws` calls a message that is longer, or in more pieces, than it takes. */
const isTooMuch =
  /^WS_ERR_(UNSUPPORTED_MESSAGE_LENGTH|UNSUPPORTED_DATA_PAYLOAD_LENGTH|TOO_MANY_BUFFERED_PARTS)$/

/** Connects. What was heard after the end isn't reported. The close handshake has `closeTimeout` milliseconds. */
export const connect = (settings: ProbeSettings, closeTimeout: number, listener: Listener): Client => {
  const longest = longestMessage(settings.size)
  const options = {
    headers: headersOf(settings),
    ...(settings.origin === undefined ? {} : { origin: settings.origin }),
    perMessageDeflate: settings.compression,
    rejectUnauthorized: !settings.insecure,
    closeTimeout,
    maxPayload: longest,
    finishRequest: (asked: ClientRequest) => {
      request = asked
      request.once("socket", (opening) => {
        socket = opening
        opening.on("error", (error) => (tcpFailure = error))
        opening.on("end", () => (hasTcpEnded = true))
      })
      request.end()
    }
  }
  let request: ClientRequest | undefined
  let socket: Socket | undefined
  let isOurs = false
  let hasOpened = false
  let hasEnded = false
  let hasTcpEnded = false
  let tcpFailure: Error | undefined
  let broken: Error | undefined
  let refusal: (() => Ending) | undefined
  let patience: NodeJS.Timeout | undefined

  const end = (ending: Ending): void => {
    clearTimeout(patience)
    if (hasEnded) return
    hasEnded = true
    listener.onEnd(ending)
  }

  /** What ended a connection: a bad frame, a Close frame, or neither. */
  const endingOf = (code: number, reason: string): Ending => {
    if (broken !== undefined) {
      const name = codeOf(broken)
      const message = broken.message.replace("Invalid WebSocket frame: ", "")
      return isTooMuch.test(name)
        ? Ending.TooMuch({ message, limit: longest })
        : Ending.Invalid({ code: name, message })
    }
    if (code !== ABNORMAL) {
      return isOurs && (code === NORMAL || code === NO_STATUS)
        ? Ending.Open()
        : Ending.Close({ code, reason })
    }
    const isReset = tcpFailure !== undefined && codeOf(tcpFailure) === "ECONNRESET"
    const wasPeer = hasTcpEnded || tcpFailure !== undefined
    if (isOurs) {
      // Without a sign of the peer it was the timer of `ws` that destroyed the socket.
      const seen = isReset ? "reset" : wasPeer ? "eof" : "nothing"
      return Ending.Unanswered({ seen, millis: closeTimeout })
    }
    // `ws` destroys the socket, without a word, of a peer that has dozens of pings unanswered.
    if (!wasPeer)
      return Ending.TooMuch({ message: "more pings at once than can be answered", limit: longest })
    return isReset ? Ending.Reset() : Ending.Eof({ detail: tcpFailure?.message })
  }

  const ws = new WebSocket(settings.url, [...settings.subprotocols], options)
  ws.on("unexpected-response", (_request, response) => {
    let body = ""
    refusal = () => refused(response, body)
    const done = (): void => end(refused(response, body))
    patience = setTimeout(done, BODY_PATIENCE)
    response.setEncoding("utf8")
    response.on("data", (text: string) => {
      body += text
      if (body.length > MAX_BODY) done()
    })
    response.on("end", done)
    response.on("error", done)
    response.on("close", done)
  })
  ws.on("open", () => {
    hasOpened = true
    // Not before `ws` reads it, too: what came with the answer to the handshake would be lost.
    socket?.on("data", listener.onBytes)
    const host = socket?.remoteAddress ?? ""
    listener.onOpen({
      remote: `${host.includes(":") ? `[${host}]` : host}:${socket?.remotePort ?? ""}`,
      subprotocol: ws.protocol === "" ? undefined : ws.protocol,
      isCompressed: ws.extensions !== ""
    })
  })
  ws.on("message", (data, isBinary) => {
    if (Buffer.isBuffer(data)) listener.onMessage(data, isBinary)
  })
  ws.on("pong", listener.onPong)
  ws.on("error", (error) => {
    if (hasOpened) broken ??= error
    else end(failed(error))
  })
  ws.on("close", (code, reason) => {
    if (hasOpened) end(endingOf(code, reason.toString()))
  })
  return {
    send: (data, isBinary) => ws.send(data, { binary: isBinary }, listener.onTaken),
    ping: (data) => ws.ping(data, true, listener.onTaken),
    close: () => {
      // One that the server is closing is not ours to close.
      isOurs ||= ws.readyState === WebSocket.OPEN
      ws.close(NORMAL)
    },
    isOpen: () => ws.readyState === WebSocket.OPEN,
    giveUp: (ending) => end(refusal?.() ?? ending),
    destroy: (whenClosed) => {
      clearTimeout(patience)
      hasEnded = true
      ws.terminate()
      if (socket?.closed === true) return whenClosed()
      // A request that has just been made has a socket, and doesn't tell it yet: it closes when that has closed.
      const last = socket ?? request
      last?.once("close", () => whenClosed())
      socket?.destroy()
    },
    buffered: () => ws.bufferedAmount
  }
}
