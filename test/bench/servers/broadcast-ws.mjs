// The same with raw `ws`, as its README has it.
import { WebSocketServer } from "ws"

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
server.on("connection", (socket) => {
  socket.on("error", () => {})
  socket.on("message", (data, isBinary) => {
    for (const client of server.clients) client.send(data, { binary: isBinary })
  })
})
server.on("listening", () => process.stdout.write(`listening :${server.address().port}\n`))
