/**
 * The command line: arguments and environment, turned into what to do.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as FC from "effect/FastCheck"
import * as Cli from "../../src/Cli.js"
import { options } from "../../src/config/ServerOptions.js"

type Environment = Readonly<Record<string, string | undefined>>

/** What the program would serve with. */
const serve = (args: ReadonlyArray<string>, environment: Environment = {}) => {
  const command = Cli.parse(args, environment)
  if (command._tag !== "Serve") throw new Error(`not to serve, but ${JSON.stringify(command)}`)
  return command
}

/** What the program would complain of. */
const problems = (args: ReadonlyArray<string>, environment: Environment = {}): ReadonlyArray<string> => {
  const command = Cli.parse(args, environment)
  if (command._tag !== "Invalid") throw new Error(`no complaint, but ${JSON.stringify(command)}`)
  return command.problems
}

describe("without arguments and variables", () => {
  it("the program serves with the defaults", () => {
    const defaults = Object.fromEntries(
      Object.entries(options).map(([name, option]) => [name, option.default])
    )
    expect(Cli.parse([], {})).toEqual({
      _tag: "Serve",
      settings: defaults,
      workers: 1,
      logFormat: undefined,
      logLevel: "info",
      otlpUrl: undefined,
      redisUrl: undefined,
      redisPrefix: "answerback"
    })
  })
})

describe("a flag", () => {
  it.each([
    [["--port", "81"], { port: 81 }],
    [["--port=81"], { port: 81 }],
    [["--host", "0.0.0.0"], { host: "0.0.0.0" }],
    [["--path", "/chat"], { path: "/chat" }],
    [["--compression", "on"], { compression: true }],
    [["--max-payload", "64KiB"], { maxPayload: 65_536 }],
    [["--close-timeout", "30 seconds"], { closeTimeout: Duration.seconds(30) }],
    [["--close-timeout", "30   seconds"], { closeTimeout: Duration.seconds(30) }],
    [["--drain-timeout", "500ms"], { drainTimeout: Duration.millis(500) }],
    [["--drain-delay=2m"], { drainDelay: Duration.minutes(2) }],
    [["--drain-spread", "1.5s"], { drainSpread: Duration.millis(1500) }],
    [["--shutdown-code", "1012"], { shutdownCode: 1012 }],
    [["--tls-cert", "a.pem", "--tls-key", "b.pem"], { tlsCert: "a.pem", tlsKey: "b.pem" }],
    [["--subprotocol", "b", "--subprotocol", "a"], { subprotocols: ["b", "a"] }],
    [["--origin=*"], { origins: [{ _tag: "Any" }] }]
  ])("is read: %j", (args, expected) => {
    expect(serve(args).settings).toMatchObject(expected)
  })

  it("sets the format and the level of the log", () => {
    expect(serve(["--log-format", "logfmt", "--log-level", "debug"])).toMatchObject({
      logFormat: "logfmt",
      logLevel: "debug"
    })
  })

  it("that is given twice counts the last time", () => {
    expect(serve(["--port", "81", "--port", "82"]).settings.port).toBe(82)
  })

  it("wins over its variable, and over what that can't be read as", () => {
    expect(serve(["--port", "81"], { ANSWERBACK_PORT: "82", PORT: "83" }).settings.port).toBe(81)
    expect(serve(["--port", "81"], { ANSWERBACK_PORT: "http" }).settings.port).toBe(81)
    expect(serve(["--origin", "*"], { ANSWERBACK_ORIGIN: "https://example.com" }).settings.origins).toEqual([
      { _tag: "Any" }
    ])
  })

  it.each([
    [["--port", "http"], "--port", '"http"', "0 to 65535"],
    [["--port", ""], "--port", '""', "0 to 65535"],
    [["--port"], "--port", '""', "0 to 65535"],
    [["--host="], "--host", '""', "an address"],
    [["--path", "echo"], "--path", '"echo"', '"/"'],
    [["--max-payload", "1GB"], "--max-payload", '"1GB"', "64KiB"],
    [["--close-timeout", "30"], "--close-timeout", '"30"', "30 seconds"],
    [["--drain-timeout=-5s"], "--drain-timeout", '"-5s"', "30 seconds"],
    [["--shutdown-code", "1005"], "--shutdown-code", '"1005"', "3000-4999"],
    [["--compression", "yes"], "--compression", '"yes"', "on or off"],
    [["--origin", "*", "--origin", "nowhere"], "--origin", '"nowhere"', "https://*.example.com"],
    [["--subprotocol", "two words"], "--subprotocol", '"two words"', "letters, digits"],
    [["--log-format", "xml"], "--log-format", '"xml"', "pretty, logfmt or json"],
    [["--log-level", "loud"], "--log-level", '"loud"', "info"],
    [["--otlp-url", "localhost:4318"], "--otlp-url", '"localhost:4318"', "http://localhost:4318"],
    [["--redis-url", "localhost:6379"], "--redis-url", '"localhost:6379"', "redis://localhost:6379"],
    [["--redis-prefix", "a b"], "--redis-prefix", '"a b"', "letters, digits"]
  ])(
    "that can't be read is named, with the value and what is accepted: %j",
    (args, flag, value, accepted) => {
      const [problem, ...others] = problems(args)
      expect(others).toEqual([])
      expect(problem).toContain(flag)
      expect(problem).toContain(value)
      expect(problem).toContain(accepted)
    }
  )

  it.each([
    ["--prot", "--prot"],
    ["--prot=1", "--prot"],
    ["-p", "-p"],
    ["--no-compression", "--no-compression"],
    ["--__proto__=1", "--__proto__"],
    ["--constructor", "--constructor"],
    ["--PORT=1", "--PORT"]
  ])("that is none is named: %s", (arg, name) => {
    expect(problems([arg])).toEqual([expect.stringContaining(`unknown option ${name}`)])
  })

  it("that takes no value is told one", () => {
    expect(problems(["--help=yes"])).toEqual([expect.stringContaining("--help")])
    expect(problems(["--version=1"])).toEqual([expect.stringContaining("--version")])
  })

  it("is not taken from what stands alone", () => {
    expect(problems(["8080"])).toEqual([expect.stringContaining('"8080"')])
    expect(problems(["--", "--port"])).toEqual([expect.stringContaining('"--port"')])
  })
})

describe("a variable", () => {
  it.each<[Environment, object]>([
    [{ ANSWERBACK_PORT: "81" }, { port: 81 }],
    [{ PORT: "81" }, { port: 81 }],
    [{ ANSWERBACK_PORT: "82", PORT: "81" }, { port: 82 }],
    [{ ANSWERBACK_PORT: "", PORT: "81" }, { port: 81 }],
    [{ ANSWERBACK_PORT: undefined, PORT: undefined }, { port: 8080 }],
    [{ ANSWERBACK_HOST: "" }, { host: "::" }],
    [{ ANSWERBACK_CLOSE_TIMEOUT: "30 seconds" }, { closeTimeout: Duration.seconds(30) }],
    [{ ANSWERBACK_SUBPROTOCOL: "b, a,,c" }, { subprotocols: ["b", "a", "c"] }],
    [
      { ANSWERBACK_ORIGIN: "https://a.test,https://*.b.test:8443" },
      {
        origins: [
          { _tag: "Exact", origin: "https://a.test:443" },
          { _tag: "Subdomains", scheme: "https", suffix: ".b.test", port: "8443" }
        ]
      }
    ]
  ])("is read: %j", (environment, expected) => {
    expect(serve([], environment).settings).toMatchObject(expected)
  })

  it.each<[Environment, string, string, string]>([
    [{ ANSWERBACK_PORT: "http" }, "ANSWERBACK_PORT", '"http"', "0 to 65535"],
    [{ PORT: "tcp://10.0.0.1:80" }, "PORT", '"tcp://10.0.0.1:80"', "0 to 65535"],
    [{ ANSWERBACK_DRAIN_DELAY: "30" }, "ANSWERBACK_DRAIN_DELAY", '"30"', "30 seconds"],
    [{ ANSWERBACK_ORIGIN: "https://a.test, b" }, "ANSWERBACK_ORIGIN", '"b"', "https://*.example.com"],
    [{ ANSWERBACK_LOG_FORMAT: "xml" }, "ANSWERBACK_LOG_FORMAT", '"xml"', "logfmt"],
    [{ ANSWERBACK_LOG_LEVEL: "loud" }, "ANSWERBACK_LOG_LEVEL", '"loud"', "info"]
  ])(
    "that can't be read is named, with the value and what is accepted: %j",
    (environment, name, value, accepted) => {
      const [problem, ...others] = problems([], environment)
      expect(others).toEqual([])
      expect(problem).toMatch(new RegExp(`^${name} `))
      expect(problem).toContain(value)
      expect(problem).toContain(accepted)
    }
  )
})

describe("problems", () => {
  it("are all told, one line each", () => {
    const all = problems(["--port", "http", "--prot", "--path", "echo"], { ANSWERBACK_DRAIN_DELAY: "soon" })
    const told = new Set(
      all.map((problem) => /--prot|--port|--path|ANSWERBACK_DRAIN_DELAY/.exec(problem)?.[0])
    )
    expect(told).toEqual(new Set(["--path", "--port", "--prot", "ANSWERBACK_DRAIN_DELAY"]))
    expect(all).toHaveLength(4)
    for (const problem of all) expect(problem).not.toContain("\n")
  })

  it("are one line each, whatever is in the value", () => {
    for (const problem of [...problems(["--port", "a\nb"]), ...problems(["a\nb"])])
      expect(problem).not.toContain("\n")
  })

  it.each([[["--tls-cert", "a.pem"]], [["--tls-key", "b.pem"]]])(
    "are a certificate or a key alone: %j",
    (args) => {
      expect(problems(args)).toEqual([expect.stringMatching(/--tls-cert.*--tls-key/)])
    }
  )

  it("are not a certificate as a flag and its key as a variable", () => {
    expect(serve(["--tls-cert", "a.pem"], { ANSWERBACK_TLS_KEY: "b.pem" }).settings).toMatchObject({
      tlsCert: "a.pem",
      tlsKey: "b.pem"
    })
  })
})

describe("help and version", () => {
  it.each([["--help"], ["-h"]])("%s asks for the help", (flag) => {
    expect(Cli.parse([flag], {})).toEqual({ _tag: "Help" })
  })

  it.each([["--version"], ["-v"]])("%s asks for the version", (flag) => {
    expect(Cli.parse([flag], {})).toEqual({ _tag: "Version" })
  })

  it("are given though something else is wrong", () => {
    expect(Cli.parse(["--port", "http", "--prot", "--help"], { ANSWERBACK_PATH: "echo" })).toEqual({
      _tag: "Help"
    })
    expect(Cli.parse(["--version"], { ANSWERBACK_PATH: "echo" })).toEqual({ _tag: "Version" })
  })
})

describe("the help", () => {
  const help = Cli.help()
  /** What is said of each flag, as one line. */
  const sections = new Map(
    help
      .slice(help.indexOf("Options:"))
      .split(/\n(?= {2}-)/)
      .slice(1)
      .map((section) => [/--([a-z-]+)/.exec(section)?.[1] ?? "", section.replace(/\s+/g, " ")] as const)
  )

  const documented = [
    ["host", ":: (", "ANSWERBACK_HOST"],
    ["port", "8080", "ANSWERBACK_PORT, else PORT"],
    ["path", "/echo", "ANSWERBACK_PATH"],
    ["subprotocol", "none", "ANSWERBACK_SUBPROTOCOL (comma separated)"],
    ["origin", "same origin", "ANSWERBACK_ORIGIN (comma separated)"],
    ["compression", "off", "ANSWERBACK_COMPRESSION"],
    ["trusted-proxy", "none", "ANSWERBACK_TRUSTED_PROXY (comma separated)"],
    ["max-payload", "1MiB", "ANSWERBACK_MAX_PAYLOAD"],
    ["max-connections", "10000", "ANSWERBACK_MAX_CONNECTIONS"],
    ["max-connections-per-address", "off", "ANSWERBACK_MAX_CONNECTIONS_PER_ADDRESS"],
    ["handshake-timeout", "10s", "ANSWERBACK_HANDSHAKE_TIMEOUT"],
    ["heartbeat-interval", "25s", "ANSWERBACK_HEARTBEAT_INTERVAL"],
    ["heartbeat-timeout", "10s", "ANSWERBACK_HEARTBEAT_TIMEOUT"],
    ["idle-timeout", "off", "ANSWERBACK_IDLE_TIMEOUT"],
    ["max-lifetime", "off", "ANSWERBACK_MAX_LIFETIME"],
    ["send-timeout", "30s", "ANSWERBACK_SEND_TIMEOUT"],
    ["high-water-mark", "64KiB", "ANSWERBACK_HIGH_WATER_MARK"],
    ["close-timeout", "5s", "ANSWERBACK_CLOSE_TIMEOUT"],
    ["drain-timeout", "8s", "ANSWERBACK_DRAIN_TIMEOUT"],
    ["drain-delay", "0s", "ANSWERBACK_DRAIN_DELAY"],
    ["drain-spread", "0s", "ANSWERBACK_DRAIN_SPREAD"],
    ["shutdown-code", "1001", "ANSWERBACK_SHUTDOWN_CODE"],
    ["faults", "on", "ANSWERBACK_FAULTS"],
    ["console", "on", "ANSWERBACK_CONSOLE"],
    ["admin-token", "none", "ANSWERBACK_ADMIN_TOKEN"],
    ["tls-cert", "none", "ANSWERBACK_TLS_CERT"],
    ["tls-key", "none", "ANSWERBACK_TLS_KEY"],
    ["workers", "1", "ANSWERBACK_WORKERS"],
    ["log-format", "pretty on a terminal, else json", "ANSWERBACK_LOG_FORMAT"],
    ["log-level", "info", "ANSWERBACK_LOG_LEVEL"],
    ["otlp-url", "none", "ANSWERBACK_OTLP_URL"],
    ["redis-url", "none", "ANSWERBACK_REDIS_URL"],
    ["redis-prefix", "answerback", "ANSWERBACK_REDIS_PREFIX"]
  ] as const

  it.each(documented)("tells of --%s with its default %s and its variable %s", (flag, text, variable) => {
    expect(sections.get(flag)).toContain(`Default: ${text}`)
    expect(sections.get(flag)).toContain(`Environment: ${variable}.`)
  })

  it("tells of each option once, and of no other", () => {
    const flags = [...help.matchAll(/^ {2}(?:-[a-z], )?--([a-z-]+)/gm)].map(([, flag]) => flag)
    expect(flags).toEqual([...new Set(flags)])
    expect(new Set(flags)).toEqual(new Set([...documented.map(([flag]) => flag), "help", "version"]))
    for (const { flag } of Object.values(options)) expect(flags).toContain(flag)
  })

  it("tells a default of each setting that is the default, when it is given as a value", () => {
    for (const [flag, text] of documented) {
      if (["none", "same origin", ":: (", "pretty on a terminal, else json"].includes(text)) continue
      expect(Cli.parse([`--${flag}`, text], {}), flag).toEqual(Cli.parse([], {}))
    }
  })

  it("says what can be repeated", () => {
    const repeatable = [...sections]
      .filter(([, section]) => section.includes("(repeatable)"))
      .map(([flag]) => flag)
    expect(repeatable).toEqual(["subprotocol", "origin", "trusted-proxy"])
  })

  it("says what exit codes mean, and what signals do", () => {
    for (const word of ["SIGTERM", "SIGINT", "Exit code 1", "2:"]) expect(help).toContain(word)
  })

  it("has no line of more than 80 columns, none that ends in a blank, and ends with a line end", () => {
    for (const line of help.split("\n")) {
      expect(line.length).toBeLessThanOrEqual(80)
      expect(line).toBe(line.trimEnd())
    }
    expect(help).toMatch(/[^\n]\n$/)
  })
})

describe("whatever stands on the command line and in the environment", () => {
  const flags = [
    ...Object.values(options).map(({ flag }) => `--${flag}`),
    "--log-level",
    "--help",
    "-h",
    "-v",
    "--",
    "-"
  ]
  const text = FC.oneof(
    FC.string({ unit: "binary" }),
    FC.constantFrom("on", "80", "*", "30s", "", "\0", "/x", "--")
  )
  const argument = FC.oneof(
    text,
    FC.constantFrom(...flags),
    FC.tuple(FC.constantFrom(...flags), text).map(([flag, value]) => `${flag}=${value}`),
    text.map((name) => `--${name}`),
    text.map((name) => `-${name}`)
  )
  const variables = Object.values(options).flatMap(({ env }) => env)
  const environment = FC.dictionary(
    FC.oneof(FC.constantFrom(...variables), FC.string()),
    FC.option(text, { nil: undefined })
  )

  it.prop(
    "there is something to do, or a problem to tell, and nothing is thrown",
    [FC.array(argument, { maxLength: 6 }), environment],
    ([args, given]) => {
      const command = Cli.parse(args, given)
      expect(["Help", "Version", "Invalid", "Serve"]).toContain(command._tag)
      if (command._tag === "Invalid") expect(command.problems.length).toBeGreaterThan(0)
    },
    { fastCheck: { numRuns: 500 } }
  )
})
