/**
 * Many servers, seen as one.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { stopReason } from "../connection/StopOptions.js"
import { ConnectionNotFound, serverOf } from "../protocol/ConnectionId.js"
import type { ConnectionInfo } from "../registry/ConnectionInfo.js"
import type { Fleet, NoAnswer, Unanswered } from "./Fleet.js"

/** One of them. */
export interface Member {
  /** What an operator knows it by. */
  readonly name: string
  /** What ends the ids of its connections: another with each of its processes. */
  readonly tags: ReadonlyArray<string>
  /** Its connections. */
  readonly fleet: Fleet<NoAnswer>
}

const byId = (one: ConnectionInfo, other: ConnectionInfo): number => (one.id < other.id ? -1 : 1)

/** Asks all of them at once. */
const askAll = <A extends Unanswered>(
  members: ReadonlyArray<Member>,
  ask: (fleet: Fleet<NoAnswer>) => Effect.Effect<A, NoAnswer>
): Effect.Effect<{ readonly answers: ReadonlyArray<A> } & Unanswered> =>
  Effect.map(
    Effect.forEach(
      members,
      ({ fleet, name }) =>
        ask(fleet).pipe(
          Effect.mapError(() => name),
          Effect.either
        ),
      { concurrency: "unbounded" }
    ),
    (all) => {
      const answers = all.filter(Either.isRight).map(({ right }) => right)
      const unanswered = all.filter(Either.isLeft).map(({ left }) => left)
      return { answers, unanswered: [...unanswered, ...answers.flatMap((answer) => answer.unanswered)] }
    }
  )

/** Makes one of those that are members at the time of each request. */
export const gather = (members: () => ReadonlyArray<Member>): Fleet => {
  /** Asks the one that holds a connection: the id tells who does. */
  const askHolder = <A, E>(
    id: string,
    ask: (fleet: Fleet<NoAnswer>) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | ConnectionNotFound> =>
    Effect.suspend((): Effect.Effect<A, E | ConnectionNotFound> => {
      const holder = members().find(({ tags }) => tags.includes(serverOf(id)))
      return holder === undefined ? Effect.fail(new ConnectionNotFound({ id })) : ask(holder.fleet)
    })
  return {
    page: (options) =>
      Effect.suspend(() => askAll(members(), (fleet) => fleet.page(options))).pipe(
        Effect.map(({ answers, unanswered }) => {
          const all = answers.flatMap(({ connections }) => connections).sort(byId)
          const connections = all.slice(0, options.limit)
          const isMore = all.length > options.limit || answers.some(({ next }) => next !== null)
          return {
            total: answers.reduce((sum, { total }) => sum + total, 0),
            connections,
            next: isMore ? (connections.at(-1)?.id ?? null) : null,
            unanswered
          }
        })
      ),
    get: (id) => askHolder(id, (fleet) => fleet.get(id)),
    stop: (id, options) => askHolder(id, (fleet) => fleet.stop(id, options)),
    stopAll: (options) =>
      Effect.gen(function* () {
        // Before anybody is asked: a code that can't be sent stops nobody.
        yield* stopReason(options)
        const { answers, unanswered } = yield* askAll(members(), (fleet) =>
          Effect.catchTag(fleet.stopAll(options), "InvalidClose", Effect.die)
        )
        return { stopped: answers.reduce((sum, { stopped }) => sum + stopped, 0), unanswered }
      }),
    applyFault: (id, plan) => askHolder(id, (fleet) => fleet.applyFault(id, plan))
  }
}
