/**
 * Who is alive: the connections of this server, to list, stop and follow.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { StopOptions } from "../connection/StopOptions.js"
import type { InvalidClose } from "../protocol/CloseCode.js"
import type { ConnectionNotFound } from "../protocol/ConnectionId.js"
import type { ConnectionInfo, Page } from "./ConnectionInfo.js"
import type { ConnectionEvent } from "./Events.js"

/**
 * The connections of this server.
 *
 * @example
 * ```ts
 * import { Connections } from "answerback"
 * import { Effect, Stream } from "effect"
 *
 * export const watch = Effect.gen(function* () {
 *   const { events } = yield* Connections
 *   yield* Stream.runForEach(events, (event) =>
 *     event._tag === "closed"
 *       ? Effect.logInfo(`${event.connection.remote} has gone: ${event.reason._tag}`)
 *       : Effect.void
 *   )
 * })
 * ```
 */
export class Connections extends Context.Tag("answerback/Connections")<
  Connections,
  {
    /** How many are open. */
    readonly count: Effect.Effect<number>
    /** All that are open, in the order of their ids, which is that of their opening. */
    readonly list: Effect.Effect<ReadonlyArray<ConnectionInfo>>
    /** Some of them, in that order. A page stays right while connections come and go. */
    readonly page: (options: PageOptions) => Effect.Effect<Page>
    /** One of them. */
    readonly get: (id: string) => Effect.Effect<ConnectionInfo, ConnectionNotFound>
    /** Stops one. Stopping one that is stopping already changes nothing. Doesn't wait until it has ended. */
    readonly stop: (
      id: string,
      options?: StopOptions
    ) => Effect.Effect<void, ConnectionNotFound | InvalidClose>
    /** Stops all that are open now, and tells how many this call stopped. */
    readonly stopAll: (options?: StopOptions) => Effect.Effect<number, InvalidClose>
    /**
     * Ends all connections, and lets no more in: what a shutdown does, within the same times, while the rest of the
     * program goes on. Ends when all have ended.
     */
    readonly drain: Effect.Effect<void>
    /** What happens from now on. A subscriber who lags by more than 1,000 events loses the oldest. */
    readonly events: Stream.Stream<ConnectionEvent>
  }
>() {}

/**
 * Which of the connections are wanted.
 *
 * @example
 * ```ts
 * import { Connections, type PageOptions } from "answerback"
 * import { Effect } from "effect"
 *
 * const first: PageOptions = { limit: 100 }
 * export const some = Effect.flatMap(Connections, ({ page }) => page(first))
 * ```
 */
export interface PageOptions {
  /** How many at most. */
  readonly limit: number
  /** The id after which to begin; its connection may have ended. By default, from the first on. */
  readonly after?: string | undefined
}
