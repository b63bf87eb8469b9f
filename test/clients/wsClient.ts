/**
 * The client of `ws`, for those who want one in Node.
 */
import { WebSocket } from "ws"
import type { Client } from "./client.js"
import { client } from "./whatwg.js"

export const wsClient: Client = client((url, subprotocols, listener) => {
  const socket = new WebSocket(url, subprotocols)
  socket.addEventListener("open", listener.onOpen)
  socket.addEventListener("message", ({ data }) => listener.onMessage(data))
  socket.addEventListener("error", ({ message }) => listener.onError(message))
  socket.addEventListener("close", listener.onClose)
  socket.on("pong", listener.onPong)
  return socket
})
