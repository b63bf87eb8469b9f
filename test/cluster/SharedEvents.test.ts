/**
 * The events of several servers, put together: what is lost on the way is counted.
 */
import * as Effect from "effect/Effect"
import { describe, expect, it } from "@effect/vitest"
import { SharedEvents } from "../../src/cluster/SharedEvents.js"
import type { Batch } from "../../src/cluster/Envelope.js"
import type { Event } from "../../src/cluster/Message.js"
import { ConnectionId } from "../../src/protocol/ConnectionId.js"
import { Events, type Subscriber } from "../../src/registry/Events.js"

const opened = (id: string): Event => ({
  _tag: "opened",
  connection: {
    id: ConnectionId(id),
    remote: "192.0.2.1:1",
    path: "/echo",
    subprotocol: null,
    openedAt: 1,
    lastMessageAt: null,
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    bufferedBytes: 0,
    state: "open"
  }
})

/** Events of another server, by their numbers. */
const batch = (numbers: ReadonlyArray<number>, since = 0, from = "other"): Batch => ({
  from,
  since,
  events: numbers.map((number) => ({ number, event: opened(`${from}${number}`) }))
})

const make = () => {
  const own = new Events<Event>()
  return { own, shared: new SharedEvents("me", own) }
}

/** What was handed on, by the ends of the ids, each with its number. */
const seen = (subscriber: Subscriber<Event>) =>
  subscriber.take(5000).map(({ event, number }) => [number, String(event.connection.id)] as const)

const follow = (shared: SharedEvents, servers: ReadonlyArray<string> = []) => {
  shared.follow(servers)
  return shared.events.subscribeSince(shared.events.last)
}

describe("events of several servers", () => {
  it.scoped("are numbered together, own ones and those of others", () =>
    Effect.gen(function* () {
      const { own, shared } = make()
      own.publish(() => opened("before"))
      const subscriber = yield* follow(shared)
      own.publish(() => opened("a"))
      shared.take(batch([1, 2]))
      own.publish(() => opened("b"))
      expect(seen(subscriber)).toEqual([
        [2, "a"],
        [3, "other1"],
        [4, "other2"],
        [5, "b"]
      ])
    })
  )

  it.scoped("that come twice are handed on once", () =>
    Effect.gen(function* () {
      const { shared } = make()
      const subscriber = yield* follow(shared)
      shared.take(batch([1, 2]))
      shared.take(batch([1, 2, 3]))
      shared.take(batch([2]))
      expect(seen(subscriber).map(([, id]) => id)).toEqual(["other1", "other2", "other3"])
    })
  )

  it.scoped("that are missing are counted: in between, before, and at the end", () =>
    Effect.gen(function* () {
      const { shared } = make()
      const subscriber = yield* follow(shared)
      // It came later, and published from its fourth on: the first two are lost.
      shared.take(batch([6], 3))
      shared.take(batch([7, 10], 3))
      shared.settle("other", { last: 12, since: 3 })
      expect(seen(subscriber)).toEqual([
        [3, "other6"],
        [4, "other7"],
        [7, "other10"]
      ])
      expect(shared.events.last).toBe(9)
      // That was told.
      shared.settle("other", { last: 12, since: 3 })
      expect(shared.events.last).toBe(9)
      expect(shared.lastOf("other")).toBe(12)
    })
  )

  it.scoped("of a server that was there before count from when it has been asked", () =>
    Effect.gen(function* () {
      const { shared } = make()
      const subscriber = yield* follow(shared, ["other", "silent"])
      expect(shared.lastOf("other")).toBeUndefined()
      // They wait to be published from before, when nobody followed.
      shared.take(batch([99, 100], 90))
      shared.settle("other", { last: 100, since: 90 })
      shared.take(batch([101, 103], 90))
      // It hasn't answered: what comes first is the first.
      shared.settleWithout("silent")
      shared.settleWithout("other")
      shared.take(batch([51], 40, "silent"))
      expect(seen(subscriber)).toEqual([
        [1, "other101"],
        [3, "other103"],
        [4, "silent51"]
      ])
      // Of one that came later all are wanted.
      expect(shared.lastOf("new")).toBe(0)
    })
  )

  it("are kept for others only from when they want them, and only the latest", () => {
    const { own, shared } = make()
    own.publish(() => opened("before"))
    expect(shared.keep()).toEqual({ last: 1, since: 1 })
    for (let count = 0; count < 1500; count++) own.publish(() => opened(`own${count}`))
    expect(shared.keep()).toEqual({ last: 1501, since: 1 })
    const kept = shared.keptAfter(0)
    expect(kept.map(({ events, since }) => `${events.length} since ${since}`)).toEqual(
      Array(5).fill("200 since 1")
    )
    expect(kept[0]?.events[0]?.number).toBe(502)
    expect(shared.keptAfter(1500).map(({ events }) => events.map(({ number }) => number))).toEqual([[1501]])
    expect(shared.keptAfter(1501)).toEqual([])
  })

  it.effect("are published in order, and what couldn't be is published again", () =>
    Effect.gen(function* () {
      const { own, shared } = make()
      const published: Array<ReadonlyArray<number>> = []
      let works = false
      const publish = ({ events }: Batch) => {
        if (works) published.push(events.map(({ number }) => number))
        return Promise.resolve(works)
      }
      let areWanted = true
      yield* Effect.fork(shared.publishing(() => areWanted, publish))
      yield* Effect.yieldNow()
      shared.keep()
      own.publish(() => opened("a"))
      own.publish(() => opened("b"))
      yield* shared.publishAll(publish)
      expect(published).toEqual([])
      works = true
      own.publish(() => opened("c"))
      yield* shared.publishAll(publish)
      expect(published).toEqual([[1, 2, 3]])
      areWanted = false
      own.publish(() => opened("d"))
      yield* shared.publishAll(publish)
      expect(published).toEqual([[1, 2, 3]])
      areWanted = true
      yield* shared.publishAll(publish)
      expect(published).toEqual([[1, 2, 3], [4]])
    })
  )

  it("tell others nothing of what is no concern of theirs", () => {
    const { own, shared } = make()
    shared.keep()
    const secret = { _tag: "HandlerFailed", cause: new Error("secret") } as const
    own.publish(() => ({ ...opened("a"), _tag: "closed", reason: secret, code: 1011 }))
    const [kept] = shared.keptAfter(0)
    expect(kept?.events[0]?.event).toEqual({
      ...opened("a"),
      _tag: "closed",
      reason: { _tag: "HandlerFailed" },
      code: 1011
    })
  })
})
