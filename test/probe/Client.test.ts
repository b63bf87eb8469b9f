/**
 * The client's side of one connection, in this process.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as diagnostics from "node:diagnostics_channel"
import * as net from "node:net"
import { describe, expect, it } from "vitest"
import * as Client from "../../src/probe/Client.js"
import { turn } from "../support/eventually.js"
import { live } from "../support/live.js"
import { settings } from "../support/probe.js"
import { testServer } from "../support/server.js"

/** The sockets that this process opens. */
const openedSockets: Effect.Effect<ReadonlyArray<net.Socket>, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const sockets: Array<net.Socket> = []
      const listener = (message: unknown): void => {
        if (typeof message !== "object" || message === null || !("socket" in message)) return
        if (message.socket instanceof net.Socket) sockets.push(message.socket)
      }
      diagnostics.subscribe("net.client.socket", listener)
      return { listener, sockets }
    }),
    ({ listener }) => Effect.sync(() => diagnostics.unsubscribe("net.client.socket", listener))
  ),
  ({ sockets }) => sockets
)

const nothing: Client.Listener = {
  onOpen: () => undefined,
  onMessage: () => undefined,
  onPong: () => undefined,
  onBytes: () => undefined,
  onTaken: () => undefined,
  onEnd: () => undefined
}

const connect = (url: string, listener: Partial<Client.Listener>): Client.Client =>
  Client.connect(settings(url), 1000, { ...nothing, ...listener })

describe("a client that is destroyed", () => {
  const cases = {
    "has just begun": (url: string) => Effect.sync(() => connect(url, {})),
    "waits for an answer": (url: string) =>
      Effect.tap(
        Effect.sync(() => connect(`${url}?fault=hang`, {})),
        () => turn
      ),
    "is open": (url: string) =>
      Effect.async<Client.Client>((resume) => {
        const client = connect(url, { onOpen: () => resume(Effect.sync(() => client)) })
      }),
    "is refused": (url: string) =>
      Effect.async<Client.Client>((resume) => {
        const client = connect(`${url}?fault=refuse`, { onEnd: () => resume(Effect.sync(() => client)) })
      })
  }
  for (const [state, start] of Object.entries(cases)) {
    live(`calls back when its socket has closed, if it ${state}`, () =>
      Effect.gen(function* () {
        const { url } = yield* testServer()
        const sockets = yield* openedSockets
        const client = yield* start(url)
        yield* Effect.async<void>((resume) => client.destroy(() => resume(Effect.void)))
        expect(sockets.map(({ closed }) => closed)).toEqual([true])
      })
    )
  }

  live("reports no ending", () =>
    Effect.gen(function* () {
      const { url } = yield* testServer()
      const endings: Array<unknown> = []
      const client = connect(url, { onEnd: (ending) => endings.push(ending) })
      yield* Effect.async<void>((resume) => client.destroy(() => resume(Effect.void)))
      expect(endings).toEqual([])
    })
  )
})

describe("the longest message that is taken", () => {
  it.each([
    [16, 16 * 1024 ** 2],
    [8 * 1024 ** 2, 16 * 1024 ** 2],
    [64 * 1024 ** 2, 128 * 1024 ** 2]
  ])("for messages of %i bytes has %i", (size, longest) => {
    expect(Client.longestMessage(size)).toBe(longest)
  })
})
