/**
 * A TCP port of 127.0.0.1 that nobody listens on, for where `--port 0` won't do.
 */
import * as Effect from "effect/Effect"
import * as net from "node:net"

const isFree = (port: number): Effect.Effect<boolean> =>
  Effect.async((resume) => {
    const server = net.createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

/** Picks a port, below those that the system gives to the client's side of connections: other tests have many of them. */
export const freePort: Effect.Effect<number> = Effect.suspend(() => {
  const port = 10_000 + Math.floor(Math.random() * 20_000)
  return Effect.flatMap(isFree(port), (free) => (free ? Effect.succeed(port) : freePort))
})
