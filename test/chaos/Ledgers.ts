/**
 * What handlers write down of themselves, and whether the list agrees with it.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type ConnectionClosed, type ConnectionInfo, echo, type Handler } from "../../src/index.js"
import type { Ledger } from "./FaultHistory.js"
import type { Story } from "./Story.js"

/** By the address of the peer. */
export type Ledgers = Map<string, Ledger>

const slowEcho =
  (millis: number): Handler<ConnectionClosed> =>
  (connection) =>
    Stream.runForEach(connection.messages, (message) =>
      Effect.zipRight(Effect.sleep(millis), connection.send(message))
    )

/** An echo that takes its time, or the one of the product, which writes down what it sends. */
export const recording =
  (ledgers: Ledgers, handlerTime: number): Handler<ConnectionClosed> =>
  (connection) =>
    Effect.suspend(() => {
      const ledger: Ledger = { connection, openedAt: performance.now(), handledAt: [], open: 0 }
      ledgers.set(connection.remote, ledger)
      const send = connection.sendNow.bind(connection)
      connection.sendNow = (messages) => {
        const at = performance.now()
        ledger.handledAt.push(...Chunk.map(messages, () => at))
        if (connection.stopSignal.reason === undefined) ledger.open += messages.length
        return send(messages)
      }
      return handlerTime === 0 ? echo(connection) : slowEcho(handlerTime)(connection)
    })

/** What the list says of a connection that isn't ending, and can't be. */
export const oddities = (
  story: Story,
  now: number,
  seen: ConnectionInfo,
  heldUp: (from: number, to: number) => number
): ReadonlyArray<string> => {
  const { faults, frozen } = story
  const odd: Array<string> = []
  const expected = faults.stateAt(now, heldUp)
  if (expected !== undefined && seen.state !== expected)
    odd.push(`${seen.remote} shows as ${seen.state}, and is to be ${expected}`)
  const { bytesOut, messagesIn, messagesOut } = seen
  const counts = [messagesIn, messagesOut, bytesOut].join(" ")
  const isSame = frozen !== undefined && frozen.entry === faults.last
  if (seen.state === "stalled" && isSame && frozen.counts !== counts)
    odd.push(`${seen.remote} is stalled, and its counters went from ${frozen.counts} to ${counts}`)
  story.frozen = seen.state === "stalled" ? { entry: faults.last, counts } : undefined
  return odd
}
