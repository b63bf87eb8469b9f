import * as Effect from "effect/Effect"
import { expect } from "vitest"
import WebSocket from "ws"
import { live } from "./support/live.js"
import { testServer } from "./support/server.js"

live("smoke", () =>
  Effect.gen(function* () {
    const server = yield* testServer()
    const got = yield* Effect.promise(
      () =>
        new Promise<string>((resolve, reject) => {
          const ws = new WebSocket(server.url)
          ws.on("open", () => ws.send("hello"))
          ws.on("message", (data) => {
            ws.close(4000, "bye")
            ws.on("close", (code, reason) => resolve(`${String(data)} ${code} ${String(reason)}`))
          })
          ws.on("error", reject)
        })
    )
    expect(got).toBe("hello 4000 bye")
    const line = yield* server.logged("connection closed")
    expect(line).toMatchObject({ reason: "PeerClosed", code: 4000, messagesIn: 1, messagesOut: 1, bytesIn: 5 })
    console.log(line)
  })
)
