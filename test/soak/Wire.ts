/**
 * The TCP side of a connection of the soak: by callbacks, and with as little memory as possible, since thousands share
 * a core with the server.
 */
import * as net from "node:net"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"

export interface WireListener {
  /** TCP is there. */
  readonly onConnect: (localPort: number) => void
  /** The handshake is done. */
  readonly onOpen: () => void
  readonly onFrame: (frame: Frames.ServerFrame) => void
  /** The server has ended its side of TCP; the answer to that is given. */
  readonly onEnd: () => void
  /** Nothing more comes. */
  readonly onClose: (error: Error | undefined) => void
}

const REQUEST = Http.request()

/** Shared by all, since what is read is handed over before anyone else reads. */
const READ_BUFFER = Buffer.alloc(64 * 1024)

/** Connects, and asks for a WebSocket. */
export const connect = (port: number, listener: WireListener): net.Socket => {
  const parser = new Frames.FrameParser()
  let head: Buffer | undefined = Buffer.alloc(0)
  let failure: Error | undefined

  const onHead = (bytes: Buffer): void => {
    head = bytes
    const found = Http.parseHead(bytes)
    if (found === undefined) return
    head = undefined
    if (found.head.status !== 101) {
      failure = new Error(`the handshake was answered ${found.head.status}`)
      socket.destroy()
      return
    }
    parser.push(bytes.subarray(found.length))
    listener.onOpen()
  }

  const onBytes = (bytes: Buffer): void => {
    if (head === undefined) parser.push(bytes)
    else onHead(Buffer.concat([head, bytes]))
    while (!socket.destroyed) {
      const frame = parser.next()
      if (frame === undefined) return
      listener.onFrame(frame)
    }
  }

  const socket = net.connect({
    host: "127.0.0.1",
    port,
    noDelay: true,
    // The end of the server's side must not end ours.
    allowHalfOpen: true,
    // Not through the stream, whose buffer a paused socket would go on filling.
    onread: {
      buffer: READ_BUFFER,
      callback: (size, buffer) => {
        onBytes(Buffer.from(buffer.subarray(0, size)))
        return true
      }
    }
  })
  socket.on("connect", () => {
    listener.onConnect(socket.localPort ?? 0)
    socket.write(REQUEST)
  })
  socket.on("end", () => {
    listener.onEnd()
    socket.end()
  })
  socket.on("error", (error) => {
    failure ??= error
  })
  socket.on("close", () => listener.onClose(failure))
  return socket
}
