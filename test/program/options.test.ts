/**
 * Each option is read from its flag and from its environment variable, and the flag wins. What was read is seen in
 * what the program does. An option without a test is told by the test of `--help`.
 */
import * as Effect from "effect/Effect"
import { availableParallelism } from "node:os"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import packageJson from "../../package.json" with { type: "json" }
import { ask } from "../support/admin.js"
import { fingerprint, noOpenssl, selfSigned } from "../support/certificate.js"
import * as Collector from "../support/Collector.js"
import { freePort } from "../support/freePort.js"
import * as Frames from "../support/frames.js"
import { get } from "../support/get.js"
import { live } from "../support/live.js"
import { childrenOf } from "../support/processes.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { noRedis, redisServer } from "../support/Redis.js"
import { limitCases } from "./limitOptions.js"
import { liveWithTool } from "../support/skip.js"

/** What there is to see of an option in a program that runs. */
type Look = (program: Program.Listening) => Effect.Effect<unknown, unknown, Scope.Scope>

interface Sample {
  readonly text: string
  readonly seen: unknown
}

interface Case {
  readonly flag: string
  readonly env: string
  /** What is given by the flag: several, for one that can be given several times. */
  readonly byFlag: { readonly texts: ReadonlyArray<string>; readonly seen: unknown }
  readonly byEnv: Sample
  readonly look: Look
  /** What else to start the program with. */
  readonly args?: ReadonlyArray<string>
}

/** The status of a handshake with these headers. */
const handshake = (port: number, headers: Readonly<Record<string, string>>, path = "/echo") =>
  RawClient.connect({ port, path, headers }).pipe(
    Effect.flatMap((client) => client.responseHead),
    Effect.catchTag("ConnectFailed", (error) =>
      error.response === undefined ? Effect.fail(error) : Effect.succeed(error.response)
    )
  )

/** Milliseconds from the signal on. */
const afterSignal = (program: Program.Program, wait: Effect.Effect<unknown, unknown>) =>
  Effect.gen(function* () {
    const start = performance.now()
    yield* program.signal("SIGTERM")
    yield* wait
    return performance.now() - start
  })

/** A short time was a few hundred milliseconds, a long one two seconds and more. */
const lengthOf = (millis: number): "short" | "long" => (millis < 1800 ? "short" : "long")

const cases: ReadonlyArray<Case> = [
  {
    flag: "path",
    env: "ANSWERBACK_PATH",
    byFlag: { texts: ["/by-flag"], seen: [101, 404] },
    byEnv: { text: "/by/env", seen: [404, 101] },
    look: ({ port }) =>
      Effect.forEach(["/by-flag", "/by/env"], (path) =>
        Effect.map(handshake(port, {}, path), ({ status }) => status)
      )
  },
  {
    flag: "subprotocol",
    env: "ANSWERBACK_SUBPROTOCOL",
    byFlag: { texts: ["flag.two", "flag.one"], seen: "flag.two" },
    byEnv: { text: "env.two, env.one", seen: "env.two" },
    look: ({ port }) =>
      Effect.map(
        handshake(port, { "Sec-WebSocket-Protocol": "env.one, flag.one, env.two, flag.two" }),
        ({ headers }) => headers["sec-websocket-protocol"]
      )
  },
  {
    flag: "origin",
    env: "ANSWERBACK_ORIGIN",
    byFlag: { texts: ["https://one.example", "https://*.two.example"], seen: [101, 101, 403, 403] },
    byEnv: { text: "https://three.example, http://four.example:8000", seen: [403, 403, 101, 101] },
    look: ({ port }) =>
      Effect.forEach(
        ["https://one.example", "https://a.two.example", "https://three.example", "http://four.example:8000"],
        (origin) => Effect.map(handshake(port, { Origin: origin }), ({ status }) => status)
      )
  },
  {
    flag: "compression",
    env: "ANSWERBACK_COMPRESSION",
    byFlag: { texts: ["off"], seen: undefined },
    byEnv: { text: "on", seen: "permessage-deflate" },
    look: ({ port }) =>
      Effect.map(
        handshake(port, { "Sec-WebSocket-Extensions": "permessage-deflate" }),
        ({ headers }) => headers["sec-websocket-extensions"]
      )
  },
  {
    flag: "max-payload",
    env: "ANSWERBACK_MAX_PAYLOAD",
    byFlag: { texts: ["10"], seen: ["text 10", "close 1009"] },
    byEnv: { text: "1KiB", seen: ["text 1024", "close 1009"] },
    look: ({ port }) =>
      Effect.gen(function* () {
        const sizes: Array<string> = []
        const peer = yield* RawClient.connect({ port })
        for (const size of [1, 10, 11, 1024, 1025]) {
          yield* peer.write(Frames.text("x".repeat(size)))
          const frame = yield* peer.nextFrame
          if (frame.opcode === Frames.CLOSE) return [sizes.at(-1), `close ${Frames.closeOf(frame)?.code}`]
          sizes.push(`text ${frame.payload.length}`)
        }
        return sizes
      })
  },
  {
    flag: "close-timeout",
    env: "ANSWERBACK_CLOSE_TIMEOUT",
    byFlag: { texts: ["200ms"], seen: "short" },
    byEnv: { text: "2 seconds", seen: "long" },
    look: (program) =>
      Effect.gen(function* () {
        const silent = yield* RawClient.connect({ port: program.port })
        return lengthOf(yield* afterSignal(program, silent.ended))
      })
  },
  {
    flag: "drain-timeout",
    env: "ANSWERBACK_DRAIN_TIMEOUT",
    byFlag: { texts: ["200 millis"], seen: "short" },
    byEnv: { text: "2s", seen: "long" },
    look: (program) =>
      Effect.gen(function* () {
        yield* RawClient.connect({ port: program.port })
        return lengthOf(yield* afterSignal(program, program.exit))
      })
  },
  {
    flag: "drain-delay",
    env: "ANSWERBACK_DRAIN_DELAY",
    byFlag: { texts: ["100ms"], seen: "short" },
    byEnv: { text: "2 seconds", seen: "long" },
    look: (program) => Effect.map(afterSignal(program, program.exit), lengthOf)
  },
  {
    flag: "drain-spread",
    env: "ANSWERBACK_DRAIN_SPREAD",
    byFlag: { texts: ["200ms"], seen: "short" },
    byEnv: { text: "4 seconds", seen: "long" },
    look: (program) =>
      Effect.gen(function* () {
        const peers = yield* Effect.replicateEffect(RawClient.connect({ port: program.port }), 2)
        const closes = Effect.forEach(peers, (peer) => peer.nextFrame)
        return lengthOf(yield* afterSignal(program, closes))
      })
  },
  {
    flag: "shutdown-code",
    env: "ANSWERBACK_SHUTDOWN_CODE",
    byFlag: { texts: ["1012"], seen: "close 1012 server shutting down" },
    byEnv: { text: "4321", seen: "close 4321 server shutting down" },
    look: (program) =>
      Effect.gen(function* () {
        const peer = yield* RawClient.connect({ port: program.port })
        yield* program.signal("SIGTERM")
        return Frames.describe(yield* peer.nextFrame)
      })
  },
  {
    flag: "faults",
    env: "ANSWERBACK_FAULTS",
    byFlag: { texts: ["on"], seen: 101 },
    byEnv: { text: "off", seen: 403 },
    look: ({ port }) => Effect.map(handshake(port, {}, "/echo?fault=mute"), ({ status }) => status)
  },
  {
    flag: "console",
    env: "ANSWERBACK_CONSOLE",
    byFlag: { texts: ["on"], seen: 200 },
    byEnv: { text: "off", seen: 404 },
    look: (program) => Effect.map(get(program, "/"), ({ status }) => status)
  },
  {
    flag: "admin-token",
    env: "ANSWERBACK_ADMIN_TOKEN",
    byFlag: { texts: ["by-flag"], seen: [200, 401, 401] },
    byEnv: { text: "by-env", seen: [401, 200, 401] },
    look: (program) =>
      Effect.forEach(["Bearer by-flag", "Bearer by-env", null], (authorization) =>
        Effect.map(
          ask(program, "GET /connections", { headers: { Authorization: authorization } }),
          ({ status }) => status
        )
      )
  },
  ...limitCases
]

/** Options whose tests are not of that kind. */
const others: Array<Pick<Case, "flag" | "env">> = []

/** Registers the test of some of them. */
const testOf = (
  options: ReadonlyArray<Pick<Case, "flag" | "env">>,
  register: (name: string) => void
): void => {
  others.push(...options)
  const list = (of: (one: Pick<Case, "flag" | "env">) => string): string => options.map(of).join(" and ")
  register(
    `${list(({ flag }) => `--${flag}`)}: read from the environment as ${list(({ env }) => env)}, and flags win`
  )
}

describe("an option", () => {
  for (const { args: others = [], byEnv, byFlag, env, flag, look } of cases) {
    live(`--${flag}: read from the environment as ${env}, and flags win`, () =>
      Effect.gen(function* () {
        const environment = { [env]: byEnv.text }
        const args = [...others, ...byFlag.texts.flatMap((text) => [`--${flag}`, text])]
        const seen = yield* Effect.all(
          [
            Effect.flatMap(Program.start({ env: environment, args: others }), look),
            Effect.flatMap(Program.start({ env: environment, args }), look)
          ],
          { concurrency: "unbounded" }
        )
        expect(seen).toEqual([byEnv.seen, byFlag.seen])
      })
    )
  }

  testOf([{ flag: "host", env: "ANSWERBACK_HOST" }], (name) =>
    live(name, () =>
      Effect.gen(function* () {
        const env = { ANSWERBACK_HOST: "0.0.0.0" }
        const byEnv = yield* Program.start({ without: ["host"], env })
        expect(new URL(byEnv.url).hostname).toBe("localhost")
        const byFlag = yield* Program.start({ without: ["host"], env, args: ["--host", "127.0.0.1"] })
        expect(new URL(byFlag.url).hostname).toBe("127.0.0.1")
      })
    )
  )

  testOf([{ flag: "port", env: "ANSWERBACK_PORT" }], (name) =>
    live(name, () =>
      Effect.gen(function* () {
        const ports = yield* Effect.replicateEffect(freePort, 3)
        const [own = 0, common = 0, byFlag = 0] = ports
        const PORT = String(common)
        const ANSWERBACK_PORT = String(own)
        const portOf = (env: Readonly<Record<string, string>>, args: ReadonlyArray<string> = []) =>
          Effect.scoped(Effect.map(Program.start({ without: ["port"], env, args }), ({ port }) => port))
        expect(yield* portOf({ PORT })).toBe(common)
        expect(yield* portOf({ PORT, ANSWERBACK_PORT })).toBe(own)
        expect(yield* portOf({ PORT, ANSWERBACK_PORT: "" })).toBe(common)
        expect(yield* portOf({ PORT, ANSWERBACK_PORT }, [`--port=${byFlag}`])).toBe(byFlag)
      })
    )
  )

  testOf(
    [
      { flag: "tls-cert", env: "ANSWERBACK_TLS_CERT" },
      { flag: "tls-key", env: "ANSWERBACK_TLS_KEY" }
    ],
    (name) =>
      liveWithTool(noOpenssl, name, () =>
        Effect.gen(function* () {
          const one = yield* selfSigned
          const other = yield* selfSigned
          const env = { ANSWERBACK_TLS_CERT: one.cert, ANSWERBACK_TLS_KEY: one.key }
          const byEnv = yield* Program.start({ env })
          expect(yield* fingerprint(byEnv.port)).toBe(one.fingerprint)
          const byFlag = yield* Program.start({ env, args: other.args })
          expect(yield* fingerprint(byFlag.port)).toBe(other.fingerprint)
        })
      )
  )

  testOf([{ flag: "log-format", env: "ANSWERBACK_LOG_FORMAT" }], (name) =>
    live(name, () =>
      Effect.gen(function* () {
        const env = { ANSWERBACK_LOG_FORMAT: "logfmt" }
        const byEnv = yield* Program.start({ without: ["log-format"], env })
        expect(byEnv.lines()[0]).toMatch(/^timestamp=\S+ level=info message=listening /)
        const byFlag = yield* Program.start({ env, args: ["--log-format", "pretty"] })
        expect(byFlag.lines()[0]).toMatch(/^[\d:.]+ info {2}listening /)
      })
    )
  )

  testOf([{ flag: "log-level", env: "ANSWERBACK_LOG_LEVEL" }], (name) =>
    live(name, () =>
      Effect.gen(function* () {
        const env = { ANSWERBACK_LOG_LEVEL: "warn" }
        // This is warned of, and it comes first.
        const args = ["--drain-delay", "100ms", "--drain-timeout", "100ms"]
        const byEnv = yield* Program.launch({ env, args })
        yield* byEnv.printed(/"level":"warn"/)
        yield* Program.stop(byEnv)
        expect(byEnv.lines()).toHaveLength(1)
        const byFlag = yield* Program.start({ env, args: [...args, "--log-level", "info"] })
        expect(byFlag.lines()).toHaveLength(2)
      })
    )
  )

  testOf([{ flag: "workers", env: "ANSWERBACK_WORKERS" }], (name) =>
    live(name, () =>
      Effect.gen(function* () {
        const env = { ANSWERBACK_WORKERS: "2" }
        expect(childrenOf((yield* Program.start({ env })).pid)).toHaveLength(2)
        expect(childrenOf((yield* Program.start({ env, args: ["--workers", "1"] })).pid)).toHaveLength(0)
        const cores = availableParallelism()
        const automatic = yield* Program.start({ args: ["--workers", "auto"] })
        expect(childrenOf(automatic.pid)).toHaveLength(cores === 1 ? 0 : cores)
      })
    )
  )

  testOf([{ flag: "otlp-url", env: "ANSWERBACK_OTLP_URL" }], (name) =>
    live(name, () =>
      Effect.gen(function* () {
        const [one, other] = yield* Effect.all([Collector.make(), Collector.make()])
        const urlOf = ({ port }: Collector.Collector): string => `http://127.0.0.1:${port}`
        const env = { ANSWERBACK_OTLP_URL: urlOf(one) }
        // What is pending goes out at the end.
        yield* Program.stop(yield* Program.start({ env }))
        expect(one.figures.get("answerback_connections_opened_total")).toBe(0)
        const before = one.requests.length
        yield* Program.stop(yield* Program.start({ env, args: ["--otlp-url", urlOf(other)] }))
        expect(other.figures.get("answerback_connections_opened_total")).toBe(0)
        expect(one.requests).toHaveLength(before)
      })
    )
  )

  // That there is no Redis says which one was looked for; what they do is tested where there is one.
  testOf([{ flag: "redis-url", env: "ANSWERBACK_REDIS_URL" }], (name) =>
    live(name, () =>
      Effect.gen(function* () {
        const env = { ANSWERBACK_REDIS_URL: "redis://127.0.0.1:1" }
        const away = (args: ReadonlyArray<string>) =>
          Effect.gen(function* () {
            const program = yield* Program.start({ env, args })
            expect((yield* get(program, "/readyz")).body).toBe("degraded")
            return program.log.lines.find(({ level }) => level === "warn")?.["redis"]
          })
        expect(yield* away([])).toBe("127.0.0.1:1")
        expect(yield* away(["--redis-url", "redis://127.0.0.1:2"])).toBe("127.0.0.1:2")
      })
    )
  )

  testOf([{ flag: "redis-prefix", env: "ANSWERBACK_REDIS_PREFIX" }], (name) =>
    liveWithTool(noRedis, name, () =>
      Effect.gen(function* () {
        const redis = yield* redisServer()
        const env = { ANSWERBACK_REDIS_URL: redis.url, ANSWERBACK_REDIS_PREFIX: "one" }
        yield* Program.start({ env })
        yield* Program.start({ env, args: ["--redis-prefix", "other"] })
        expect((yield* redis.cli("keys", "*")).trim().split("\n").toSorted()).toEqual([
          "one:servers",
          "other:servers"
        ])
      })
    )
  )

  live("is read as --flag=value too", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--path=/talk", "--close-timeout=1 second"] })
      expect(new URL(program.webSocketUrl).pathname).toBe("/talk")
    })
  )

  live("has its default when its variable is set to nothing", () =>
    Effect.gen(function* () {
      const variables = [...cases.map(({ env }) => env), ...others.map(({ env }) => env)]
      const env = Object.fromEntries(variables.map((name) => [name, ""]))
      const program = yield* Program.start({ without: ["host", "log-format"], env })
      expect(program.url).toBe(`http://localhost:${program.port}/`)
      expect(program.webSocketUrl).toBe(`ws://localhost:${program.port}/echo`)
      const { headers, status } = yield* handshake(program.port, {
        "Sec-WebSocket-Protocol": "chat",
        "Sec-WebSocket-Extensions": "permessage-deflate"
      })
      expect(status).toBe(101)
      expect(headers["sec-websocket-protocol"]).toBeUndefined()
      expect(headers["sec-websocket-extensions"]).toBeUndefined()
      expect((yield* handshake(program.port, { Origin: "https://example.com" })).status).toBe(403)
      expect((yield* handshake(program.port, {}, "/echo?fault=mute")).status).toBe(101)
      expect((yield* get(program, "/")).status).toBe(200)
      expect((yield* get(program, "/connections")).status).toBe(200)
      const peer = yield* RawClient.connect({ port: program.port })
      yield* program.signal("SIGTERM")
      expect(Frames.describe(yield* peer.nextFrame)).toBe("close 1001 server shutting down")
    })
  )

  live("is read in every way of writing a duration or a size", () =>
    Effect.gen(function* () {
      const durations = ["close-timeout", "drain-timeout", "drain-delay", "drain-spread"]
      const args = [
        ["500ms", "30s", "2m", "1h"],
        ["500 millis", "30 seconds", "2 minutes", "1 hour"],
        ["1.5s", "0s", "1 second", "0ms"]
      ].map((texts) => durations.flatMap((flag, i) => [`--${flag}`, texts[i] ?? ""]))
      const sizes = ["65536", "64KiB", "1MiB"]
      for (const [i, these] of args.entries()) {
        yield* Program.start({ args: [...these, "--max-payload", sizes[i] ?? ""] })
      }
    })
  )
})

describe("--help", () => {
  const defaults: Readonly<Record<string, string>> = {
    host: "::",
    port: "8080",
    path: "/echo",
    subprotocol: "none",
    origin: "same origin",
    compression: "off",
    "max-payload": "1MiB",
    "close-timeout": "5s",
    "drain-timeout": "8s",
    "drain-delay": "0s",
    "drain-spread": "0s",
    "shutdown-code": "1001",
    "trusted-proxy": "none",
    faults: "on",
    console: "on",
    "admin-token": "none",
    "max-connections": "10000",
    "max-connections-per-address": "off",
    "handshake-timeout": "10s",
    "heartbeat-interval": "25s",
    "heartbeat-timeout": "10s",
    "idle-timeout": "off",
    "max-lifetime": "off",
    "send-timeout": "30s",
    "high-water-mark": "64KiB",
    "tls-cert": "none",
    "tls-key": "none",
    workers: "1",
    "log-format": "pretty on a terminal, else json",
    "log-level": "info",
    "otlp-url": "none",
    "redis-url": "none",
    "redis-prefix": "answerback"
  }

  live("lists every option with its default and its variable, and ends with exit code 0", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* Program.run({ args: ["--help"] })
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
      const about = new Map(
        stdout
          .split(/^ {2}--/m)
          .slice(1)
          .map((text) => [/^[\w-]+/.exec(text)?.[0] ?? "", text.replaceAll(/\s+/g, " ")])
      )
      const tested = [...cases, ...others]
      expect(tested.map(({ flag }) => flag).toSorted()).toEqual([...about.keys()].toSorted())
      expect(Object.keys(defaults).toSorted()).toEqual([...about.keys()].toSorted())
      for (const { env, flag } of tested) {
        const text = about.get(flag)
        expect(text, `--${flag}`).toContain(`Default: ${defaults[flag]}`)
        expect(text, `--${flag}`).toContain(env)
      }
      expect(about.get("port")).toContain("else PORT")
    })
  )

  live("is -h for short", () =>
    Effect.gen(function* () {
      const long = yield* Program.run({ args: ["--help"] })
      expect(yield* Program.run({ args: ["-h"] })).toEqual(long)
    })
  )
})

describe("--version", () => {
  live("prints the version of the package, and ends with exit code 0", () =>
    Effect.gen(function* () {
      expect(yield* Program.run({ args: ["--version"] })).toEqual({
        code: 0,
        signal: null,
        stdout: `${packageJson.version}\n`,
        stderr: ""
      })
    })
  )
})
