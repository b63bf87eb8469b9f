/**
 * The client of `ws`.
 */
import * as Effect from "effect/Effect"
import { suite } from "./suite.js"
import { wsClient } from "./wsClient.js"

suite({
  name: "the client of ws",
  sees: "ws",
  missing: undefined,
  compresses: true,
  client: Effect.succeed(wsClient)
})
