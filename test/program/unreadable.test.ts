/**
 * What can't be read ends the program before it listens: exit code 2, and one line for each problem.
 */
import * as Effect from "effect/Effect"
import * as net from "node:net"
import { beforeAll, describe, expect, it } from "vitest"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"

interface Case {
  readonly flag: string
  /** By default the one that the flag's name gives. */
  readonly env?: string
  readonly values: ReadonlyArray<string>
  /** What the line says of what is accepted. */
  readonly accepts: RegExp
}

const notDurations = ["-1", "-1s", "5", "5 parsecs", "soon", "1y", "s", "5s5s", "1,5s", "0x5s"]
const duration = /500ms.*30s.*"30 seconds"/

const cases: ReadonlyArray<Case> = [
  { flag: "host", values: [" "], accepts: /address/ },
  {
    flag: "port",
    values: ["-1", "70000", "65536", "http", "80.5", "0x50", "8e3", "80 81", "999999999999999999999"],
    accepts: /0 to 65535/
  },
  {
    flag: "port",
    env: "PORT",
    values: ["-1", "70000", "65536", "http", "80.5", "tcp://10.0.0.1:80"],
    accepts: /0 to 65535/
  },
  {
    flag: "path",
    values: [
      "echo",
      "//echo",
      "/echo?a=b",
      "/echo#there",
      "/livez",
      "/readyz",
      "/metrics",
      "ws://localhost/echo"
    ],
    accepts: /starts with "\/"/
  },
  { flag: "subprotocol", values: ["a b", "a/b", "a;b", "é", '"chat"', "a(b)"], accepts: /letters, digits/ },
  {
    flag: "origin",
    values: [
      "example.com",
      "https://example.com/path",
      "https://example.com/",
      "https://example.com?query",
      "https://user@example.com",
      "https://example.com:port",
      "https://*",
      "https://a.*.example.com",
      "https://*example.com",
      "//example.com",
      "https://exa mple.com"
    ],
    accepts: /\* \(any\).*https:\/\/example\.com.*https:\/\/\*\.example\.com/
  },
  { flag: "compression", values: ["maybe", "true", "1", "yes", "onoff"], accepts: /on or off/ },
  {
    flag: "max-payload",
    values: ["-1", "1GB", "1MB", "1KB", "1GiB", "64 kilobytes", "many", "1.5.2MiB", "KiB", "0x10"],
    accepts: /64KiB.*1MiB/
  },
  {
    flag: "trusted-proxy",
    values: ["10.0.0", "10.0.0.0/33", "proxy.example", "10.0.0.1:80", "::1/129"],
    accepts: /10\.0\.0\.0\/8/
  },
  {
    flag: "max-connections",
    values: ["0", "-1", "1.5", "many", "1e3", "none"],
    accepts: /from 1 up, or off/
  },
  { flag: "max-connections-per-address", values: ["0", "-1", "1.5", "OFF"], accepts: /from 1 up, or off/ },
  ...[
    "handshake-timeout",
    "heartbeat-interval",
    "heartbeat-timeout",
    "idle-timeout",
    "max-lifetime",
    "send-timeout"
  ].map((flag) => ({
    flag,
    values: ["0s", "0ms", "30", "soon", "-5s"],
    accepts: /above zero.*30s.*, or off/
  })),
  { flag: "high-water-mark", values: ["0", "-1", "1GB", "off"], accepts: /64KiB.*1MiB/ },
  { flag: "close-timeout", values: notDurations, accepts: duration },
  { flag: "drain-timeout", values: notDurations, accepts: duration },
  { flag: "drain-delay", values: notDurations, accepts: duration },
  { flag: "drain-spread", values: notDurations, accepts: duration },
  {
    flag: "shutdown-code",
    values: ["abc", "-1", "0", "999", "1004", "1005", "1006", "1015", "1016", "2999", "5000", "1001.5"],
    accepts: /1000-1003.*1007-1014.*3000-4999/
  },
  { flag: "tls-cert", values: [" "], accepts: /PEM/ },
  { flag: "tls-key", values: [" "], accepts: /PEM/ },
  { flag: "workers", values: ["0", "-1", "1.5", "1001", "all", "off"], accepts: /1 to 1000, or auto/ },
  { flag: "log-format", values: ["xml", "jsonl", "json,pretty"], accepts: /pretty, logfmt or json/ },
  { flag: "log-level", values: ["loud", "3", "infos"], accepts: /trace.*debug.*info.*warn.*error/ },
  { flag: "otlp-url", values: ["localhost:4318", "ftp://a"], accepts: /http:\/\/localhost:4318/ },
  {
    flag: "redis-url",
    values: ["localhost:6379", "http://a", "redis://a/b"],
    accepts: /redis:\/\/localhost:6379/
  },
  { flag: "redis-prefix", values: ["a b", "a*", "[a]"], accepts: /letters, digits/ }
]

const withValues = (one: Case, values: ReadonlyArray<string>): Case => ({ ...one, values })

const variableOf = ({ env, flag }: Case): string =>
  env ?? `ANSWERBACK_${flag.replaceAll("-", "_").toUpperCase()}`

/** Takes standard error apart; what is no line of the program's own, such as a stack, is found here. */
const problemsOf = (stderr: string): ReadonlyArray<string> => {
  const lines = stderr.split("\n")
  expect(lines.pop()).toBe("")
  for (const line of lines) expect(line).toMatch(/^answerback: /)
  return lines.map((line) => line.replace(/^answerback: /, ""))
}

/** Ends with exit code 2 and says nothing but what is wrong. */
const problemsWith = (options: Program.ProgramOptions) =>
  Effect.map(Program.run(options), ({ code, signal, stderr, stdout }) => {
    expect({ code, signal, stdout }, stderr).toEqual({ code: 2, signal: null, stdout: "" })
    return problemsOf(stderr)
  })

/** A port that is in use: a program that wanted to listen would say so, and end with exit code 1. */
const takenPort = Effect.acquireRelease(
  Effect.async<net.Server>((resume) => {
    const server = net.createServer()
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return String(address === null || typeof address === "string" ? 0 : address.port)
  })
)

const expectProblem = (problem: string | undefined, name: string, value: string, accepts: RegExp): void => {
  expect(problem).toBeDefined()
  expect(problem?.split(" ")).toContain(name)
  expect(problem).toContain(JSON.stringify(value))
  expect(problem).toMatch(new RegExp(`accepted is .*${accepts.source}`))
}

describe("a value that can't be read ends the program before it listens", () => {
  for (const one of cases) {
    const { accepts, env, flag } = one
    const [value = ""] = one.values
    const name = env ?? `--${flag}`
    live(`of ${name}`, () =>
      Effect.gen(function* () {
        const port = yield* takenPort
        const isPort = flag === "port"
        const problems = yield* problemsWith({
          without: ["port", "host", "log-format"],
          args: [...(isPort ? [] : ["--port", port]), ...(env === undefined ? [`--${flag}`, value] : [])],
          env: env === undefined ? {} : { [env]: value }
        })
        expect(problems).toHaveLength(1)
        expectProblem(problems[0], name, value, accepts)
      })
    )
  }
})

/**
 * Gives every option its first unreadable value, then every option its second, and so on. The lines of a run belong to
 * different options, so that each value needs no program of its own.
 */
const runs = (
  given: ReadonlyArray<Case>,
  withAll: (options: ReadonlyArray<{ readonly one: Case; readonly value: string }>) => Program.ProgramOptions
) =>
  Effect.forEach(
    Array.from({ length: Math.max(...given.map(({ values }) => values.length)) }),
    (_, round) => {
      const options = given.flatMap((one) => {
        const value = one.values[round]
        return value === undefined ? [] : [{ one, value }]
      })
      return Effect.map(problemsWith(withAll(options)), (problems) => {
        // No problem has two lines, and none hides another.
        expect(problems).toHaveLength(options.length)
        return problems
      })
    },
    { concurrency: 2 }
  )

/** How many milliseconds all the runs may take, on a busy machine: by themselves it is a few seconds. */
const RUNS_PATIENCE = 60_000

const without = ["host", "port", "log-format"] as const

describe("an unreadable value of a flag is named, with what is accepted:", () => {
  const given = cases.filter(({ env }) => env === undefined)
  const withEmpty = given.map((one) => withValues(one, ["", ...one.values]))
  let problems: ReadonlyArray<ReadonlyArray<string>> = []
  beforeAll(async () => {
    problems = await Effect.runPromise(
      runs(withEmpty, (options) => ({
        without,
        args: options.flatMap(({ one, value }) => [`--${one.flag}`, value])
      }))
    )
  }, RUNS_PATIENCE)

  for (const { accepts, flag, values } of withEmpty) {
    it.each(values.map((value, round) => ({ value, round })))(`--${flag} $value`, ({ round, value }) => {
      const found = problems[round]?.find((problem) => problem.startsWith(`--${flag} `))
      expectProblem(found, `--${flag}`, value, accepts)
    })
  }
})

describe("an unreadable value of a variable is named, with what is accepted:", () => {
  // What is blank counts as not set.
  const given = cases
    .map((one) =>
      withValues(
        one,
        one.values.filter((value) => value.trim() !== "")
      )
    )
    .filter(({ env, values }) => values.length > 0 && env === undefined)
  let problems: ReadonlyArray<ReadonlyArray<string>> = []
  beforeAll(async () => {
    problems = await Effect.runPromise(
      runs(given, (options) => ({
        without,
        env: Object.fromEntries(options.map(({ one, value }) => [variableOf(one), value]))
      }))
    )
  }, RUNS_PATIENCE)

  for (const one of given) {
    const name = variableOf(one)
    it.each(one.values.map((value, round) => ({ value, round })))(`${name} $value`, ({ round, value }) => {
      const found = problems[round]?.find((problem) => problem.startsWith(`${name} `))
      expectProblem(found, name, value, one.accepts)
    })
  }
})

describe("what ends the program with exit code 2, too", () => {
  live("is one value among several that can be read", () =>
    Effect.gen(function* () {
      expect(yield* problemsWith({ args: ["--subprotocol", "good", "--subprotocol", "not good"] })).toEqual([
        expect.stringContaining('--subprotocol "not good"')
      ])
      expect(yield* problemsWith({ env: { ANSWERBACK_ORIGIN: "https://a.example, b.example" } })).toEqual([
        expect.stringContaining('ANSWERBACK_ORIGIN "b.example"')
      ])
    })
  )

  live("is an option that is unknown, even one that looks like a known one", () =>
    Effect.gen(function* () {
      for (const args of [["--colour", "red"], ["--Port=1"], ["-p", "1"], ["--no-compression"]]) {
        const [first] = yield* problemsWith({ args })
        expect(first).toContain("unknown option")
        expect(first).toContain(args[0]?.split("=")[0])
      }
    })
  )

  live("is an argument that belongs to no option", () =>
    Effect.gen(function* () {
      expect(yield* problemsWith({ args: ["serve"] })).toEqual([expect.stringContaining('"serve"')])
      expect(yield* problemsWith({ args: ["--", "--port"] })).toEqual([expect.stringContaining('"--port"')])
    })
  )

  live("is a flag without its value", () =>
    Effect.gen(function* () {
      expect(yield* problemsWith({ args: ["--path"] })).toEqual([expect.stringContaining("--path")])
    })
  )

  live("is a certificate without a key, and a key without a certificate, however they are given", () =>
    Effect.gen(function* () {
      const ways: ReadonlyArray<Program.ProgramOptions> = [
        { args: ["--tls-cert", "cert.pem"] },
        { args: ["--tls-key", "key.pem"] },
        { env: { ANSWERBACK_TLS_CERT: "cert.pem" } },
        { env: { ANSWERBACK_TLS_KEY: "key.pem", ANSWERBACK_TLS_CERT: "" } }
      ]
      for (const way of ways) {
        const problems = yield* problemsWith(way)
        expect(problems).toEqual([expect.stringMatching(/--tls-cert and --tls-key.*both/)])
      }
    })
  )

  live("is more than one of these at once: each has a line of its own", () =>
    Effect.gen(function* () {
      const problems = yield* problemsWith({
        args: ["--port", "x", "--colour", "red", "--max-payload=1GB", "--tls-key", "key.pem"],
        env: { ANSWERBACK_PATH: "nowhere", ANSWERBACK_DRAIN_DELAY: "5 parsecs", ANSWERBACK_PORT: "y" }
      })
      const expected = [
        '--port "x"',
        "--colour",
        '"red"',
        '--max-payload "1GB"',
        "--tls-cert and --tls-key",
        'ANSWERBACK_PATH "nowhere"',
        'ANSWERBACK_DRAIN_DELAY "5 parsecs"'
      ]
      expect(problems).toHaveLength(expected.length)
      for (const text of expected) expect(problems).toContainEqual(expect.stringContaining(text))
    })
  )
})
