/**
 * WebSocket connections for a load generator: after the handshake, nothing but the TCP socket.
 */
import * as net from "node:net"
import * as Http from "../../support/http.js"

/** Handshakes under way at once: more would overflow the queue of the listening socket, and be tried again a second later. */
const HANDSHAKES = 64

/** What a client asks for: each message is compressed for itself, so that equal ones are equal on the wire. */
const COMPRESSION = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"

/** Opens a connection; fails if the handshake does, or the compression that was asked for isn't agreed on. */
export const open = (port: number, isCompressed = false): Promise<net.Socket> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true })
    const headers = isCompressed ? { "Sec-WebSocket-Extensions": COMPRESSION } : {}
    let head = Buffer.alloc(0)
    const onData = (bytes: Buffer): void => {
      head = Buffer.concat([head, bytes])
      const found = Http.parseHead(head)
      if (found === undefined) return
      const { headers, status } = found.head
      const isAgreed = headers["sec-websocket-extensions"]?.includes("server_no_context_takeover") === true
      socket.off("data", onData)
      if (status !== 101) reject(new Error(`the handshake was answered ${status}`))
      else if (isCompressed !== isAgreed) reject(new Error(`compression is ${isAgreed ? "on" : "off"}`))
      else if (found.length < head.length) reject(new Error("something came before anything was said"))
      else resolve(socket)
    }
    socket.on("data", onData)
    // Once it is open, whoever measures sees to the rest.
    socket.on("error", reject)
    socket.on("close", () => reject(new Error("TCP ended within the handshake")))
    socket.write(Http.request({ headers }))
  })

/** Opens many. */
export const openMany = async (
  port: number,
  count: number,
  isCompressed = false
): Promise<ReadonlyArray<net.Socket>> => {
  const sockets: Array<net.Socket> = []
  let started = 0
  const openSome = async (): Promise<void> => {
    while (started < count) {
      started++
      // oxlint-disable-next-line no-await-in-loop -- as many at once as there are of these loops
      sockets.push(await open(port, isCompressed))
    }
  }
  await Promise.all(Array.from({ length: HANDSHAKES }, openSome))
  return sockets
}

/** Resets all, and waits until they are closed. */
export const resetAll = (sockets: ReadonlyArray<net.Socket>): Promise<unknown> =>
  Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          if (socket.closed) return resolve()
          socket.once("close", () => resolve())
          socket.resetAndDestroy()
        })
    )
  )
