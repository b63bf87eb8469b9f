/**
 * What a server may answer to whatever is sent before WebSocket is spoken.
 */
import { expect } from "vitest"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"

/** The answers to all keys that are somewhere in these bytes. */
const acceptable = (sent: Buffer): ReadonlyArray<string> =>
  [...sent.toString("latin1").matchAll(/(?=[\s:]([+/0-9A-Za-z]{22}==))/g)].map(([, key = ""]) =>
    Http.acceptOf(key)
  )

const problemOf = (response: Http.Response): string | undefined => {
  const { body, headers, status } = response
  if (status === 200) {
    const isKnown =
      body === "" || body === "ok" || /^(<!doctype html>|# HELP |\{"(total|openapi)":)/i.test(body)
    return isKnown ? undefined : "the body is that of no route"
  }
  if (status === 202) return /^\{"(id|stopped)":/.test(body) ? undefined : "the body is that of no route"
  if (status < 400 || status > 599) return "no such status is due"
  if (headers["content-type"] !== "application/json" || body === "") return undefined
  const parsed: unknown = JSON.parse(body)
  const keys = typeof parsed === "object" && parsed !== null ? Object.keys(parsed).sort().join() : ""
  return keys === "error,message" ? undefined : "the body doesn't tell what is wrong"
}

/**
 * The next response. One to a HEAD request has a length and no body: since no body begins like a response, that can be
 * told.
 */
const next = (rest: Buffer, sent: Buffer) => {
  const found = Http.parseHead(rest)
  if (found === undefined) return undefined
  const after = rest.subarray(found.length)
  const isBare =
    after.length === 0 ? sent.includes("HEAD ") : after.subarray(0, 5).toString("latin1") === "HTTP/"
  if (isBare) return { response: { ...found.head, body: "" }, length: found.length }
  return Http.parseResponse(rest, true)
}

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"

/**
 * Takes away the interim responses. Node writes one that is due while an earlier request is being answered between the
 * head and the body of its own final response, of all places.
 */
const withoutInterim = (
  sent: Buffer,
  received: Buffer
): { readonly rest: Buffer; readonly interim: number } => {
  if (!received.includes(CONTINUE)) return { rest: received, interim: 0 }
  if (!/100-continue/i.test(sent.toString("latin1"))) throw new Error("100 came, and nobody asked")
  const parts = received.toString("latin1").split(CONTINUE)
  return { rest: Buffer.from(parts.join(""), "latin1"), interim: parts.length - 1 }
}

/** All that has come back, as far as it is whole: the statuses, and the frames if the last of them is 101. */
export const read = (sent: Buffer, received: Buffer) => {
  const { interim, rest: whole } = withoutInterim(sent, received)
  const statuses: Array<number> = Array.from({ length: interim }, () => 100)
  let rest = whole
  while (rest.length > 0) {
    const found = next(rest, sent)
    if (found === undefined) break
    const { length, response } = found
    rest = rest.subarray(length)
    statuses.push(response.status)
    if (response.status === 101) {
      expect(acceptable(sent)).toContain(response.headers["sec-websocket-accept"])
      const parser = new Frames.FrameParser()
      parser.push(rest)
      for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
        const problem = Frames.violation(frame)
        if (problem !== undefined) throw new Error(`${problem}: ${Frames.describe(frame)}`)
      }
      return { statuses, rest: parser.rest }
    }
    const problem = problemOf(response)
    if (problem !== undefined) throw new Error(`${problem}: ${JSON.stringify(response)}`)
  }
  return { statuses, rest }
}
