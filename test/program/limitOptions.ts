/**
 * The options that limit what peers may take: what is seen of each when it is set.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import type * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"

/** Looks at what an option does. */
type Look = (program: Program.Listening) => Effect.Effect<unknown, unknown, Scope.Scope>

const TURNED_OFF = "nothing for a while"

/** What the log says of how the connection ended; with a long time, nothing for a while. */
const ending = (program: Program.Listening, duration = 1500) =>
  program.log.logged("connection closed").pipe(
    Effect.map((line) => line["reason"]),
    Effect.timeoutTo({ duration, onSuccess: (reason) => reason, onTimeout: () => TURNED_OFF })
  )

const quiet: Look = (program) => Effect.zipRight(RawClient.connect({ port: program.port }), ending(program))

/** A peer that sends, and doesn't read. */
const greedy: Look = (program) =>
  Effect.gen(function* () {
    const peer = yield* RawClient.connect({ port: program.port })
    yield* peer.pause
    yield* Effect.forkScoped(
      Effect.ignore(Effect.forever(peer.write(Frames.binary(Buffer.alloc(64 * 1024)))))
    )
    // The kernel is to be full before the time counts, which takes a busy machine a while.
    return yield* ending(program, 4000)
  })

/** How many of three handshakes are answered how. */
const three: Look = ({ port }) =>
  Effect.forEach(["203.0.113.1", "203.0.113.1", "203.0.113.2"], (client) =>
    Effect.gen(function* () {
      const peer = yield* RawClient.open({ port })
      yield* peer.write(Http.request({ headers: { "X-Forwarded-For": client } }))
      return (yield* peer.responseHead).status
    })
  )

const timeout = (
  flag: string,
  env: string,
  reason: string,
  look: Look,
  args: ReadonlyArray<string> = []
) => ({
  flag,
  env,
  byFlag: { texts: ["300ms"], seen: reason },
  byEnv: { text: "1 day", seen: TURNED_OFF },
  look,
  args
})

/** For a table of all options. */
export const limitCases = [
  timeout("heartbeat-interval", "ANSWERBACK_HEARTBEAT_INTERVAL", "HeartbeatTimeout", quiet, [
    "--heartbeat-timeout",
    "300ms"
  ]),
  timeout("heartbeat-timeout", "ANSWERBACK_HEARTBEAT_TIMEOUT", "HeartbeatTimeout", quiet, [
    "--heartbeat-interval",
    "300ms"
  ]),
  timeout("idle-timeout", "ANSWERBACK_IDLE_TIMEOUT", "IdleTimeout", quiet, ["--close-timeout", "100ms"]),
  timeout("max-lifetime", "ANSWERBACK_MAX_LIFETIME", "LifetimeReached", quiet, ["--close-timeout", "100ms"]),
  timeout("send-timeout", "ANSWERBACK_SEND_TIMEOUT", "SlowConsumer", greedy),
  {
    flag: "handshake-timeout",
    env: "ANSWERBACK_HANDSHAKE_TIMEOUT",
    byFlag: { texts: ["300ms"], seen: "fin" },
    byEnv: { text: "off", seen: TURNED_OFF },
    look: (({ port }) =>
      Effect.gen(function* () {
        const peer = yield* RawClient.open({ port })
        return yield* Effect.timeoutTo(peer.ended, {
          duration: 1500,
          onSuccess: (end): string => end,
          onTimeout: () => TURNED_OFF
        })
      })) satisfies Look
  },
  {
    flag: "max-connections",
    env: "ANSWERBACK_MAX_CONNECTIONS",
    byFlag: { texts: ["1"], seen: [101, 503, 503] },
    byEnv: { text: "2", seen: [101, 101, 503] },
    look: three
  },
  {
    flag: "max-connections-per-address",
    env: "ANSWERBACK_MAX_CONNECTIONS_PER_ADDRESS",
    byFlag: { texts: ["1"], seen: [101, 429, 101] },
    byEnv: { text: "off", seen: [101, 101, 101] },
    look: three,
    args: ["--trusted-proxy", "127.0.0.1"]
  },
  {
    flag: "trusted-proxy",
    env: "ANSWERBACK_TRUSTED_PROXY",
    byFlag: { texts: ["10.0.0.0/8", "127.0.0.0/8"], seen: [101, 429, 101] },
    byEnv: { text: "10.0.0.0/8, fd00::/8", seen: [101, 429, 429] },
    look: three,
    args: ["--max-connections-per-address", "1"]
  },
  {
    flag: "high-water-mark",
    env: "ANSWERBACK_HIGH_WATER_MARK",
    byFlag: { texts: ["1"], seen: "held back" },
    byEnv: { text: "100MiB", seen: "all was read" },
    args: ["--send-timeout", "3s"],
    // All that is sent is read, if so much may wait to be sent.
    look: ((program) =>
      Effect.gen(function* () {
        const peer = yield* RawClient.connect({ port: program.port })
        yield* peer.pause
        const all = Effect.replicateEffect(peer.write(Frames.binary(Buffer.alloc(1024 * 1024))), 32, {
          discard: true
        })
        yield* Effect.forkScoped(Effect.ignore(all))
        const line = yield* program.log.logged("connection closed")
        return line["messagesIn"] === 32 ? "all was read" : "held back"
      })) satisfies Look
  }
]
