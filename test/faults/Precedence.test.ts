/**
 * What comes first: the fault that messages bring about, or what the peer said behind them in the same read.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { faulty, raw } from "../support/faulty.js"
import type { MemoryTransport } from "../support/MemoryTransport.js"
import { settle, timeless } from "../support/timeless.js"

describe("a fault that messages bring about", () => {
  for (const [what, ends] of [
    ["a Close frame", (peer: MemoryTransport) => peer.peerCloses(1000)],
    ["a bad frame", (peer: MemoryTransport) => peer.peerErrs(1002, "bad")],
    ["the end of TCP", (peer: MemoryTransport) => peer.peerVanishes()]
  ] as const)
    timeless(`comes before ${what} that stood behind those messages`, (log) =>
      Effect.gen(function* () {
        const { trail, transport } = yield* faulty("fault=close&code=4001&after=2msg")
        transport.deliver("a", "b", "c")
        ends(transport)
        yield* settle
        expect(trail).toEqual(["write a b", "close 4001"])
        yield* log.logged("connection closed", { reason: "Fault", messagesIn: 2 })
      })
    )

  timeless("doesn't come when the peer ends the connection before there are enough of them", (log) =>
    Effect.gen(function* () {
      const { trail, transport } = yield* faulty("fault=close&code=4001&after=3msg")
      transport.deliver("a", "b")
      transport.peerCloses(1000)
      yield* settle
      expect(trail).toEqual(["write a b", "close 1000"])
      yield* log.logged("connection closed", { reason: "PeerClosed", messagesIn: 2 })
    })
  )

  for (const query of ["fault=reset&after=2msg", "fault=close&after=2msg", "fault=truncate&after=1msg"])
    timeless(
      `doesn't come when the handler answers too few, and what the peer said counts: ${query}`,
      (log) =>
        Effect.gen(function* () {
          const { trail, transport } = yield* faulty(query, {
            handler: ({ messages }) => Stream.runDrain(messages)
          })
          transport.deliver("a", "b")
          transport.peerCloses(4002, "bye")
          yield* settle
          expect(trail).toEqual(["close 4002 bye"])
          yield* log.logged("connection closed", { reason: "PeerClosed", code: 4002, messagesOut: 0 })
        })
    )

  for (const [texts, expected] of [
    [["a"], ["write a", "close 1000"]],
    [
      ["a", "b"],
      ["write a", raw(Buffer.from("\xa1\x01b", "latin1")), "close 1000"]
    ]
  ] as const)
    timeless(
      `spoils a message before the peer's Close frame, if there is one to spoil: ${texts.length}`,
      () =>
        Effect.gen(function* () {
          const { trail, transport } = yield* faulty("fault=corrupt&after=1msg")
          transport.deliver(...texts)
          transport.peerCloses(1000)
          yield* settle
          expect(trail).toEqual(expected)
        })
    )

  timeless("ends in silence, and what the peer said counts when TCP has ended", (log) =>
    Effect.gen(function* () {
      const { trail, transport } = yield* faulty("fault=mute&after=1msg")
      transport.deliver("a", "b")
      transport.peerCloses(4321)
      yield* settle
      expect(trail).toEqual(["write a"])
      transport.peerVanishes()
      yield* settle
      yield* log.logged("connection closed", {
        reason: "PeerClosed",
        code: 4321,
        messagesIn: 2,
        messagesOut: 1
      })
    })
  )
})
