/**
 * The door to the client of `ws`: one connection, and what its end looked like from here.
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import { WebSocket } from "ws"
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
  /** It has ended; comes once. */
  readonly onEnd: (ending: Ending) => void
}

/** A connection. */
export interface Client {
  readonly send: (data: Buffer, isBinary: boolean) => void
  readonly ping: (data: Buffer) => void
  /** Starts the close handshake, with 1000. */
  readonly close: () => void
  /** Ends it at once, whatever its state. */
  readonly destroy: () => void
  /** Outbound bytes that the kernel hasn't taken. */
  readonly buffered: () => number
}

/** How much of the body of a refusal is read. */
const MAX_BODY = 64 * 1024

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

/** Connects. What was heard after the end isn't reported. */
export const connect = (settings: ProbeSettings, closeTimeout: number, listener: Listener): Client => {
  const options = {
    headers: headersOf(settings),
    ...(settings.origin === undefined ? {} : { origin: settings.origin }),
    perMessageDeflate: settings.compression,
    rejectUnauthorized: !settings.insecure,
    closeTimeout,
    maxPayload: 0
  }
  const ws = new WebSocket(settings.url, [...settings.subprotocols], options)
  let isOurs = false
  let hasEnded = false
  let failure: Error | undefined
  let tcpFailure: Error | undefined
  let socket: Socket | undefined

  const end = (ending: Ending): void => {
    if (hasEnded) return
    hasEnded = true
    listener.onEnd(ending)
  }

  ws.on("upgrade", (response) => {
    const { socket: raw } = response
    socket = raw
    raw.on("error", (error) => {
      tcpFailure = error
    })
    raw.on("data", listener.onBytes)
  })
  ws.on("unexpected-response", (request, response) => {
    let body = ""
    const done = (): void => {
      request.destroy()
      end(refused(response, body))
    }
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
    failure ??= error
  })
  ws.on("close", (code, reason) => {
    if (socket === undefined || (failure !== undefined && !codeOf(failure).startsWith("WS_ERR_"))) {
      // `ws` has no connection: it failed, or was destroyed.
      if (tcpFailure === undefined || failure !== undefined)
        return end(failed(failure ?? new Error("the handshake was given up")))
    }
    if (failure !== undefined && codeOf(failure).startsWith("WS_ERR_")) {
      const message = failure.message.replace("Invalid WebSocket frame: ", "")
      return end(Ending.Invalid({ code: codeOf(failure), message }))
    }
    const isReset = tcpFailure !== undefined && codeOf(tcpFailure) === "ECONNRESET"
    if (code === 1006) {
      if (isOurs) return end(Ending.Unanswered({ seen: isReset ? "reset" : "eof", millis: closeTimeout }))
      if (isReset) return end(Ending.Reset())
      return end(Ending.Eof({ detail: tcpFailure?.message }))
    }
    return end(
      isOurs && (code === 1000 || code === 1005)
        ? Ending.Open()
        : Ending.Close({ code, reason: reason.toString() })
    )
  })
  return {
    send: (data, isBinary) => ws.send(data, { binary: isBinary }, () => undefined),
    ping: (data) => ws.ping(data, true, () => undefined),
    close: () => {
      isOurs = true
      ws.close(1000)
    },
    destroy: () => {
      hasEnded = true
      ws.terminate()
    },
    buffered: () => ws.bufferedAmount
  }
}
