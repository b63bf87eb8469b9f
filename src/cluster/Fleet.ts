/**
 * Who holds connections, as an operator sees it: one server, or many as one.
 */
import * as Data from "effect/Data"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { StopOptions } from "../connection/StopOptions.js"
import { disabled, type Faults } from "../faults/Faults.js"
import type { InvalidClose } from "../protocol/CloseCode.js"
import type { ConnectionNotFound } from "../protocol/ConnectionId.js"
import type { Refusal } from "../protocol/Handshake.js"
import type { ConnectionInfo, Page } from "../registry/ConnectionInfo.js"
import type { Connections, PageOptions } from "../registry/Connections.js"

/** A server that holds what was asked about didn't answer in time: what became of the request isn't known. */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly server: string }> {
  override get message(): string {
    return `the server ${this.server}, which holds the connection, did not answer in time: whether it did what it was asked is not known. Look the connection up, and try again`
  }
}

/** Servers whose part is missing in an answer, since they didn't answer in time. */
export interface Unanswered {
  readonly unanswered: ReadonlyArray<string>
}

/**
 * Who holds connections. What is asked about one connection fails if the server that holds it doesn't answer.
 *
 * @typeParam E what else may go wrong, whatever is asked.
 */
export interface Fleet<E = never> {
  /** Some of the connections, in the order of their ids. */
  readonly page: (options: PageOptions) => Effect.Effect<Page & Unanswered, E>
  readonly get: (id: string) => Effect.Effect<ConnectionInfo, ConnectionNotFound | NoAnswer>
  readonly stop: (
    id: string,
    options?: StopOptions
  ) => Effect.Effect<void, ConnectionNotFound | InvalidClose | NoAnswer>
  /** Stops all that are open now, and counts those that this call stopped. */
  readonly stopAll: (
    options?: StopOptions
  ) => Effect.Effect<{ readonly stopped: number } & Unanswered, InvalidClose | E>
  /** Lets something go wrong with an open connection, as is written in JSON. */
  readonly applyFault: (
    id: string,
    plan: string
  ) => Effect.Effect<void, ConnectionNotFound | Refusal | NoAnswer>
}

/** The connections of one server. */
export const ofServer = (
  connections: Context.Tag.Service<Connections>,
  faults: Context.Tag.Service<Faults> | undefined
): Fleet => ({
  page: (options) => Effect.map(connections.page(options), (page) => ({ ...page, unanswered: [] })),
  get: connections.get,
  stop: connections.stop,
  stopAll: (options) => Effect.map(connections.stopAll(options), (stopped) => ({ stopped, unanswered: [] })),
  applyFault: (id, text) =>
    Effect.gen(function* () {
      if (faults === undefined || faults.askers === "nobody") return yield* Effect.fail(disabled)
      yield* faults.apply(id, yield* faults.read(text))
    })
})
