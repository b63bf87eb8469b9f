/**
 * Servers for the probe: good and bad ones.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import { type WebSocket, WebSocketServer } from "ws"
import { acceptOf } from "./http.js"

const portOf = (address: ReturnType<net.Server["address"]>): number =>
  typeof address === "object" && address !== null ? address.port : 0

/** A plain server of `ws`. */
export const plain = (
  onConnection: (socket: WebSocket, raw: net.Socket) => void
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<WebSocketServer>((resume) => {
        const server: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () =>
          resume(Effect.succeed(server))
        )
        server.on("connection", (socket, { socket: raw }) => onConnection(socket, raw))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          for (const client of server.clients) client.terminate()
          server.close(() => resume(Effect.void))
        })
    ),
    (server) => `ws://127.0.0.1:${portOf(server.address())}/`
  )

/** A TCP server that does what it likes with a socket, once something came. */
export const tcp = (
  answer: (socket: net.Socket, request: string) => void
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.suspend(() => {
    const sockets = new Set<net.Socket>()
    return Effect.map(
      Effect.acquireRelease(
        Effect.async<net.Server>((resume) => {
          const server = net.createServer({ allowHalfOpen: true }, (socket) => {
            sockets.add(socket)
            socket.on("error", () => undefined)
            socket.once("data", (bytes) => answer(socket, bytes.toString()))
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.async<void>((resume) => {
            for (const socket of sockets) socket.destroy()
            server.close(() => resume(Effect.void))
          })
      ),
      (server) => portOf(server.address())
    )
  })

/** Answers a handshake, and sends bytes right behind. */
export const answerHandshake = (socket: net.Socket, request: string, bytes: Buffer): void => {
  const [, key = ""] = /^Sec-WebSocket-Key: (\S+)/im.exec(request) ?? []
  const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`
  socket.write(Buffer.concat([Buffer.from(head), bytes]))
}

/** Echoes what a socket gets. */
export const echo = (socket: WebSocket): void =>
  void socket.on("message", (data, binary) => socket.send(data, { binary }))

/** Echoes, and ends the connection in its own way when the probe's Close frame comes. */
export const endingAtClose = (end: (raw: net.Socket) => void) =>
  plain((socket, raw) => {
    // Before `ws` sees it, which would answer.
    raw.prependListener("data", (bytes) => {
      if (bytes[0] === 0x88) end(raw)
    })
    echo(socket)
  })
