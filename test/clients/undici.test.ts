/**
 * The client of undici, on its own and as a part of Node.
 */
import * as Effect from "effect/Effect"
import * as undici from "undici"
import { it } from "vitest"
import { suite } from "./suite.js"
import type { Closing } from "./client.js"
import { client, type Connect, type Socket } from "./whatwg.js"

/** What is used of it; the types of the two are not the same. */
interface EventSocket extends Socket {
  addEventListener(type: "open", listener: () => void): void
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: "error", listener: (event: { readonly message: string }) => void): void
  addEventListener(type: "close", listener: (event: Closing) => void): void
}

const connectWith =
  (WebSocket: new (url: string, subprotocols: Array<string>) => EventSocket): Connect =>
  (url, subprotocols, listener) => {
    const socket = new WebSocket(url, subprotocols)
    socket.addEventListener("open", listener.onOpen)
    socket.addEventListener("message", ({ data }) => listener.onMessage(data))
    socket.addEventListener("error", ({ message }) => listener.onError(message))
    socket.addEventListener("close", listener.onClose)
    return socket
  }

suite({
  name: "the client of undici",
  sees: "undici",
  missing: undefined,
  compresses: true,
  client: Effect.succeed(client(connectWith(undici.WebSocket)))
})

const inNode = "the WebSocket of Node"
// The types have it whatever the version.
if ("WebSocket" in globalThis) {
  suite({
    name: inNode,
    sees: "node",
    missing: undefined,
    compresses: true,
    client: Effect.sync(() => client(connectWith(WebSocket)))
  })
} else it.skip(`${inNode} (skipped: ${process.version} has none, Node 22 and later have)`)
