/**
 * Expectations of how a connection ends.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type { StopReason } from "../protocol/StopReason.js"
import { Connections } from "../registry/Connections.js"
import type { Client } from "./Client.js"
import * as Endings from "./Endings.js"
import { causeOf, ExpectationFailed } from "./ExpectationFailed.js"
import type { Peer, PeerEnded } from "./Peer.js"
import * as Words from "./Words.js"

/**
 * Why a connection is expected to end: any case of that name, or one to the letter.
 *
 * @example
 * ```ts
 * import { StopReason } from "answerback"
 * import type * as Testing from "answerback/testing"
 *
 * export const slow: Testing.ExpectedStop = "SlowConsumer"
 * export const kicked: Testing.ExpectedStop = StopReason.StopSignal({ code: 4003, reason: "kicked" })
 * ```
 */
export type ExpectedStop = StopReason["_tag"] | StopReason

/** What the peer sees of a fault is no value of its own. */
const same = (a: StopReason, b: StopReason): boolean =>
  a._tag === "Fault" && b._tag === "Fault"
    ? a.kind === b.kind && JSON.stringify(a.last) === JSON.stringify(b.last)
    : Equal.equals(a, b)

const wordsOf = (expected: ExpectedStop): string =>
  typeof expected === "string" ? expected : Words.ofReason(expected)

const check = <A extends Endings.Ended>(
  ended: A,
  expected: ExpectedStop,
  story: ReadonlyArray<string>
): Effect.Effect<A, ExpectationFailed> => {
  const { reason } = ended
  const isAsExpected = typeof expected === "string" ? reason._tag === expected : same(reason, expected)
  if (isAsExpected) return Effect.succeed(ended)
  return Effect.fail(
    new ExpectationFailed({
      expected: `the connection to end with ${wordsOf(expected)}`,
      seen: Words.ofReason(reason),
      story,
      ...causeOf(reason)
    })
  )
}

type Service = Context.Tag.Service<Connections>

const failed = (name: string, expected: ExpectedStop, seen: string, story: ReadonlyArray<string> = []) =>
  Effect.fail(new ExpectationFailed({ expected: `${name} to end with ${wordsOf(expected)}`, seen, story }))

/** Waits for the ending of a connection, or finds the one that was. */
const endingOf = (connections: Service, id: string, expected: ExpectedStop) =>
  Effect.gen(function* () {
    const remembered = Endings.of(connections)
    const endings = remembered ?? (yield* Endings.follow(connections))
    // Its events may be on their way.
    yield* Effect.yieldNow()
    if (endings.of(id) === undefined)
      yield* Effect.orElse(connections.get(id), () =>
        failed(
          `connection ${id}`,
          expected,
          remembered === undefined
            ? "none that is open: how it had ended before is not known of this server, as it is of those of Testing.layerServer"
            : "that this server never had it"
        )
      )
    const ended = yield* endings.ended(id)
    return { ended, story: endings.of(id)?.story ?? [] }
  }).pipe(Effect.scoped)

const ofClient = (client: Client, expected: ExpectedStop) =>
  Effect.gen(function* () {
    const connections = yield* Connections
    const isIts = ({ remote }: { readonly remote: string }) => remote === client.local
    const open = (yield* connections.list).find(isIts)
    yield* Effect.yieldNow()
    const id = open?.id ?? Endings.of(connections)?.ofRemote(client.local)?.info.id
    if (id === undefined)
      return yield* failed(
        `the connection of ${client.local}`,
        expected,
        "no connection from there at this server",
        client.story
      )
    const { ended, story } = yield* endingOf(connections, id, expected)
    yield* client.ended
    return yield* check(ended, expected, [...client.story, ...story.map((line) => `connection: ${line}`)])
  })

/**
 * Waits until a connection has ended, and checks why. Gives the ending; fails with `ExpectationFailed` when it was another.
 *
 * - of a `Peer`, without a socket;
 * - of a `Client`: its connection is found at the server of the test, whose `Connections` are required;
 * - of a connection of a server, by its `Connections` and its id. An ending that was before is known of the servers of this
 *   kit (`layerServer`, `serve`); of any other, the connection has to be open when this begins.
 *
 * @example
 * ```ts
 * import { StopReason } from "answerback"
 * import * as Testing from "answerback/testing"
 * import { Effect, Stream } from "effect"
 *
 * export const test = Effect.scoped(
 *   Effect.gen(function* () {
 *     const peer = yield* Testing.connect((connection) =>
 *       Stream.runForEach(connection.messages, () => connection.close({ code: 4000, reason: "bye" }))
 *     )
 *     yield* peer.send("hello")
 *     yield* Testing.expectStop(peer, StopReason.StopSignal({ code: 4000, reason: "bye" }))
 *   })
 * )
 * ```
 */
export function expectStop(peer: Peer, expected: ExpectedStop): Effect.Effect<PeerEnded, ExpectationFailed>
export function expectStop(
  client: Client,
  expected: ExpectedStop
): Effect.Effect<Endings.Ended, ExpectationFailed, Connections>
export function expectStop(
  connections: Service,
  id: string,
  expected: ExpectedStop
): Effect.Effect<Endings.Ended, ExpectationFailed>
export function expectStop(
  ...args:
    | [target: Peer | Client, expected: ExpectedStop]
    | [connections: Service, id: string, expected: ExpectedStop]
): Effect.Effect<Endings.Ended, ExpectationFailed, Connections> {
  if (args.length === 3) {
    const [connections, id, expected] = args
    return Effect.flatMap(endingOf(connections, id, expected), ({ ended, story }) =>
      check(ended, expected, story)
    )
  }
  const [target, expected] = args
  if ("local" in target) return ofClient(target, expected)
  return Effect.flatMap(target.ended, (ended) => check(ended, expected, target.story))
}
