/**
 * The client of `ws`.
 */
import * as Effect from "effect/Effect"
import { WebSocket } from "ws"
import { suite } from "./suite.js"
import { client } from "./whatwg.js"

suite({
  name: "the client of ws",
  sees: "ws",
  missing: undefined,
  compresses: true,
  client: Effect.succeed(
    client((url, subprotocols, listener) => {
      const socket = new WebSocket(url, subprotocols)
      socket.addEventListener("open", listener.onOpen)
      socket.addEventListener("message", ({ data }) => listener.onMessage(data))
      socket.addEventListener("error", ({ message }) => listener.onError(message))
      socket.addEventListener("close", listener.onClose)
      socket.on("pong", listener.onPong)
      return socket
    })
  )
})
