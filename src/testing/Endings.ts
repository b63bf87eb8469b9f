/**
 * How the connections of a server have ended. They are remembered: a test may ask for an ending that was before.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StopReason } from "../protocol/StopReason.js"
import type { ConnectionInfo } from "../registry/ConnectionInfo.js"
import type { Connections } from "../registry/Connections.js"
import type { ConnectionEvent } from "../registry/Events.js"
import { Changes } from "./Changes.js"
import * as Words from "./Words.js"

/**
 * How a connection has ended, as its server counts it.
 *
 * @example
 * ```ts
 * import { StopReason } from "answerback"
 * import type * as Testing from "answerback/testing"
 *
 * export const wasClean = ({ code, reason }: Testing.Ended): boolean =>
 *   code === 1000 && StopReason.$is("PeerClosed")(reason)
 * ```
 */
export interface Ended {
  readonly reason: StopReason
  /** The close code that was sent or received: 1005 after an empty Close frame, `null` where TCP ended without one. */
  readonly code: number | null
}

/** What is known of a connection. */
export interface Known {
  info: ConnectionInfo
  /** Why it is to end. */
  reason: StopReason | undefined
  ended: Ended | undefined
  /** What has happened to it, a line each. */
  readonly story: Array<string>
}

/** The endings of a server's connections. */
export class Endings {
  readonly #known = new Map<string, Known>()
  readonly #changes = new Changes()

  /** Something has happened to a connection. */
  add(event: ConnectionEvent): void {
    const { connection } = event
    const known = this.of(connection.id) ?? {
      info: connection,
      reason: undefined,
      ended: undefined,
      story: []
    }
    this.#known.set(connection.id, known)
    known.info = connection
    known.story.push(tell(event))
    if (event._tag === "stopping") known.reason = event.reason
    if (event._tag === "closed") known.ended = { reason: event.reason, code: event.code }
    this.#changes.happened()
  }

  of(id: string): Known | undefined {
    return this.#known.get(id)
  }

  /** The last of a peer. */
  ofRemote(remote: string): Known | undefined {
    return [...this.#known.values()].findLast(({ info }) => info.remote === remote)
  }

  /** Waits until a connection has ended. */
  ended(id: string): Effect.Effect<Ended> {
    return Effect.suspend(() => {
      const ended = this.of(id)?.ended
      if (ended !== undefined) return Effect.succeed(ended)
      return Effect.zipRight(
        this.#changes.until(() => this.of(id)?.ended !== undefined),
        this.ended(id)
      )
    })
  }
}

const tell = (event: ConnectionEvent): string => {
  const { messagesIn, messagesOut, path, remote } = event.connection
  switch (event._tag) {
    case "opened":
      return `opened by ${remote}, for ${path}`
    case "stopping":
      return `stopping: ${Words.ofReason(event.reason)}, after ${messagesIn} messages in and ${messagesOut} out`
    case "closed":
      return `closed: ${Words.ofReason(event.reason)}, code ${event.code}`
  }
}

type Service = Context.Tag.Service<Connections>

/** The endings of servers that are followed from their first connection on. */
const followed = new WeakMap<Service, Endings>()

/** Remembers that these are the endings of these connections. */
export const remember = (connections: Service, endings: Endings): void => {
  followed.set(connections, endings)
}

/** Follows what happens to connections from now on, as long as the scope is open. */
export const follow = (connections: Service): Effect.Effect<Endings, never, Scope.Scope> =>
  Effect.gen(function* () {
    const endings = new Endings()
    yield* Effect.forkScoped(
      Stream.runForEach(connections.events, (event) => Effect.sync(() => endings.add(event)))
    )
    // It has subscribed when it is this fiber's turn again.
    yield* Effect.yieldNow()
    return endings
  })

/** The endings of connections, if somebody has followed them from the first on. */
export const of = (connections: Service): Endings | undefined => followed.get(connections)
