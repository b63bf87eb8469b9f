// An echo server of raw `ws`, as its README has it. `--compression` for permessage-deflate.
import { WebSocketServer } from "ws"

const perMessageDeflate = process.argv.includes("--compression") ? { threshold: 0 } : false
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate })
server.on("connection", (socket) => {
  socket.on("error", () => {})
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))
})
server.on("listening", () => process.stdout.write(`listening :${server.address().port}\n`))
process.on("SIGTERM", () => {
  for (const socket of server.clients) socket.close(1001)
  server.close(() => process.exit(0))
})
