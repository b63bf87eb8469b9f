/**
 * A proxy that has a server below a path of its own, as `location /prefix/ { proxy_pass http://server/; }` of nginx has.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import * as net from "node:net"

/** Starts one; its port. It is gone with its scope. */
export const start = (prefix: string, to: number): Effect.Effect<number, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<net.Socket>()
    const proxy = http.createServer((request, response) => {
      const { headers, method, url = "" } = request
      if (!url.startsWith(prefix)) return void response.writeHead(404).end()
      const path = `/${url.slice(prefix.length)}`
      const asked = http.request(
        { host: "127.0.0.1", port: to, method, path, headers, agent: false },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        }
      )
      asked.on("error", () => response.destroy())
      response.on("close", () => asked.destroy())
      request.pipe(asked)
    })
    proxy.on("connection", (socket: net.Socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
    })
    proxy.on("upgrade", ({ rawHeaders, url = "" }, socket) => {
      if (!url.startsWith(prefix)) return void socket.destroy()
      const lines = rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`))
      const server = net.connect(to, "127.0.0.1", () => {
        server.write(`GET /${url.slice(prefix.length)} HTTP/1.1\r\n${lines.join("")}\r\n`)
        server.pipe(socket).pipe(server)
      })
      for (const end of [server, socket]) end.on("error", () => (server.destroy(), socket.destroy()))
    })
    yield* Effect.acquireRelease(
      Effect.promise(() => new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve))),
      () =>
        Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              proxy.close(() => resolve())
              for (const socket of sockets) socket.destroy()
            })
        )
    )
    const address = proxy.address()
    return typeof address === "object" && address !== null ? address.port : 0
  })
