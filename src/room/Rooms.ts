/**
 * Rooms by their names: each is there for as long as somebody is in it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection } from "../connection/Connection.js"
import type { ConnectionId } from "../protocol/ConnectionId.js"
import type * as Message from "../protocol/Message.js"
import {
  type BroadcastOptions,
  type Delivery,
  NOBODY,
  type Policy,
  policyOf,
  Room,
  type RoomOptions
} from "./Room.js"

/**
 * Rooms by their names, such as the channels of a chat. A room comes into being when somebody joins it, and vanishes
 * when its last member has left.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 * import { Rooms, WebSocketServer } from "answerback"
 *
 * export const Chat = Layer.unwrapEffect(
 *   Effect.map(Rooms.make({ slow: "drop" }), (rooms) =>
 *     WebSocketServer.layer((connection) =>
 *       Effect.gen(function* () {
 *         yield* rooms.join("lobby", connection)
 *         yield* Stream.runForEach(connection.messages, (message) => rooms.broadcast("lobby", message))
 *       })
 *     )
 *   )
 * )
 * ```
 */
export class Rooms {
  readonly #rooms = new Map<string, Room>()
  readonly #policy: Policy

  /** @internal */
  constructor(policy: Policy) {
    this.#policy = policy
  }

  /** Makes rooms that all have these options. Dies if the limit can't be read. */
  static make(options: RoomOptions = {}): Effect.Effect<Rooms> {
    return Effect.map(policyOf(options), (policy) => new Rooms(policy))
  }

  /** Makes a connection a member of the room with this name, as `Room.join` does. */
  join(name: string, connection: Connection): Effect.Effect<void, never, Scope.Scope> {
    return Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => this.#enter(name, connection)),
        (leave) => Effect.sync(leave)
      )
    )
  }

  /** Sends a message to all members of the room with this name, as `Room.broadcast` does. */
  broadcast(name: string, message: Message.Sendable, options?: BroadcastOptions): Effect.Effect<Delivery> {
    return Effect.suspend(() => this.#rooms.get(name)?.broadcast(message, options) ?? Effect.succeed(NOBODY))
  }

  /** The ids of the members of the room with this name. */
  members(name: string): Effect.Effect<ReadonlyArray<ConnectionId>> {
    return Effect.suspend(() => this.#rooms.get(name)?.members ?? Effect.succeed([]))
  }

  /** The names of the rooms in which somebody is. */
  get names(): Effect.Effect<ReadonlyArray<string>> {
    return Effect.sync(() => [...this.#rooms.keys()])
  }

  #enter(name: string, connection: Connection): () => void {
    const room = this.#rooms.get(name) ?? new Room(this.#policy, () => this.#rooms.delete(name))
    const leave = room.enter(connection)
    // One that is ending doesn't become a member, and is no reason for a room.
    if (!room.isEmpty) this.#rooms.set(name, room)
    return leave
  }
}
