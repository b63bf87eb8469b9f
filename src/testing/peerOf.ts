/**
 * A peer in memory, as a test has it in its hands.
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { About } from "../connection/About.js"
import type { Connection } from "../connection/Connection.js"
import * as CloseCode from "../protocol/CloseCode.js"
import * as Message from "../protocol/Message.js"
import { snapshot } from "../registry/ConnectionInfo.js"
import type { Connections } from "../registry/Connections.js"
import type { Accepted } from "../registry/Registry.js"
import type { Endings } from "./Endings.js"
import { causeOf, ExpectationFailed } from "./ExpectationFailed.js"
import type { MemoryPeer } from "./MemoryPeer.js"
import type { Peer, PeerEnded } from "./Peer.js"
import { receiving } from "./receiving.js"
import * as Words from "./Words.js"

/** How long, in real time, the end of a test waits for a handler that doesn't end, in milliseconds. */
const PATIENCE = 1000

/** A connection whose peer is in memory. */
export interface Connected {
  readonly about: About
  readonly accepted: Accepted
  readonly connections: Context.Tag.Service<Connections>
  readonly endings: Endings
  readonly far: MemoryPeer
  readonly connection: Connection
}

/** Lets the peer go away, and waits until nothing is left of the connection. */
export const leave = ({ accepted, endings, far }: Connected): Effect.Effect<void> =>
  Effect.sync(() => far.goAway()).pipe(
    Effect.zipRight(endings.ended(accepted.id)),
    Effect.zipRight(Fiber.await(accepted.fiber)),
    // A handler that waits for a clock which stands still must not hold up the end of the test.
    Effect.interruptible,
    Effect.timeoutOption(PATIENCE),
    Effect.withClock(Clock.make()),
    Effect.asVoid
  )

/** Makes what a test has in its hands. */
export const peerOf = ({ about, accepted, connections, endings, far, connection }: Connected): Peer => {
  const { fiber, id } = accepted

  const failed = (expected: string): Effect.Effect<never, ExpectationFailed> =>
    Effect.suspend(() => {
      const reason = endings.of(id)?.reason
      const seen =
        reason === undefined
          ? "that the peer had ended the connection itself"
          : `the end of the connection: ${Words.ofReason(reason)}`
      return Effect.fail(new ExpectationFailed({ expected, seen, story: [...far.story], ...causeOf(reason) }))
    })

  const ended: Peer["ended"] = Effect.gen(function* () {
    const { code, reason } = yield* endings.ended(id)
    yield* Fiber.await(fiber)
    const { closeFrame, tcp = "reset" } = far
    const ended: PeerEnded = { reason, code, closeFrame, tcp }
    return ended
  })

  return {
    id,
    subprotocol: about.subprotocol,
    send: (...messages) =>
      Effect.suspend(() =>
        far.canSend
          ? Effect.sync(() => far.send(messages.map(Message.from)))
          : failed("a connection that the peer can send on")
      ),
    receive: receiving(far, failed("a message")),
    get received() {
      return [...far.received]
    },
    close: (code, reason = "") =>
      Effect.suspend(() => {
        if (code === undefined) return Effect.sync(() => far.close(CloseCode.NO_STATUS, ""))
        return Effect.map(CloseCode.check(code, reason), () => far.close(code, reason))
      }),
    vanish: (how = "end") => Effect.sync(() => (how === "end" ? far.end() : far.reset())),
    pauseReading: Effect.sync(() => far.pauseReading()),
    resumeReading: Effect.sync(() => far.resumeReading()),
    ping: (payload = "") =>
      Effect.suspend(() => {
        const from = far.pongs.length
        const isAnswered = () => far.pongs.includes(payload, from)
        if (!far.canSend) return failed("a connection that the peer can ping")
        far.ping(payload)
        return Effect.zipRight(
          far.changes.until(() => isAnswered() || far.isOver),
          Effect.suspend(() => (isAnswered() ? Effect.void : failed("a pong")))
        )
      }),
    behave: (manners) => Effect.sync(() => far.behave(manners)),
    stop: (options) => connections.stop(id, options),
    shutdown: connections.drain,
    info: Effect.sync(() => snapshot(connection)),
    get unreadBytes() {
      return far.transport.unread
    },
    ended,
    get story() {
      return [...far.story]
    }
  }
}
