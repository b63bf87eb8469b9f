/**
 * What any WebSocket client sees of the built program. Each client runs the same tests.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import { type Client, describeMessage, type Message } from "./client.js"
import * as Faults from "./faults.js"

const KIB = 1024
const MIB = 1024 * KIB

/** How many milliseconds the start of a client may take, on a busy machine: that of a browser takes a second. */
const SETUP_PATIENCE = 60_000

export interface Setup<C extends Client> {
  readonly client: C
  /** An echo server that all tests share which neither stop it nor want something special of it. */
  readonly program: Program.Listening
  /** Starts another one. */
  readonly start: (args: ReadonlyArray<string>) => ReturnType<typeof Program.start>
}

/** What is needed of a machine that has a client. */
export interface SuiteOptions<C extends Client> {
  readonly name: string
  /** As which client it is expected to see faults. */
  readonly sees: Faults.Name
  /** Why the client isn't here, with the command that installs it. */
  readonly missing: string | undefined
  readonly client: Effect.Effect<C, unknown, Scope.Scope>
  /** Whether the client offers permessage-deflate (RFC 7692). */
  readonly compresses: boolean
  /** Tests that only this client has. */
  readonly more?: (setup: () => Setup<C>) => void
}

const expectEchoes = (url: string, client: Client, messages: ReadonlyArray<Message>) =>
  Effect.gen(function* () {
    const session = yield* client.open(url)
    const echoes = yield* session.exchange(messages)
    expect(echoes.map(describeMessage)).toEqual(messages.map(describeMessage))
  })

const behaviours = <C extends Client>({ client, compresses, more, sees }: SuiteOptions<C>): void => {
  const scope = Effect.runSync(Scope.make())
  let shared: Setup<C> | undefined
  const setup = (): Setup<C> => {
    if (shared === undefined) throw new Error("nothing is set up yet")
    return shared
  }

  beforeAll(
    () =>
      Effect.runPromise(
        Effect.gen(function* () {
          const made = yield* client
          const origin = made.origin === undefined ? [] : ["--origin", made.origin]
          const start: Setup<C>["start"] = (args) => Program.start({ args: [...origin, ...args] })
          shared = { client: made, program: yield* start([]), start }
        }).pipe(Scope.extend(scope))
      ),
    SETUP_PATIENCE
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), SETUP_PATIENCE)

  const echoes = (what: string, messages: () => ReadonlyArray<Message>): void =>
    live(`has ${what} echoed`, () =>
      Effect.suspend(() => expectEchoes(setup().program.webSocketUrl, setup().client, messages()))
    )
  echoes("text", () => ["hello", "Grüße", "👋🏽 👩‍👩‍👧‍👦", "\u0000", ""])
  echoes("binary", () => [Uint8Array.of(0, 255, 128), new Uint8Array(), randomBytes(70_000)])
  echoes("binary of the largest size that is accepted", () => [randomBytes(MIB)])
  echoes("text and binary in turn", () => ["1", Uint8Array.of(2), "3", Uint8Array.of(4)])
  echoes("a thousand messages at once in their order", () =>
    Array.from({ length: 1000 }, (_, i) => (i % 10 === 9 ? randomBytes(1000) : `message ${i}`))
  )

  live("gets its own close code back", () =>
    Effect.gen(function* () {
      const { client, program } = setup()
      const session = yield* client.open(program.webSocketUrl)
      yield* session.exchange(["hello"])
      yield* session.close(4001, "that's all")
      expect(yield* session.closed).toMatchObject({ code: 4001, wasClean: true })
      expect(yield* program.log.logged("connection closed", { code: 4001 })).toMatchObject({
        reason: "PeerClosed",
        messagesIn: 1,
        messagesOut: 1
      })
    })
  )

  for (const size of [MIB + 1, 8 * MIB]) {
    live(`sees 1009 after a message of ${size} bytes`, () =>
      Effect.gen(function* () {
        const { client, program } = setup()
        const session = yield* client.open(program.webSocketUrl)
        yield* session.exchange(["hello"])
        yield* session.sendBytes(size)
        // A client may be at the message still when TCP ends, and not come to answer the Close frame (RFC 6455
        // section 7.1.7): whether it calls that clean is its own affair.
        expect(yield* session.closed).toMatchObject({ code: 1009, reason: "message too big" })
      })
    )
  }

  live("sees 1001 and the reason when the server shuts down", () =>
    Effect.gen(function* () {
      const { client, start } = setup()
      const program = yield* start([])
      const sessions = yield* Effect.replicateEffect(client.open(program.webSocketUrl), 2)
      yield* program.signal("SIGTERM")
      for (const { closed } of sessions) {
        expect(yield* closed).toMatchObject({ code: 1001, reason: "server shutting down", wasClean: true })
      }
      expect(yield* program.exit).toEqual({ code: 0, signal: null })
    })
  )

  live("speaks the subprotocol that the server prefers among those it offers", () =>
    Effect.gen(function* () {
      const { client, start } = setup()
      const program = yield* start(["--subprotocol", "chat.v2", "--subprotocol", "chat.v1"])
      const session = yield* client.open(program.webSocketUrl, ["chat.v1", "chat.v2"])
      expect(session.subprotocol).toBe("chat.v2")
      const plain = yield* client.open(program.webSocketUrl)
      expect(plain.subprotocol).toBe("")
      yield* plain.exchange(["hello"])
    })
  )

  if (compresses) {
    live("compresses, and has what was compressed echoed, if the server accepts it", () =>
      Effect.gen(function* () {
        const { client, program, start } = setup()
        const compressing = yield* start(["--compression", "on"])
        const session = yield* client.open(compressing.webSocketUrl)
        expect(session.extensions).toContain("permessage-deflate")
        const messages = ["a".repeat(70_000), "👋🏽", "", Buffer.alloc(MIB, "ab"), randomBytes(70_000), "a"]
        expect((yield* session.exchange(messages)).map(describeMessage)).toEqual(
          messages.map(describeMessage)
        )
        yield* session.close(1000, "")
        expect(yield* session.closed).toMatchObject({ code: 1000, wasClean: true })
        expect((yield* client.open(program.webSocketUrl)).extensions).toBe("")
      })
    )
  }
  Faults.seen(sees, setup)
  more?.(setup)
}

/** Registers the tests of a client. */
export const suite = <C extends Client>(options: SuiteOptions<C>): void => {
  const { missing, name } = options
  if (missing === undefined) describe(name, () => behaviours(options))
  else if (process.env["CI"] === "true") it(`${name} is here`, () => expect.fail(missing))
  else it.skip(`${name} (skipped: ${missing})`)
}
