/**
 * What happens to connections, as those hear of it who follow.
 */
import { describe, expect } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { echo } from "../../src/connection/Echo.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import { type ConnectionEvent, Events } from "../../src/registry/Events.js"
import { serve, type Server } from "../support/registry.js"
import { settle, timeless } from "../support/timeless.js"

const idOf = ({ connections }: Server, index = 0) =>
  Effect.map(connections.list, (list) => list[index]?.id ?? "no such connection")

describe("the events", () => {
  /** Follows the events from now on, into a list. */
  const follow = (server: Server) =>
    Effect.gen(function* () {
      const seen: Array<ConnectionEvent> = []
      yield* Effect.forkScoped(
        Stream.runForEach(server.connections.events, (event) => Effect.sync(() => seen.push(event)))
      )
      yield* settle
      return seen
    })

  const brief = (event: ConnectionEvent): string =>
    [event._tag, event.connection.remote, event._tag === "opened" ? undefined : event.reason._tag]
      .filter((part) => part !== undefined)
      .join(" ")

  timeless("of a connection are opened, stopping and closed, once each and in this order", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const seen = yield* follow(server)
      const transport = server.open({ remote: "192.0.2.1:1", answersClose: false })
      yield* settle
      yield* server.connections.stop(yield* idOf(server))
      yield* server.connections.stop(yield* idOf(server))
      yield* settle
      transport.peerVanishes()
      transport.socketCloses()
      yield* settle
      expect(seen.map(brief)).toEqual([
        "opened 192.0.2.1:1",
        "stopping 192.0.2.1:1 StopSignal",
        "closed 192.0.2.1:1 StopSignal"
      ])
    })
  )

  timeless("are the same when all happens in one moment", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const seen = yield* follow(server)
      const transport = server.open({ remote: "192.0.2.1:1" })
      transport.socketCloses()
      yield* settle
      expect(seen.map(({ _tag }) => _tag)).toEqual(["opened", "stopping", "closed"])
    })
  )

  timeless("carry the connection as it is at that time, and the reason", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const seen = yield* follow(server)
      const transport = server.open()
      transport.deliver("one")
      yield* settle
      transport.deliver("two")
      transport.peerCloses(4001, "bye")
      yield* settle
      const reason = StopReason.PeerClosed({ code: 4001, reason: "bye" })
      expect(seen).toMatchObject([
        { _tag: "opened", connection: { messagesIn: 0, state: "open" } },
        { _tag: "stopping", connection: { messagesIn: 1, messagesOut: 1, state: "stopping" }, reason },
        { _tag: "closed", connection: { messagesIn: 2, messagesOut: 2, state: "stopping" }, reason }
      ])
      expect(new Set(seen.map(({ connection }) => connection.id)).size).toBe(1)
    })
  )

  timeless("are those from now on, for each who follows", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const [one] = server.openMany(1)
      const first = yield* follow(server)
      server.open({ remote: "192.0.2.1:2" })
      yield* settle
      const second = yield* follow(server)
      one?.peerCloses(1000)
      yield* settle
      expect(second.map(brief)).toEqual(["stopping 192.0.2.1:1 PeerClosed", "closed 192.0.2.1:1 PeerClosed"])
      expect(first.map(brief)).toEqual(["opened 192.0.2.1:2", ...second.map(brief)])
    })
  )

  timeless("go on for who still follows when another one no longer does", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const staying = yield* follow(server)
      const scope = yield* Scope.make()
      const leaving = yield* Scope.extend(follow(server), scope)
      server.openMany(1)
      yield* settle
      yield* Scope.close(scope, Exit.void)
      server.open({ remote: "192.0.2.1:2" })
      yield* settle
      expect(leaving.map(brief)).toEqual(["opened 192.0.2.1:1"])
      expect(staying.map(brief)).toEqual(["opened 192.0.2.1:1", "opened 192.0.2.1:2"])
    })
  )

  timeless("that come when the list says so: closed is not in it any more, stopping still is", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const counts: Array<[string, number]> = []
      yield* Effect.forkScoped(
        Stream.runForEach(server.connections.events, ({ _tag }) =>
          Effect.map(server.connections.count, (count) => counts.push([_tag, count]))
        )
      )
      yield* settle
      const transport = server.open({ answersClose: false })
      yield* settle
      transport.peerCloses(1000)
      yield* settle
      transport.socketCloses()
      yield* settle
      expect(counts).toEqual([
        ["opened", 1],
        ["stopping", 1],
        ["closed", 0]
      ])
    })
  )

  /** Follows, but is held up at the first event until the gate opens. */
  const lag = (server: Server, gate: Deferred.Deferred<void>) =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(server.connections.events, (event) =>
          Effect.zipRight(
            Effect.sync(() => seen.push(event.connection.remote)),
            Deferred.await(gate)
          )
        )
      )
      yield* settle
      server.open({ remote: "held up" })
      yield* settle
      expect(seen).toEqual(["held up"])
      return seen
    })

  timeless("wait for a subscriber who lags, up to 1,000 of them", () =>
    Effect.gen(function* () {
      const server = yield* serve(() => Effect.never)
      const gate = yield* Deferred.make<void>()
      const seen = yield* lag(server, gate)
      server.openMany(1000)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      expect(seen).toHaveLength(1001)
      expect(seen.at(-1)).toBe("192.0.2.1:1000")
    })
  )

  timeless("that are the oldest are lost to a subscriber who lags by more than 1,000", () =>
    Effect.gen(function* () {
      const server = yield* serve(() => Effect.never)
      const gate = yield* Deferred.make<void>()
      const seen = yield* lag(server, gate)
      server.openMany(1200)
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      expect([seen[1], seen.at(-1), seen.length]).toEqual(["192.0.2.1:201", "192.0.2.1:1200", 1001])
    })
  )

  timeless("reach a subscriber who keeps up, whatever another one misses", () =>
    Effect.gen(function* () {
      const server = yield* serve(() => Effect.never)
      const gate = yield* Deferred.make<void>()
      yield* lag(server, gate)
      const seen = yield* follow(server)
      for (let batch = 0; batch < 6; batch++) {
        server.openMany(200)
        yield* settle
      }
      expect(seen).toHaveLength(1200)
      yield* Deferred.succeed(gate, undefined)
    })
  )

  timeless("don't keep connections waiting for a subscriber who lags", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      yield* lag(server, yield* Deferred.make<void>())
      const transport = server.open()
      transport.deliver("one")
      yield* server.connections.stopAll()
      yield* settle
      expect(transport.written).toEqual(["one"])
      expect(yield* server.connections.count).toBe(0)
    })
  )

  timeless("are made only while somebody follows", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      server.open()
      const [connection] = yield* server.connections.list
      if (connection === undefined) throw new Error("there is no connection")
      const events = new Events()
      let made = 0
      const publish = () =>
        events.publish(() => {
          made++
          return { _tag: "opened", connection }
        })
      publish()
      expect(made).toBe(0)
      const scope = yield* Scope.make()
      yield* Effect.forkIn(Effect.scoped(Stream.runDrain(events.stream)), scope)
      yield* settle
      publish()
      expect(made).toBe(1)
      yield* Scope.close(scope, Exit.void)
      publish()
      expect(made).toBe(1)
    })
  )

  timeless("leave nothing behind when nobody follows any more", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const scope = yield* Scope.make()
      const pull = yield* Scope.extend(Stream.toPull(server.connections.events), scope)
      const pulling = yield* Effect.fork(pull)
      yield* settle
      server.openMany(1)
      expect(Array.from(yield* Fiber.join(pulling), brief)).toEqual(["opened 192.0.2.1:1"])
      yield* Scope.close(scope, Exit.void)
      server.openMany(2)
      expect(yield* server.connections.count).toBe(3)
    })
  )
})
