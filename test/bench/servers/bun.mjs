// An echo server of Bun, which has uWebSockets inside.
const isCompressed = process.env.BUN_COMPRESSION === "on"
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("", { status: 400 })),
  websocket: {
    perMessageDeflate: isCompressed,
    message: (socket, message) => {
      socket.send(message, isCompressed)
    }
  }
})
process.stdout.write(`listening :${server.port}\n`)
