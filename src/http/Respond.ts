/**
 * Answers to requests that lead nowhere, a status and a JSON body that says why; and how answers are written.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { STATUS_CODES, type ServerResponse, validateHeaderName, validateHeaderValue } from "node:http"
import type { Socket } from "node:net"
import { type Refusal, refusal, upgradeRequired } from "../protocol/Handshake.js"
import { MAX_HEADER_SIZE } from "./HttpServer.js"

/** To a request that wasn't finished in time. */
export const tooSlow = refusal(
  408,
  "RequestTimeout",
  "the request took too long: it was not finished in time"
)

/** To a request that can't be read, from what Node says is wrong with it. */
export const whatIsWrong = (error: Error & { readonly code?: string }) => {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return refusal(
        431,
        "HeadersTooLarge",
        `the head of the request is larger than ${MAX_HEADER_SIZE} bytes`
      )
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return tooSlow
    default:
      return refusal(400, "BadRequest", `this is not HTTP: ${error.message}`)
  }
}

/** To a method that a path doesn't answer (RFC 9110 section 15.5.6). */
export const methodNotAllowed = (path: string, methods: ReadonlyArray<string>): Refusal =>
  refusal(405, "MethodNotAllowed", `${path} answers ${methods.join(", ")}`, { allow: methods.join(", ") })

const bodyOf = ({ error, message }: Refusal): string => `${JSON.stringify({ error, message })}\n`

/** As a response of the platform's router. */
export const toResponse = (refusal: Refusal): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(bodyOf(refusal), {
    status: refusal.status,
    headers: refusal.headers,
    contentType: refusal.headers["content-type"] ?? "application/json"
  })

/** To a request for an endpoint that is no handshake. */
export const noHandshake = (
  request: HttpServerRequest.HttpServerRequest
): HttpServerResponse.HttpServerResponse => {
  const answer = toResponse(upgradeRequired)
  // Node keeps a connection whose header `connection` is written, and doesn't say `close`, whatever the client wants.
  return NodeHttpServerRequest.toServerResponse(request).shouldKeepAlive
    ? answer
    : HttpServerResponse.setHeader(answer, "connection", `${upgradeRequired.headers["connection"]}, close`)
}

/**
 * Writes a response that is all there. The platform then finds it written: it would wait until the last byte is out,
 * and for ever if the client goes before, which would leave the fiber of each such request. Written as a stream it
 * would leave none, and take as many steps again as all the rest of a request.
 */
export const write = (
  request: HttpServerRequest.HttpServerRequest,
  answer: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  const { body, headers, status } = answer
  if (body._tag === "Uint8Array") {
    NodeHttpServerRequest.toServerResponse(request).writeHead(status, headers).end(body.body)
  }
  return answer
}

/** Headers that say how long the body is, which is not for who refuses. */
const ofBody = new Set(["content-length", "transfer-encoding"])

/** Whether it can be sent as an answer that ends a request. */
export const isAnswer = ({ headers, status }: Refusal): boolean => {
  if (!Number.isInteger(status) || status < 300 || status > 599) return false
  try {
    for (const [name, value] of Object.entries(headers)) {
      if (ofBody.has(name)) return false
      validateHeaderName(name)
      validateHeaderValue(name, value)
    }
    return true
  } catch {
    return false
  }
}

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
