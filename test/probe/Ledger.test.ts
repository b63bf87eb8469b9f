/**
 * What the probe counts.
 */
import * as FC from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import { type Counts, Ledger, MIN_SIZE, payload, total } from "../../src/probe/Ledger.js"

const TIMEOUT = 100

const ledgerOf = ({ isBinary = false, size = 20 } = {}) =>
  new Ledger({ connection: "12345678", size, isBinary, timeout: TIMEOUT })

const counts = (some: Partial<Counts>): Counts => ({
  sent: 0,
  echoes: 0,
  lost: 0,
  duplicates: 0,
  changed: 0,
  outOfOrder: 0,
  others: 0,
  ...some
})

describe("a payload", () => {
  it("has its size, differs from message to message, and is ASCII if it is text", () => {
    FC.assert(
      FC.property(
        FC.integer({ min: 1, max: 1e9 }),
        FC.integer({ min: MIN_SIZE, max: 300 }),
        FC.boolean(),
        (number, size, isBinary) => {
          const bytes = payload("12345678", number, size, isBinary)
          expect(bytes).toHaveLength(size)
          expect(bytes.equals(payload("12345678", number + 1, size, isBinary))).toBe(false)
          expect(bytes.equals(payload("12345679", number, size, isBinary))).toBe(false)
          if (!isBinary) expect(bytes.toString("latin1")).toMatch(/^[0-9a-z]+$/)
        }
      )
    )
  })

  it("has all bytes if it is binary", () => {
    expect(new Set(payload("12345678", 1, MIN_SIZE + 256, true).subarray(MIN_SIZE)).size).toBe(256)
  })
})

describe("a ledger", () => {
  it("measures an echo, and takes a second one for a duplicate", () => {
    const ledger = ledgerOf()
    const { bytes, number } = ledger.send(10)
    expect(ledger.isAwaited(number)).toBe(true)
    expect(ledger.waitingSince).toBe(10)
    expect(ledger.receive(bytes, false, 15)).toEqual({
      _tag: "Echo",
      number: 1,
      millis: 5,
      isOutOfOrder: false,
      isLate: false
    })
    expect(ledger.isAwaited(number)).toBe(false)
    expect(ledger.waitingSince).toBeUndefined()
    expect(ledger.receive(bytes, false, 16)).toEqual({ _tag: "Duplicate", number: 1 })
    expect(ledger.counts).toEqual(counts({ sent: 1, echoes: 1, duplicates: 1 }))
  })

  it("misses what is overdue once, and takes it when it comes late", () => {
    const ledger = ledgerOf()
    const { bytes } = ledger.send(0)
    ledger.send(50)
    expect(ledger.overdue(TIMEOUT - 1)).toEqual([])
    expect(ledger.overdue(TIMEOUT)).toEqual([1])
    expect(ledger.overdue(TIMEOUT)).toEqual([])
    expect(ledger.waitingSince).toBe(50)
    expect(ledger.counts).toEqual(counts({ sent: 2, lost: 2 }))
    expect(ledger.receive(bytes, false, 120)).toMatchObject({ _tag: "Echo", millis: 120, isLate: true })
    expect(ledger.counts).toEqual(counts({ sent: 2, echoes: 1, lost: 1 }))
  })

  it("tells an echo that is changed from one that isn't its own", () => {
    const ledger = ledgerOf()
    const { bytes } = ledger.send(0)
    const changed = Buffer.from(bytes)
    changed[MIN_SIZE] = 0
    expect(ledger.receive(changed, false, 1)).toEqual({ _tag: "Changed", number: 1 })
    expect(ledger.receive(bytes, true, 1)).toEqual({ _tag: "Changed", number: 1 })
    const strange = [
      Buffer.alloc(0),
      bytes.subarray(0, MIN_SIZE - 1),
      payload("abcdefgh", 1, 20, false),
      payload("12345678", 2, 20, false),
      payload("12345678", 0, 20, false),
      Buffer.from("12345678-0000001xxxx")
    ]
    for (const other of strange)
      expect(ledger.receive(other, false, 1)).toEqual({ _tag: "Other", bytes: other.length })
    expect(ledger.counts).toEqual(counts({ sent: 1, lost: 1, changed: 2, others: strange.length }))
  })

  it("agrees with what a network did to the messages, whatever it did", () => {
    const network = FC.record({
      sent: FC.integer({ min: 0, max: 30 }),
      isBinary: FC.boolean(),
      size: FC.integer({ min: MIN_SIZE, max: 40 }),
      arrivals: FC.array(FC.tuple(FC.nat({ max: 29 }), FC.constantFrom("whole", "changed", "foreign")))
    })
    FC.assert(
      FC.property(network, ({ arrivals, isBinary, sent, size }) => {
        const ledger = ledgerOf({ isBinary, size })
        const messages = Array.from({ length: sent }, () => ledger.send(0).bytes)
        const arrived: Array<number> = []
        const expected = { duplicates: 0, changed: 0, outOfOrder: 0, others: 0 }
        for (const [index, fate] of arrivals) {
          const bytes = messages[index]
          if (bytes === undefined) continue
          if (fate === "foreign") {
            expected.others++
            ledger.receive(Buffer.from(`x${bytes.toString("latin1")}`, "latin1"), isBinary, 1)
          } else if (fate === "changed") {
            expected.changed++
            ledger.receive(Buffer.concat([bytes, Buffer.from("!")]), isBinary, 1)
          } else {
            if (arrived.includes(index)) expected.duplicates++
            else {
              if (arrived.some((other) => other > index)) expected.outOfOrder++
              arrived.push(index)
            }
            ledger.receive(bytes, isBinary, 1)
          }
        }
        const echoes = arrived.length
        expect(ledger.counts).toEqual({ sent, echoes, lost: sent - echoes, ...expected })
      })
    )
  })
})

describe("the total", () => {
  it("is the sum of each count", () => {
    const one = FC.record({
      sent: FC.nat(),
      echoes: FC.nat(),
      lost: FC.nat(),
      duplicates: FC.nat(),
      changed: FC.nat(),
      outOfOrder: FC.nat(),
      others: FC.nat()
    })
    FC.assert(
      FC.property(FC.array(one), (all) => {
        const sum = (of: (one: Counts) => number): number => all.reduce((sum, one) => sum + of(one), 0)
        expect(total(all)).toEqual({
          sent: sum(({ sent }) => sent),
          echoes: sum(({ echoes }) => echoes),
          lost: sum(({ lost }) => lost),
          duplicates: sum(({ duplicates }) => duplicates),
          changed: sum(({ changed }) => changed),
          outOfOrder: sum(({ outOfOrder }) => outOfOrder),
          others: sum(({ others }) => others)
        })
      })
    )
  })
})
