/**
 * The memory transport doesn't lie: whatever a peer does, the connection ends as on a real socket, and the peer sees the same.
 */
import * as Effect from "effect/Effect"
import * as FC from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import {
  type Connection,
  type ConnectionClosed,
  Connections,
  type ServerOptions,
  WebSocketServer
} from "../../src/index.js"
import * as Endings from "../../src/testing/Endings.js"
import * as Testing from "../../src/testing/Testing.js"
import * as Words from "../../src/testing/Words.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { PATIENT } from "../support/session.js"

/** The largest message, and less than one that is larger. */
const MAX_PAYLOAD = 1000

const options: ServerOptions = { ...PATIENT, maxPayload: MAX_PAYLOAD, highWaterMark: 2000 }

/** Echoes, but for what it is asked to do otherwise. */
const handler = (connection: Connection): Effect.Effect<void, ConnectionClosed | Error> =>
  Stream.runForEachWhile(connection.messages, ({ text }) => {
    switch (text) {
      case "fail":
        return Effect.fail(new Error("as asked"))
      case "die":
        return Effect.dieMessage("as asked")
      case "return":
        return Effect.succeed(false)
      case "close":
        return Effect.as(Effect.orDie(connection.close({ code: 4100, reason: "as asked" })), true)
      case "stop":
        return Effect.as(Effect.orDie(connection.stop({ code: 4200 })), true)
      case "reset":
        return Effect.as(connection.reset, true)
      default:
        return Effect.as(connection.send(text), true)
    }
  })

/** Something after which all is quiet again. */
type Step =
  | { readonly _tag: "say"; readonly texts: ReadonlyArray<string>; readonly isPaused: boolean }
  | { readonly _tag: "ping"; readonly payload: string }

/** What ends the connection. Those that have a place in the order of the wire may come right behind messages. */
type Last =
  | { readonly _tag: "close"; readonly code: number | undefined; readonly reason: string }
  | { readonly _tag: "vanish" }
  | { readonly _tag: "tooBig" }
  | { readonly _tag: "ask"; readonly text: string }
  | { readonly _tag: "reset" }
  | { readonly _tag: "askReset" }
  | { readonly _tag: "stop"; readonly code: number; readonly reason: string }

interface Script {
  readonly steps: ReadonlyArray<Step>
  /** Said right before the last, where that is in order. */
  readonly behind: ReadonlyArray<string>
  readonly last: Last
}

const word = FC.string({ minLength: 1, maxLength: 400 }).map((text) => `${text}!`)
const words = FC.array(word, { maxLength: 8 })
const code = FC.integer({ min: 3000, max: 4999 })

const script: FC.Arbitrary<Script> = FC.record({
  steps: FC.array(
    FC.oneof(
      FC.record({ _tag: FC.constant("say" as const), texts: words, isPaused: FC.boolean() }),
      FC.record({ _tag: FC.constant("ping" as const), payload: FC.string({ maxLength: 9 }) })
    ),
    { maxLength: 4 }
  ),
  behind: words,
  last: FC.oneof(
    FC.record({
      _tag: FC.constant("close" as const),
      code: FC.option(code, { nil: undefined }),
      reason: FC.constant("")
    }),
    FC.record({ _tag: FC.constant("close" as const), code, reason: FC.string({ maxLength: 20 }) }),
    FC.constant({ _tag: "vanish" as const }),
    FC.constant({ _tag: "tooBig" as const }),
    FC.record({
      _tag: FC.constant("ask" as const),
      text: FC.constantFrom("fail", "die", "return", "close", "stop")
    }),
    FC.constant({ _tag: "reset" as const }),
    FC.constant({ _tag: "askReset" as const }),
    FC.record({ _tag: FC.constant("stop" as const), code, reason: FC.string({ maxLength: 20 }) })
  )
})

/** What became of it. */
interface Outcome {
  readonly reason: string
  readonly code: number | null
  readonly received: ReadonlyArray<string>
  readonly closeFrame: Testing.PeerEnded["closeFrame"]
  readonly tcp: Testing.PeerEnded["tcp"]
}

/** A peer that can go through a script. */
interface Player {
  readonly say: (texts: ReadonlyArray<string>) => Effect.Effect<unknown, unknown>
  readonly receive: Effect.Effect<unknown, unknown>
  readonly ping: (payload: string) => Effect.Effect<unknown, unknown>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly close: (code: number | undefined, reason: string) => Effect.Effect<unknown, unknown>
  readonly vanish: (how: "end" | "reset") => Effect.Effect<unknown, unknown>
  readonly stop: (code: number, reason: string) => Effect.Effect<unknown, unknown>
  readonly outcome: Effect.Effect<Outcome, unknown>
}

const isInOrder = ({ _tag }: Last): boolean => !["reset", "askReset", "stop"].includes(_tag)

const play = (player: Player, { behind, last, steps }: Script): Effect.Effect<Outcome, unknown> =>
  Effect.gen(function* () {
    for (const step of steps) {
      if (step._tag === "ping") yield* player.ping(step.payload)
      else if (step.texts.length > 0) {
        if (step.isPaused) yield* player.pause
        yield* player.say(step.texts)
        if (step.isPaused) yield* player.resume
        yield* Effect.replicateEffect(player.receive, step.texts.length)
      }
    }
    if (isInOrder(last) && behind.length > 0) yield* player.say(behind)
    switch (last._tag) {
      case "close":
        yield* player.close(last.code, last.reason)
        break
      case "vanish":
        yield* player.vanish("end")
        break
      case "reset":
        yield* player.vanish("reset")
        break
      case "tooBig":
        yield* player.say(["x".repeat(MAX_PAYLOAD + 1)])
        break
      case "ask":
        yield* player.say([last.text])
        break
      case "askReset":
        yield* player.say(["reset"])
        break
      case "stop":
        yield* player.stop(last.code, last.reason)
        break
    }
    return yield* player.outcome
  })

const inMemory: Effect.Effect<Player, unknown, Scope.Scope> = Effect.map(
  Testing.connect(handler, options),
  (peer) => ({
    say: (texts) => peer.send(...texts),
    receive: peer.receive,
    ping: peer.ping,
    pause: peer.pauseReading,
    resume: peer.resumeReading,
    close: peer.close,
    vanish: peer.vanish,
    stop: (code, reason) => peer.stop({ code, reason }),
    outcome: Effect.map(peer.ended, ({ closeFrame, code, reason, tcp }) => ({
      reason: Words.ofReason(reason),
      code,
      received: peer.received.map(({ text }) => text),
      closeFrame,
      tcp
    }))
  })
)

const onSocket: Effect.Effect<Player, unknown, Scope.Scope | WebSocketServer.WebSocketServer | Connections> =
  Effect.gen(function* () {
    const { port } = yield* WebSocketServer.WebSocketServer
    const connections = yield* Connections
    const client = yield* RawClient.connect({ port })
    const local = `127.0.0.1:${yield* client.localPort}`
    const id = (yield* connections.list).find(({ remote }) => remote === local)?.id ?? "nowhere"
    const received: Array<string> = []
    let hasClosed = false
    let isEnded = false
    let isReset = false

    const outcome = Effect.gen(function* () {
      let closeFrame: Outcome["closeFrame"]
      const take = Effect.suspend(() => (isReset ? Effect.succeedNone : Effect.option(client.nextFrame)))
      for (let next = yield* take; next._tag === "Some"; next = yield* take) {
        const frame = next.value
        if (frame.opcode === Frames.TEXT) received.push(frame.payload.toString())
        const close = Frames.closeOf(frame)
        if (close === undefined) continue
        closeFrame = { code: close.code ?? 1005, reason: close.reason }
        if (!hasClosed) yield* Effect.ignore(client.write(Frames.close(close.code, close.reason)))
      }
      // Where both sides have ended there is nothing left to ask the kernel of.
      const end = isReset ? "reset" : yield* isEnded ? client.ended : client.endedByKernel
      yield* client.end
      const ended = yield* Effect.fromNullable(Endings.of(connections)).pipe(
        Effect.flatMap((endings) => endings.ended(id))
      )
      const tcp: Outcome["tcp"] = end === "fin" ? "end" : "reset"
      return { reason: Words.ofReason(ended.reason), code: ended.code, received, closeFrame, tcp }
    })

    return {
      say: (texts) => client.write(Buffer.concat(texts.map(Frames.text))),
      receive: Effect.map(client.nextMessage, ({ text }) => received.push(text)),
      ping: (payload) =>
        Effect.gen(function* () {
          yield* client.write(Frames.ping(payload))
          expect(Frames.describe(yield* client.nextFrame)).toContain("pong")
        }),
      pause: client.pause,
      resume: client.resume,
      close: (code, reason) => {
        hasClosed = true
        return client.write(Frames.close(code, reason))
      },
      vanish: (how) => {
        if (how === "end") {
          isEnded = true
          return client.end
        }
        isReset = true
        return client.reset
      },
      stop: (code, reason) => connections.stop(id, { code, reason }),
      outcome
    }
  })

describe("a connection in memory", () => {
  live(
    "ends as one on a socket does, whatever its peer does",
    () =>
      Effect.gen(function* () {
        const context = yield* Layer.build(Testing.layerServer(handler, options))
        const runPromise = Runtime.runPromise(yield* Effect.runtime())
        const tags = new Set<string>()
        const both = (script: Script) =>
          Effect.gen(function* () {
            const memory = yield* Effect.flatMap(inMemory, (player) => play(player, script))
            const socket = yield* Effect.flatMap(onSocket, (player) => play(player, script))
            tags.add(script.last._tag)
            expect(memory).toEqual(socket)
          }).pipe(Effect.scoped, Effect.provide(context))
        const holds = FC.asyncProperty(script, (script) => runPromise(both(script)))
        yield* Effect.tryPromise({
          try: () => FC.assert(holds, { numRuns: 100, interruptAfterTimeLimit: 40_000 }),
          catch: (error) => error
        })
        // All kinds of endings have been there.
        expect(tags.size).toBe(7)
      }).pipe(Logger.withMinimumLogLevel(LogLevel.None)),
    120_000
  )
})
