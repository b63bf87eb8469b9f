/**
 * A room: connections that are sent the same messages, and of which a slow one holds up no other.
 */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Value from "../config/Value.js"
import type { Connection } from "../connection/Connection.js"
import type { ConnectionId } from "../protocol/ConnectionId.js"
import * as Message from "../protocol/Message.js"

/**
 * How a room deals with members that are slow.
 *
 * @example
 * ```ts
 * import { Room, type RoomOptions } from "answerback"
 *
 * // Prices: who is behind misses some, and gets the next.
 * const options: RoomOptions = { limit: "64KiB", slow: "drop" }
 *
 * export const prices = Room.make(options)
 * ```
 */
export interface RoomOptions {
  /**
   * The memory that outbound messages may take that wait on a member's connection, in bytes or as `1MiB`: their bytes,
   * and 128 for each. By default 1 MiB.
   */
  readonly limit?: number | string
  /**
   * What becomes of a member on whose connection more waits when there is something to be sent: by default
   * `disconnect`, its connection is given up as a `SlowConsumer`; with `drop` it doesn't get that message.
   */
  readonly slow?: "drop" | "disconnect"
}

/**
 * Of a broadcast, who is left out.
 *
 * @example
 * ```ts
 * import { type BroadcastOptions, type Connection, type Room } from "answerback"
 *
 * export const toOthers = (room: Room, speaker: Connection) => {
 *   const options: BroadcastOptions = { except: speaker }
 *   return room.broadcast("hello", options)
 * }
 * ```
 */
export interface BroadcastOptions {
  /** A connection that doesn't get the message: the one that it came from, say. */
  readonly except?: Connection | undefined
}

/**
 * What became of a broadcast: to how many members it was written, for how many it was left out, and how many were
 * disconnected, since they were slow.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { type Delivery, type Room } from "answerback"
 *
 * const missed = ({ disconnected, dropped }: Delivery) => dropped + disconnected
 *
 * export const warn = (room: Room) => Effect.map(room.broadcast("restart in 5 minutes"), missed)
 * ```
 */
export interface Delivery {
  readonly sent: number
  readonly dropped: number
  readonly disconnected: number
}

/** What becomes of a message that nobody is there for. */
export const NOBODY: Delivery = { sent: 0, dropped: 0, disconnected: 0 }

const MIB = 1024 ** 2

const sizes = Value.size(0, Number.MAX_SAFE_INTEGER, "any number of bytes")

/** A room's options, read. */
export interface Policy {
  readonly limit: number
  readonly slow: "drop" | "disconnect"
}

/** Reads the options of a room. One that can't be read is a defect: the program is wrong. */
export const policyOf = ({ limit = MIB, slow = "disconnect" }: RoomOptions): Effect.Effect<Policy> => {
  const bytes = sizes.read(String(limit))
  return bytes === undefined
    ? Effect.die(
        new Cause.IllegalArgumentException(`the limit of a room is ${limit}: accepted is ${sizes.accepts}`)
      )
    : Effect.succeed({ limit: bytes, slow })
}

/** That a connection is a member: how often it has joined, and how to hear no more of its end. */
interface Membership {
  joins: number
  forget: () => void
}

/**
 * A set of connections that are sent the same messages.
 *
 * What a member hasn't taken waits in its own outbound buffer, up to the room's limit and one message more; then it is
 * disconnected, or misses messages. A message is encoded once for all members, and a member costs no fiber, timer or
 * queue. All members get the messages of a room in the same order.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 * import { Room, WebSocketServer } from "answerback"
 *
 * export const Server = Layer.unwrapEffect(
 *   Effect.map(Room.make({ limit: "256KiB" }), (room) =>
 *     WebSocketServer.layer((connection) =>
 *       Effect.gen(function* () {
 *         yield* room.join(connection)
 *         yield* Stream.runForEach(connection.messages, (message) =>
 *           room.broadcast(message, { except: connection })
 *         )
 *       })
 *     )
 *   )
 * )
 * ```
 */
export class Room {
  readonly #members = new Map<Connection, Membership>()
  readonly #policy: Policy
  readonly #onEmpty: () => void

  /**
   * @param onEmpty called when the last member has left.
   * @internal
   */
  constructor(policy: Policy, onEmpty: () => void = () => {}) {
    this.#policy = policy
    this.#onEmpty = onEmpty
  }

  /** Makes a room, in which nobody is. Dies if the limit can't be read. */
  static make(options: RoomOptions = {}): Effect.Effect<Room> {
    return Effect.map(policyOf(options), (policy) => new Room(policy))
  }

  /**
   * Makes a connection a member until the scope closes or, before that, the connection begins to end. One that has
   * joined several times is one member, until the last of these scopes closes; one that is ending doesn't become one.
   */
  join(connection: Connection): Effect.Effect<void, never, Scope.Scope> {
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => this.enter(connection)),
        (leave) => Effect.sync(leave)
      )
    )
  }

  /**
   * Joins; the result, which is to be called once, leaves.
   *
   * @internal
   */
  enter(connection: Connection): () => void {
    if (connection.stopSignal.reason !== undefined) return () => {}
    const membership = this.#members.get(connection) ?? this.#admit(connection)
    membership.joins++
    return () => {
      membership.joins--
      if (membership.joins === 0) this.#remove(connection, membership)
    }
  }

  /**
   * Sends a message to all members: a string as text, bytes as binary, always uncompressed. Never waits and never
   * fails: it is written to every member within one turn of the event loop, or the room's policy applies to a member
   * that is slow. A connection that is stopping is no member any more.
   */
  broadcast(message: Message.Sendable, options: BroadcastOptions = {}): Effect.Effect<Delivery> {
    return Effect.uninterruptible(Effect.suspend(() => this.#broadcast(message, options.except)))
  }

  /** How many members there are. */
  get size(): Effect.Effect<number> {
    return Effect.sync(() => this.#members.size)
  }

  /** The ids of the members, in the order in which they joined. */
  get members(): Effect.Effect<ReadonlyArray<ConnectionId>> {
    return Effect.sync(() => Array.from(this.#members.keys(), ({ id }) => id))
  }

  /** @internal */
  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  #broadcast(message: Message.Sendable, except: Connection | undefined): Effect.Effect<Delivery> {
    if (this.isEmpty) return Effect.succeed(NOBODY)
    const batch = Chunk.of<Message.Message>(Message.prepare(message))
    const { limit, slow: policy } = this.#policy
    const slow: Array<Connection> = []
    let sent = 0
    let dropped = 0
    for (const [connection, membership] of this.#members) {
      if (connection === except) continue
      const outcome = connection.offer(batch, limit)
      if (outcome === "sent") sent++
      else if (outcome === "full" && policy === "drop") dropped++
      else if (outcome === "full") {
        // Out at once: it must not be found slow by another broadcast before it has been disconnected.
        this.#remove(connection, membership)
        slow.push(connection)
      }
    }
    const delivery = { sent, dropped, disconnected: slow.length }
    return slow.length === 0
      ? Effect.succeed(delivery)
      : Effect.as(
          Effect.forEach(slow, (connection) => connection.dropSlow, { discard: true }),
          delivery
        )
  }

  #admit(connection: Connection): Membership {
    const membership: Membership = { joins: 0, forget: () => {} }
    membership.forget = connection.stopSignal.onGiven(() => this.#remove(connection, membership))
    this.#members.set(connection, membership)
    return membership
  }

  #remove(connection: Connection, membership: Membership): void {
    if (this.#members.get(connection) !== membership) return
    this.#members.delete(connection)
    membership.forget()
    if (this.isEmpty) this.#onEmpty()
  }
}
