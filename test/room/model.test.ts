/**
 * Whoever comes, goes, ends or stops reading, in whatever order: members get what is sent while they are members.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FC from "effect/FastCheck"
import * as Scope from "effect/Scope"
import { Room } from "../../src/room/Room.js"
import { type Guest, guests } from "../support/guests.js"
import { settle } from "../support/timeless.js"

const CONNECTIONS = 4
/** Of a frame that is as short. */
const HEADER = 2
const LIMIT = 10

type Step =
  | { readonly _tag: "join" | "block" | "unblock" | "stop" | "vanish" | "close"; readonly who: number }
  /** One of the scopes in which it has joined closes. */
  | { readonly _tag: "leave"; readonly who: number; readonly which: number }
  | { readonly _tag: "broadcast"; readonly size: number; readonly except: number | undefined }
  | { readonly _tag: "turn" }

const who = FC.nat({ max: CONNECTIONS - 1 })

const step: FC.Arbitrary<Step> = FC.oneof(
  { weight: 6, arbitrary: who.map((who): Step => ({ _tag: "join", who })) },
  {
    weight: 4,
    arbitrary: FC.tuple(who, FC.nat({ max: 3 })).map(([who, which]): Step => ({ _tag: "leave", who, which }))
  },
  {
    weight: 8,
    arbitrary: FC.tuple(FC.integer({ min: 1, max: LIMIT }), FC.option(who, { nil: undefined })).map(
      ([size, except]): Step => ({ _tag: "broadcast", size, except })
    )
  },
  {
    weight: 4,
    arbitrary: FC.tuple(FC.constantFrom("block" as const, "unblock" as const), who).map(
      ([_tag, who]): Step => ({ _tag, who })
    )
  },
  {
    weight: 1,
    arbitrary: FC.tuple(FC.constantFrom("stop" as const, "vanish" as const, "close" as const), who).map(
      ([_tag, who]): Step => ({ _tag, who })
    )
  },
  { weight: 1, arbitrary: FC.constant<Step>({ _tag: "turn" }) }
)

/** What a connection is expected to be. */
interface Expected {
  /** Why it has ended. */
  ended: string | undefined
  isBlocked: boolean
  buffered: number
  readonly written: Array<string>
}

/** What a room is expected to be. */
class Model {
  readonly connections: ReadonlyArray<Expected> = Array.from({ length: CONNECTIONS }, () => ({
    ended: undefined,
    isBlocked: false,
    buffered: 0,
    written: []
  }))
  /** The members in the order in which they joined, and how often. */
  readonly members = new Map<number, number>()
  readonly #isDropping: boolean

  constructor(isDropping: boolean) {
    this.#isDropping = isDropping
  }

  /** @returns the one that the step is about */
  of(who: number): Expected {
    const one = this.connections[who]
    if (one === undefined) throw new Error(`there is no ${who}`)
    return one
  }

  join(who: number): void {
    if (this.of(who).ended === undefined) this.members.set(who, (this.members.get(who) ?? 0) + 1)
  }

  leave(who: number): void {
    const joins = this.members.get(who) ?? 0
    if (joins > 1) this.members.set(who, joins - 1)
    else this.members.delete(who)
  }

  end(who: number, reason: string): void {
    this.of(who).ended ??= reason
    this.members.delete(who)
  }

  broadcast(text: string, except: number | undefined) {
    const delivery = { sent: 0, dropped: 0, disconnected: 0 }
    for (const who of this.members.keys()) {
      if (who === except) continue
      const one = this.of(who)
      if (one.buffered <= LIMIT) {
        delivery.sent++
        one.written.push(text)
        if (one.isBlocked) one.buffered += HEADER + text.length
      } else if (this.#isDropping) delivery.dropped++
      else {
        delivery.disconnected++
        this.end(who, "SlowConsumer")
      }
    }
    return delivery
  }
}

const REASONS = { stop: "StopSignal", vanish: "PeerVanished", close: "PeerClosed" } as const

const run = (slow: "drop" | "disconnect", steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const room = yield* Room.make({ limit: LIMIT, slow })
    const { guests: all } = yield* guests(CONNECTIONS)
    const model = new Model(slow === "drop")
    const scopes = all.map((): Array<{ readonly scope: Scope.CloseableScope; counts: boolean }> => [])

    const take = (step: Step, text: string, one: Guest | undefined) =>
      Effect.gen(function* () {
        switch (step._tag) {
          case "turn":
            return yield* settle
          case "broadcast": {
            const except = step.except === undefined ? undefined : all[step.except]?.connection
            const message = text.padEnd(step.size, ".").slice(0, step.size)
            const expected = model.broadcast(message, step.except)
            expect(yield* room.broadcast(message, { except })).toEqual(expected)
            return
          }
          case "join": {
            const scope = yield* Scope.make()
            scopes[step.who]?.push({ scope, counts: model.of(step.who).ended === undefined })
            model.join(step.who)
            if (one !== undefined) yield* Scope.extend(room.join(one.connection), scope)
            return
          }
          case "leave": {
            const [found] = scopes[step.who]?.splice(step.which, 1) ?? []
            if (found === undefined) return
            if (found.counts) model.leave(step.who)
            yield* Scope.close(found.scope, Exit.void)
            return
          }
          case "block":
          case "unblock":
            model.of(step.who).isBlocked = step._tag === "block"
            if (step._tag === "unblock") model.of(step.who).buffered = 0
            one?.transport[step._tag]()
            return
          default:
            model.end(step.who, REASONS[step._tag])
            if (step._tag === "stop" && one !== undefined) yield* Effect.orDie(one.connection.stop())
            if (step._tag === "vanish") one?.transport.peerVanishes()
            if (step._tag === "close") one?.transport.peerCloses(1000)
        }
      })

    for (const [at, step] of steps.entries()) {
      yield* take(step, String(at), "who" in step ? all[step.who] : undefined)
      expect(yield* room.members).toEqual([...model.members.keys()].map((who) => all[who]?.connection.id))
      expect(yield* room.size).toBe(model.members.size)
      for (const [who, { connection, transport }] of all.entries()) {
        const expected = model.of(who)
        expect(transport.written).toEqual(expected.written)
        expect(connection.stopSignal.reason?._tag).toBe(expected.ended)
        expect(connection.bufferedBytes).toBeLessThanOrEqual(2 * LIMIT + HEADER)
      }
    }
    for (const { transport } of all) transport.socketCloses()
    expect(yield* room.size).toBe(0)
    for (const of of scopes) for (const { scope } of of) yield* Scope.close(scope, Exit.void)
    expect(yield* room.size).toBe(0)
  })

describe("a room", () => {
  it.effect.prop(
    "is what a simple model of it says, whatever happens",
    [FC.constantFrom("drop" as const, "disconnect" as const), FC.array(step, { maxLength: 60 })],
    ([slow, steps]) => Effect.scoped(run(slow, steps)),
    { timeout: 60_000, fastCheck: { numRuns: 150 } }
  )
})
