/**
 * Requests to the admin API, and its events, each on a TCP connection of its own.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import { eventually } from "./eventually.js"
import { noHandshake } from "./get.js"
import * as Http from "./http.js"
import * as RawClient from "./RawClient.js"

/** An answer, with its body as JSON if it is. */
export interface Answer extends Http.Response {
  readonly json: unknown
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Sends a request, such as `DELETE /connections`. */
export const ask = (
  to: RawClient.OpenOptions,
  line: string,
  options: Pick<Http.RequestOptions, "headers" | "httpVersion"> & { readonly body?: string } = {}
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const [method = "GET", path = "/"] = line.split(" ")
      const client = yield* RawClient.open(to)
      const length =
        options.body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(options.body)) }
      yield* client.write(
        Http.request({
          ...options,
          method,
          path,
          headers: { ...noHandshake, Connection: "close", ...length, ...options.headers }
        })
      )
      const response = yield* client.response
      return { ...response, json: jsonOf(response.body) } satisfies Answer
    })
  )

/** An event as it came. */
export interface Received {
  readonly id: string
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Somebody who follows the events. */
export interface Follower {
  readonly status: number | undefined
  readonly headers: http.IncomingHttpHeaders
  /** All that came so far. */
  readonly received: ReadonlyArray<Received>
  /** The comments that came so far. */
  readonly comments: () => number
  /** Waits for so many events in all. */
  readonly count: (count: number) => Effect.Effect<ReadonlyArray<Received>, Error>
  /** Waits until the server has ended it, in order or not. */
  readonly ended: Effect.Effect<"end" | "cut", Error>
  /** Stops to read, or reads again. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

const parse = (block: string): Received | undefined => {
  const fields = new Map(
    block.split("\n").map((line) => [line.split(": ", 1)[0], line.replace(/^\w*: /, "")])
  )
  const data = fields.get("data")
  if (data === undefined) return undefined
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the server sends are objects
  const object = JSON.parse(data) as Readonly<Record<string, unknown>>
  return { id: fields.get("id") ?? "", event: fields.get("event") ?? "", data: object }
}

/** Follows the events until the scope closes. */
export const follow = (
  port: number,
  headers: Readonly<Record<string, string>> = {}
): Effect.Effect<Follower, Error, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<http.IncomingMessage, Error>((resume) => {
        const request = http.get(
          { host: "127.0.0.1", port, path: "/events", headers, agent: false },
          (response) => resume(Effect.succeed(response))
        )
        request.on("error", (error) => resume(Effect.fail(error)))
      }),
      (response) => Effect.sync(() => response.destroy())
    ),
    (response) => {
      const received: Array<Received> = []
      let rest = ""
      let comments = 0
      let end: "end" | "cut" | undefined
      response.setEncoding("utf8")
      response.on("data", (text: string) => {
        const blocks = `${rest}${text}`.split("\n\n")
        rest = blocks.pop() ?? ""
        for (const block of blocks) {
          const event = parse(block)
          if (event !== undefined) received.push(event)
          else if (block.startsWith(":")) comments++
        }
      })
      response.once("end", () => (end ??= "end"))
      response.on("error", () => (end ??= "cut"))
      return {
        status: response.statusCode,
        headers: response.headers,
        received,
        comments: () => comments,
        count: (count) =>
          Effect.as(
            eventually(
              `${count} events`,
              Effect.sync(() => received.length >= count)
            ),
            received
          ),
        ended: Effect.map(
          eventually(
            "the end of the events",
            Effect.sync(() => end !== undefined)
          ),
          () => end ?? "cut"
        ),
        pause: Effect.sync(() => void response.pause()),
        resume: Effect.sync(() => void response.resume())
      }
    }
  )
