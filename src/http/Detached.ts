/**
 * Sockets that Node's HTTP server has let go of, since their requests want to leave HTTP.
 */
import * as http from "node:http"
import { Server, Socket } from "node:net"
import type { Duplex } from "node:stream"
import { draining } from "../protocol/Handshake.js"
import { send } from "./Respond.js"

/** What Node knows of a socket: the response that it is to carry now, also of those that no `request` tells of. */
interface Answering {
  readonly _httpMessage?: http.ServerResponse | null
}

/** With TLS, the TCP connection under it. */
interface Layered {
  readonly _parent?: unknown
}

/** Whether it is a socket of TCP, or of TLS. */
export const isSocket = (stream: Duplex): stream is Socket => stream instanceof Socket

/** Listens to errors that are followed by the end of the socket, which tells enough. */
export const ignore = (): void => {}

/** One function for all: there are many, and those that became WebSockets stay for long. */
const tellOfDrain = function (this: Socket & Answering): void {
  this._httpMessage?.emit("drain")
}

/** Calls back when all that was asked before on the socket has been answered (RFC 9112 section 9.3.2), unless it ends. */
export const whenItsTurn = (socket: Socket & Answering, then: () => void): void => {
  // Node tells the responses nothing any more: not those under way, nor those to come.
  if (!socket.listeners("drain").includes(tellOfDrain)) socket.on("drain", tellOfDrain)
  if (isAnswering(socket)) socket._httpMessage?.once("close", () => whenItsTurn(socket, then))
  else if (socket.writable) then()
}

/** Whether something that was asked before is being answered on it. */
export const isAnswering = ({ _httpMessage }: Socket & Answering): boolean =>
  _httpMessage !== undefined && _httpMessage !== null

/** A response that ends the socket. */
export const responseOn = (socket: Socket, request: http.IncomingMessage): http.ServerResponse => {
  const response = new http.ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  response.once("finish", () => socket.destroySoon())
  return response
}

/** The TCP connection under a socket, or itself if it is one. */
export const tcpOf = (socket: Socket & Layered): Socket =>
  socket._parent instanceof Socket ? socket._parent : socket

const heads = new WeakMap<http.IncomingMessage, Buffer>()
const guarded = new WeakSet<Server>()

/** What came behind a request on a server that is guarded. */
export const headOf = (request: http.IncomingMessage): Buffer => heads.get(request) ?? Buffer.alloc(0)

/** A socket whose last answer is over HTTP isn't left to its peer. */
const afterAnswer = function (this: Socket): void {
  if (isAnswering(this)) this.destroySoon()
}

/** Answers for those who have gone, or haven't come yet. */
const answerFor = (server: Server, socket: Socket, request: http.IncomingMessage): void => {
  // Without a listener for upgrades it would be a plain request, and so it is.
  if (server.listenerCount("request") > 0)
    whenItsTurn(socket, () => void server.emit("request", request, responseOn(socket, request)))
  else if (isAnswering(socket)) socket.destroy()
  else send(responseOn(socket, request), draining)
}

/**
 * Sees to it that no peer of a server does harm while somebody decides on its upgrade: Node leaves its socket without
 * anybody who listens to its errors, and a reset then ends the process.
 */
export const guard = (server: Server): void => {
  if (guarded.has(server)) return
  guarded.add(server)
  server.prependListener("upgrade", (request: http.IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", ignore)
    heads.set(request, head)
    if (!isSocket(socket)) return
    socket.once("finish", afterAnswer)
    if (server.listenerCount("upgrade") === 1) answerFor(server, socket, request)
  })
}

interface Served {
  readonly server?: unknown
}

/** Guards the server of a socket from now on. */
export const guardServerOf = (socket: Socket & Served): void => {
  if (!socket.listeners("error").includes(ignore)) socket.on("error", ignore)
  if (socket.server instanceof Server) guard(socket.server)
}

interface Upgradable {
  readonly upgrade?: unknown
}

/** Whether a request has left HTTP, so that its socket is in nobody's hands. */
export const isUpgrade = (request: http.IncomingMessage & Upgradable): boolean => request.upgrade === true
