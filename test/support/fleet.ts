/**
 * What an operator sees of several servers by asking one.
 */
import * as Effect from "effect/Effect"
import { ask } from "./admin.js"
import { eventually } from "./eventually.js"
import { get } from "./get.js"

/** A connection, as it is listed. */
export interface SeenConnection {
  readonly id: string
  readonly remote: string
  readonly state: string
  readonly messagesIn: number
}

/** A page of the list, as it came. */
export interface SeenPage {
  readonly total: number
  readonly connections: ReadonlyArray<SeenConnection>
  readonly next: string | null
  readonly unanswered?: ReadonlyArray<string>
}

/** Asks for a page. */
export const page = (port: number, query = "limit=1000") =>
  Effect.map(
    ask({ port }, `GET /connections?${query}`),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the server sends
    ({ json }) => json as SeenPage
  )

/** The ids of all connections, page by page. */
export const idsOf = (port: number, limit = 1000) =>
  Effect.gen(function* () {
    const ids: Array<string> = []
    for (let after = ""; ;) {
      const { connections, next } = yield* page(
        port,
        `limit=${limit}${after === "" ? "" : `&after=${after}`}`
      )
      ids.push(...connections.map(({ id }) => id))
      if (next === null) return ids
      after = next
    }
  })

/** Waits until a server lists so many connections, and misses nobody's. */
export const lists = (port: number, total: number, patience?: number) =>
  eventually(
    `${total} are listed at ${port}`,
    Effect.map(page(port, "limit=1"), (seen) => seen.total === total && seen.unanswered === undefined),
    patience
  )

/** What `/readyz` says. */
export const readiness = (port: number) => Effect.map(get({ port }, "/readyz"), ({ body }) => body)

/** Waits until `/readyz` says it, and tells how many milliseconds that took. */
export const becomes = (port: number, state: "ok" | "degraded") =>
  Effect.gen(function* () {
    const start = performance.now()
    yield* eventually(
      `${port} is ${state}`,
      Effect.map(readiness(port), (body) => body === state)
    )
    return performance.now() - start
  })
