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

/** Follows, and has asked the other, which knows nothing. */
const follow = (shared: SharedEvents) => {
  shared.follow()
  shared.asking("other")
  shared.settle("other", { last: 0, since: 0 })
  return shared.events.subscribeSince(shared.events.last)
}

/** What one is told who asks so, by the numbers. */
const toldTo = (shared: SharedEvents, followed: { readonly after?: number; readonly following: number }) => {
  const batches: Array<Batch> = []
  const known = shared.answer(followed, (told) => batches.push(told))
  return { ...known, batches: batches.map(({ events }) => events.map(({ number }) => number)) }
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

  it.scoped("that are missing are counted: in between, and at the end", () =>
    Effect.gen(function* () {
      const { shared } = make()
      const subscriber = yield* follow(shared)
      shared.take(batch([3]))
      shared.take(batch([4, 7]))
      shared.settle("other", { last: 9, since: 7 })
      expect(seen(subscriber)).toEqual([
        [3, "other3"],
        [4, "other4"],
        [7, "other7"]
      ])
      expect(shared.events.last).toBe(9)
      // That was told.
      shared.settle("other", { last: 9, since: 7 })
      expect(shared.events.last).toBe(9)
      expect(shared.asking("other").after).toBe(9)
    })
  )

  it.scoped("are those that a server tells who is asked, whatever it publishes meanwhile", () =>
    Effect.gen(function* () {
      const { shared } = make()
      const subscriber = yield* follow(shared)
      // Nobody has asked it.
      shared.take(batch([90], 0, "new"))
      expect(shared.isUnknown("new")).toBe(true)
      expect(shared.asking("new").after).toBeUndefined()
      shared.take(batch([99, 101], 0, "new"))
      shared.told(batch([98, 99, 100], 96, "new"))
      shared.settle("new", { last: 101, since: 96 })
      shared.take(batch([102], 0, "new"))
      expect(shared.isUnknown("new")).toBe(false)
      // It can't be asked: what comes first is the first.
      shared.asking("silent")
      shared.settleWithout("silent")
      shared.take(batch([51], 40, "silent"))
      // One that is known, and is asked again, but doesn't answer, has lost what is missing.
      shared.asking("new")
      shared.take(batch([103], 0, "new"))
      shared.settleWithout("new")
      shared.take(batch([104], 0, "new"))
      // Nothing was heard for a while.
      shared.interrupted()
      shared.take(batch([106], 0, "new"))
      expect(shared.asking("new")).toMatchObject({ after: 104 })
      shared.told(batch([105, 106], 104, "new"))
      shared.settle("new", { last: 106, since: 104 })
      expect(seen(subscriber)).toEqual([
        [2, "new98"],
        [3, "new99"],
        [4, "new100"],
        [6, "new102"],
        [7, "silent51"],
        [9, "new104"],
        [10, "new105"],
        [11, "new106"]
      ])
    })
  )

  it("are kept for others only from when they want them, and only the latest", () => {
    const { own, shared } = make()
    own.publish(() => opened("before"))
    // Longer than they are kept.
    expect(toldTo(shared, { following: 60_000 })).toEqual({ last: 1, since: 1, batches: [] })
    own.publish(() => opened("a"))
    expect(toldTo(shared, { following: 60_000 })).toEqual({ last: 2, since: 1, batches: [[2]] })
    // It has begun to follow only now: that is none of its news.
    expect(toldTo(shared, { following: 0 })).toEqual({ last: 2, since: 2, batches: [] })
    for (let count = 2; count < 1500; count++) own.publish(() => opened(`own${count}`))
    const { batches, last, since } = toldTo(shared, { after: 5, following: 0 })
    expect([last, since]).toEqual([1500, 5])
    expect(batches.map((numbers) => numbers.length)).toEqual([200, 200, 200, 200, 200])
    expect([batches[0]?.[0], batches[4]?.at(-1)]).toEqual([501, 1500])
    expect(toldTo(shared, { after: 1499, following: 0 }).batches).toEqual([[1500]])
    expect(toldTo(shared, { after: 1500, following: 0 }).batches).toEqual([])
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
    const batches: Array<Batch> = []
    shared.answer({ after: 0, following: 0 }, (told) => batches.push(told))
    expect(batches[0]?.events[0]?.event).toEqual({
      ...opened("a"),
      _tag: "closed",
      reason: { _tag: "HandlerFailed" },
      code: 1011
    })
  })
})
