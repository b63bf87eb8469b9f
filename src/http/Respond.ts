/**
 * Answers to requests that lead nowhere: a status, and a JSON body that says why.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { STATUS_CODES, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Refusal } from "../protocol/Handshake.js"

const bodyOf = ({ error, message }: Refusal): string => `${JSON.stringify({ error, message })}\n`

/** As a response of the platform's router. */
export const toResponse = (refusal: Refusal): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(bodyOf(refusal), {
    status: refusal.status,
    headers: refusal.headers,
    contentType: "application/json"
  })

/** On a socket that has left the platform's hands. */
export const send = (response: ServerResponse, refusal: Refusal): void => {
  const body = bodyOf(refusal)
  response.writeHead(refusal.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...refusal.headers,
    connection:
      refusal.headers["connection"] === undefined ? "close" : `${refusal.headers["connection"]}, close`
  })
  response.end(body)
}

/** On a socket whose request could not be read. Whoever calls it also destroys the socket. */
export const sendRaw = (socket: Socket, refusal: Refusal): void => {
  const body = bodyOf(refusal)
  socket.write(
    [
      `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(body)}`,
      "connection: close",
      "",
      body
    ].join("\r\n")
  )
}
