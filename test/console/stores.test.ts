/**
 * What the console keeps: messages, round trips, connections, and when it comes back.
 */
import { describe, expect, it } from "vitest"
import { ceiling, waitBefore } from "../../src/console/Backoff.js"
import { dump, fromHex } from "../../src/console/Format.js"
import { CAPACITY, type Entry, MessageLog } from "../../src/console/MessageLog.js"
import { intervalOf, timesOf } from "../../src/console/Repeat.js"
import { type Connection, Roster, sorted } from "../../src/console/Roster.js"
import { figuresOf, RoundTrips } from "../../src/console/RoundTrips.js"
import { windowOf } from "../../src/console/Window.js"

const entry = (size: number): Omit<Entry, "number"> => ({
  at: 0,
  kind: "received",
  isText: false,
  size,
  preview: "",
  payload: "x",
  roundTrip: undefined,
  fate: undefined
})

describe("messages", () => {
  it("keep their numbers when the oldest go", () => {
    const log = new MessageLog()
    for (let count = 0; count < 2.5 * CAPACITY; count++) log.add(entry(1))
    expect(log.entries.length).toBeGreaterThanOrEqual(CAPACITY)
    expect(log.entries.length).toBeLessThan(1.2 * CAPACITY)
    expect(log.entries.at(-1)?.number).toBe(2.5 * CAPACITY)
    expect(log.entries[0]?.number).toBe(log.dropped + 1)
  })

  it("let old payloads go, but not the latest, however large", () => {
    const log = new MessageLog()
    const old = log.add(entry(60 * 1024 ** 2))
    const latest = log.add(entry(100 * 1024 ** 2))
    expect({ old: old.payload, latest: latest.payload }).toEqual({ old: undefined, latest: "x" })
  })
})

describe("round trips", () => {
  it("are from a message to its echo, and what was passed over is lost", () => {
    const trips = new RoundTrips<number>()
    trips.sent(1, "a", 0)
    trips.sent(2, Uint8Array.of(1, 2), 1)
    trips.sent(3, "c", 2)
    expect(trips.received(Uint8Array.of(1, 2), 11)).toEqual({ answered: 2, took: 10, lost: [1] })
    expect(trips.received("a", 12)).toBeUndefined()
    expect(trips.received("12", 12)).toBeUndefined()
    expect(trips.count).toBe(1)
    expect(trips.end()).toEqual([3])
  })

  it("aren't measured where one of several alike was answered, since which one can't be known", () => {
    const trips = new RoundTrips<number>()
    trips.sent(1, "a", 0)
    trips.sent(2, "a", 900)
    trips.sent(3, "b", 900)
    // It is the second's, if the first one's was lost.
    expect(trips.received("a", 903)).toEqual({ answered: 1, took: undefined, lost: [] })
    expect(trips.received("b", 904)).toEqual({ answered: 3, took: 4, lost: [2] })
    trips.sent(4, "a", 1000)
    expect(trips.received("a", 1001)).toEqual({ answered: 4, took: 1, lost: [] })
    trips.sent(5, Uint8Array.of(1), 1000)
    trips.sent(6, Uint8Array.of(1), 1100)
    expect(trips.received(Uint8Array.of(1), 1101)).toEqual({ answered: 5, took: undefined, lost: [] })
    expect(trips.received(Uint8Array.of(1), 1102)).toEqual({ answered: 6, took: 2, lost: [] })
    trips.sent(7, "c", 1200)
    expect(trips.end()).toEqual([7])
    trips.sent(8, "c", 1300)
    expect(trips.received("c", 1301)).toEqual({ answered: 8, took: 1, lost: [] })
  })

  it("stay right over many", () => {
    const trips = new RoundTrips<number>()
    for (let number = 0; number < 5000; number++) {
      trips.sent(number, `${number}`, number)
      if (number >= 10)
        expect(trips.received(`${number - 10}`, number)).toMatchObject({
          answered: number - 10,
          took: 10,
          lost: []
        })
    }
    expect(trips.count).toBe(10)
  })

  it("have figures", () => {
    const times = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect(figuresOf(times)).toEqual({ count: 100, last: 1, min: 1, median: 50, p95: 95, max: 100 })
    expect(figuresOf([])).toBeUndefined()
  })
})

const connection = (id: string, more: Partial<Connection> = {}): Connection => ({
  id,
  remote: "127.0.0.1:1",
  path: "/echo",
  subprotocol: null,
  openedAt: 0,
  lastMessageAt: null,
  messagesIn: 0,
  messagesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  bufferedBytes: 0,
  state: "open",
  ...more
})

const ids = (roster: Roster): ReadonlyArray<string> => [...roster.connections].map(({ id }) => id).sort()

describe("the table of connections", () => {
  it("is put together from events and pages, and one that has ended doesn't come back with an older page", () => {
    const roster = new Roster()
    roster.happened("opened", connection("b"))
    roster.happened("closed", connection("a"))
    roster.listed(
      undefined,
      { total: 2, connections: [connection("a"), connection("b")], next: null },
      roster.events
    )
    expect(ids(roster)).toEqual(["b"])
    expect({ opened: roster.opened, closed: roster.closed }).toEqual({ opened: 1, closed: 1 })
  })

  it("loses whoever should be on a page and isn't, but not who came since", () => {
    const roster = new Roster()
    for (const id of ["a", "b", "c"]) roster.happened("opened", connection(id))
    const asked = roster.events
    roster.happened("opened", connection("d"))
    roster.listed(undefined, { total: 2, connections: [connection("a"), connection("c")], next: null }, asked)
    expect(ids(roster)).toEqual(["a", "c", "d"])
  })

  it("loses all who are behind the end of the last page, though no event told", () => {
    const roster = new Roster()
    for (const id of ["a", "b", "c"]) roster.happened("opened", connection(id))
    roster.listed("a", { total: 2, connections: [connection("b")], next: null }, roster.events)
    expect(ids(roster)).toEqual(["a", "b"])
    roster.listed(undefined, { total: 0, connections: [], next: null }, roster.events)
    expect(ids(roster)).toEqual([])
  })

  it("leaves other pages alone", () => {
    const roster = new Roster()
    for (const id of ["a", "b", "c", "d"]) roster.happened("opened", connection(id))
    roster.listed("b", { total: 4, connections: [connection("d")], next: "d" }, roster.events)
    expect(ids(roster)).toEqual(["a", "b", "d"])
  })

  it("has the last figures of one that ended while its row was held, and its age stands still", () => {
    const roster = new Roster()
    for (const id of ["a", "b", "c"]) roster.happened("opened", connection(id))
    const before = [...roster.connections]
    roster.happened("closed", connection("a", { messagesIn: 50, state: "stopping" }))
    roster.listed(undefined, { total: 1, connections: [connection("c")], next: null }, roster.events)
    const rows = roster.held(before, 1000)
    expect(rows).toEqual([
      { ...connection("a", { messagesIn: 50, state: "closed" }), endedAt: 1000 },
      { ...connection("b", { state: "closed" }), endedAt: 1000 },
      connection("c")
    ])
    expect(roster.held(rows, 2000)).toEqual(rows)
  })

  it("is sorted by age with the youngest first", () => {
    const rows = [connection("a", { openedAt: 1 }), connection("b", { openedAt: "2000-01-01T00:00:00.000Z" })]
    expect(sorted(rows, "age", false).map(({ id }) => id)).toEqual(["b", "a"])
    expect(sorted(rows, "age", true).map(({ id }) => id)).toEqual(["a", "b"])
  })

  it("is sorted by what is asked, and then by id", () => {
    const rows = [
      connection("c", { bytesIn: 2 }),
      connection("b", { bytesOut: 2 }),
      connection("a", { bytesIn: 9 })
    ]
    expect(sorted(rows, "bytes", true).map(({ id }) => id)).toEqual(["a", "c", "b"])
    expect(sorted(rows, "bytes", false).map(({ id }) => id)).toEqual(["b", "c", "a"])
  })
})

it("only rows in view, and a few around them, are drawn", () => {
  const { end, start } = windowOf(100_000, 22, 50_000 * 22, 440)
  expect({ start, end }).toEqual({ start: 49_992, end: 50_028 })
  expect(windowOf(3, 22, 0, 440)).toEqual({ start: 0, end: 3 })
  expect(windowOf(0, 22, 9999, 440)).toEqual({ start: 0, end: 0 })
})

it("the waits before attempts double up to 30 s, and are drawn from 0 up", () => {
  expect([0, 1, 2, 5, 6, 1000].map(ceiling)).toEqual([500, 1000, 2000, 16_000, 30_000, 30_000])
  expect([0, 0.5, 1].map((random) => waitBefore(1, random))).toEqual([0, 500, 1000])
})

it.each([
  ["0", 0],
  ["100", 100],
  ["0.5", undefined],
  ["1.5", 2],
  ["2s", 2000],
  ["0.25s", 250],
  [" 1m ", 60_000],
  ["24d", 24 * 86_400_000],
  // A browser's timer would not wait at all.
  ["2147483647", 2 ** 31 - 1],
  ["2147483648", undefined],
  ["25d", undefined],
  ["9".repeat(400), undefined],
  ["", undefined],
  ["-5", undefined],
  ["abc", undefined],
  ["1e3", undefined],
  ["Infinity", undefined]
])("the interval %j is %s ms", (text, time) => {
  expect(intervalOf(text)).toBe(time)
})

it.each([
  ["", Number.POSITIVE_INFINITY],
  ["1", 1],
  ["2000", 2000],
  ["0", undefined],
  ["-1", undefined],
  ["1.5", undefined],
  ["abc", undefined]
])("%j times are %s", (text, times) => {
  expect(timesOf(text)).toBe(times)
})

it("bytes are read from hex and shown as a dump", () => {
  expect(fromHex("de ad\nBEef")).toEqual(Uint8Array.of(0xde, 0xad, 0xbe, 0xef))
  expect(fromHex("abc")).toBeUndefined()
  expect(fromHex("zz")).toBeUndefined()
  expect(dump(Uint8Array.of(65, 0), 16)).toMatch(/^000000 {2}41 00 {2,}A\.$/)
})
