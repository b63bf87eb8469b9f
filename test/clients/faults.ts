/**
 * What clients see of the faults that they ask for: one table for all of them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { live } from "../support/live.js"
import type { Client, Ending, Session } from "./client.js"
import type { Setup } from "./suite.js"

/** A client, as it is named here. The one of Node is undici, in a version that depends on Node's. */
export type Name = "chromium" | "ws" | "undici" | "node" | "python"

/** What each client reports as an error; one that isn't named reports none. */
type Errors = Readonly<Partial<Record<Exclude<Name, "node">, RegExp>>>

/** An error event that says nothing. */
const SILENT = /^$/

/** How long the silence of a server is listened to, in milliseconds: an echo on this machine takes a few. */
const SILENCE = 500

/** How long the server waits for a handshake, in milliseconds, where that is what is seen. */
const HANDSHAKE_TIMEOUT = 1000

const abnormal = { code: 1006, reason: "", wasClean: false }

/** What a connection comes to on which two messages have been echoed, and then a third was sent. */
const endings: ReadonlyArray<{
  readonly query: string
  readonly sees: Pick<Ending, "code" | "reason" | "wasClean">
  readonly errors: Errors
}> = [
  {
    query: "fault=close&after=2msg",
    sees: { code: 1000, reason: "", wasClean: true },
    errors: {}
  },
  {
    query: "fault=close&code=4001&reason=try+later&after=2msg",
    sees: { code: 4001, reason: "try later", wasClean: true },
    errors: { python: /^ConnectionClosedError: received 4001 .*try later; then sent 4001/ }
  },
  {
    query: "fault=close&code=1012&after=2msg",
    sees: { code: 1012, reason: "", wasClean: true },
    errors: { python: /^ConnectionClosedError: received 1012 \(service restart\); then sent 1012/ }
  },
  {
    query: "fault=reset&after=2msg",
    sees: abnormal,
    errors: { undici: SILENT, python: /^ConnectionClosedError: no close frame received or sent/ }
  },
  {
    query: "fault=vanish&after=2msg",
    sees: abnormal,
    errors: { undici: SILENT, python: /^ConnectionClosedError: no close frame received or sent/ }
  },
  {
    query: "fault=truncate&after=2msg",
    sees: abnormal,
    errors: { undici: SILENT, python: /^ConnectionClosedError: no close frame received or sent/ }
  },
  {
    query: "fault=corrupt&after=2msg",
    sees: abnormal,
    errors: {
      chromium: SILENT,
      ws: /^Invalid WebSocket frame: RSV2 and RSV3 must be clear$/,
      undici: SILENT,
      python: /^ConnectionClosedError: sent 1002 \(protocol error\).*; no close frame received/
    }
  }
]

/** What the attempt to open a connection fails with. */
const refusals: ReadonlyArray<{ readonly query: string; readonly errors: Required<Errors> }> = [
  {
    query: "fault=refuse&status=503&retry-after=2",
    errors: {
      chromium: /^error, close 1006$/,
      ws: /Unexpected server response: 503$/,
      undici: /^it closed before it opened/,
      python: /^InvalidStatus(Code)?: server rejected WebSocket connection: HTTP 503$/
    }
  },
  {
    query: "fault=explode",
    errors: {
      chromium: /^error, close 1006$/,
      ws: /Unexpected server response: 400$/,
      undici: /^it closed before it opened/,
      python: /^InvalidStatus(Code)?: server rejected WebSocket connection: HTTP 400$/
    }
  }
]

const hanging: Required<Errors> = {
  chromium: /^error, close 1006$/,
  ws: /socket hang up$/,
  undici: /^it closed before it opened/,
  python: /^InvalidMessage: did not receive a valid HTTP response$/
}

/** Which of four messages come back, in which order, and at the earliest when, in milliseconds. */
const echoes: ReadonlyArray<{
  readonly query: string
  readonly come: ReadonlyArray<string>
  readonly atLeast: number
}> = [
  { query: "fault=delay&time=300ms", come: ["1", "2", "3", "4"], atLeast: 295 },
  { query: "fault=delay&time=100ms&jitter=100ms&seed=7", come: ["1", "2", "3", "4"], atLeast: 0 },
  { query: "fault=drop&rate=0.5&seed=7", come: ["1"], atLeast: 0 },
  { query: "fault=drop&rate=1&after=3msg", come: ["1", "2", "3"], atLeast: 0 },
  { query: "fault=duplicate&rate=0.5&seed=7", come: ["1", "2", "2", "3", "3", "4", "4"], atLeast: 0 },
  { query: "fault=duplicate&rate=1&after=2msg", come: ["1", "2", "3", "3", "4", "4"], atLeast: 0 },
  // Four frames of three bytes.
  { query: "fault=throttle&rate=30", come: ["1", "2", "3", "4"], atLeast: 350 }
]

/** Opens a connection on which two messages are echoed before anything goes wrong. */
const talking = (client: Client, url: string) =>
  Effect.gen(function* () {
    const session = yield* client.open(url)
    expect(yield* session.exchange(["1", "2"])).toEqual(["1", "2"])
    return session
  })

const expectError = (name: Name, error: string | undefined, errors: Errors): void => {
  if (name === "node") return
  const expected = errors[name]
  if (expected === undefined) expect(error).toBeUndefined()
  else expect(error).toMatch(expected)
}

/** Expects that a server says nothing, neither to a message nor to a ping. */
const expectSilence = (session: Session) =>
  Effect.gen(function* () {
    yield* session.sendBytes(1)
    expect(yield* session.hear(SILENCE)).toBe("")
  })

/** Registers the tests of what a client sees. */
export const seen = <C extends Client>(name: Name, setup: () => Setup<C>): void => {
  const urlOf = (query: string): string => `${setup().program.webSocketUrl}?${query}`

  describe("sees what it asks for", () => {
    for (const { errors, query, sees } of endings) {
      live(query, () =>
        Effect.gen(function* () {
          const session = yield* talking(setup().client, urlOf(query))
          yield* session.sendBytes(9)
          const ending = yield* session.closed
          expect(ending).toMatchObject({ ...sees, unread: 0 })
          expectError(name, ending.error, errors)
        })
      )
    }

    for (const { errors, query } of refusals) {
      live(query, () =>
        Effect.gen(function* () {
          const { message } = yield* Effect.flip(setup().client.open(urlOf(query)))
          expectError(name, message, errors)
        })
      )
    }

    live("fault=hang", () =>
      Effect.gen(function* () {
        const { client, start } = setup()
        const program = yield* start(["--handshake-timeout", `${HANDSHAKE_TIMEOUT}ms`])
        const [elapsed, { message }] = yield* Effect.timed(
          Effect.flip(client.open(`${program.webSocketUrl}?fault=hang`))
        )
        expect(Duration.toMillis(elapsed)).toBeGreaterThan(HANDSHAKE_TIMEOUT - 50)
        expectError(name, message, hanging)
      })
    )

    live("fault=stall, fault=mute, until the server is stopped", () =>
      Effect.gen(function* () {
        const { client, start } = setup()
        const program = yield* start([])
        const sessions = yield* Effect.forEach(["stall", "mute"], (fault) =>
          talking(client, `${program.webSocketUrl}?fault=${fault}&after=2msg`)
        )
        yield* Effect.forEach(sessions, expectSilence, { concurrency: "unbounded" })
        yield* program.signal("SIGTERM")
        for (const { closed } of sessions) {
          expect(yield* closed).toMatchObject({ code: 1001, wasClean: true, unread: 0 })
        }
      })
    )

    for (const { atLeast, come, query } of echoes) {
      live(query, () =>
        Effect.gen(function* () {
          const session = yield* setup().client.open(urlOf(query))
          const [elapsed, messages] = yield* Effect.timed(session.exchange(["1", "2", "3", "4"], come.length))
          expect(messages).toEqual(come)
          expect(Duration.toMillis(elapsed)).toBeGreaterThan(atLeast)
          yield* session.close(1000, "")
          expect(yield* session.closed).toMatchObject({ code: 1000, wasClean: true, unread: 0 })
        })
      )
    }
  })
}
