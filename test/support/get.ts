/**
 * GET requests, each on a TCP connection of its own.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Http from "./http.js"
import * as RawClient from "./RawClient.js"

/** The headers of a request that is no handshake. */
export const noHandshake: Http.Headers = {
  Upgrade: null,
  Connection: null,
  "Sec-WebSocket-Key": null,
  "Sec-WebSocket-Version": null
}

/** Asks for a path. */
export const get = (to: RawClient.OpenOptions, path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* RawClient.open(to)
      yield* client.write(Http.request({ path, headers: { ...noHandshake, Connection: "close" } }))
      return yield* client.response
    })
  )

/** Asks for a path again and again, until it answers 503: nothing else tells when a signal has arrived. */
export const untilUnavailable = (port: number, path: string) =>
  get({ port }, path).pipe(
    Effect.filterOrFail(
      ({ status }) => status === 503,
      ({ status }) => new Error(`${path} still answers ${status}`)
    ),
    Effect.retry(Schedule.intersect(Schedule.spaced(5), Schedule.recurs(1000)))
  )
