/**
 * The settings of a server: from a program, and from the environment.
 */
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { options } from "../../src/config/ServerOptions.js"
import { ServerConfig, type ServerOptions, type ServerSettings } from "../../src/ServerConfig.js"

/** What the options are called, and what they are when nothing is given. */
const promised: Readonly<
  Record<keyof ServerSettings, readonly [flag: string, env: ReadonlyArray<string>, value: unknown]>
> = {
  host: ["host", ["ANSWERBACK_HOST"], "::"],
  port: ["port", ["ANSWERBACK_PORT", "PORT"], 8080],
  path: ["path", ["ANSWERBACK_PATH"], "/echo"],
  subprotocols: ["subprotocol", ["ANSWERBACK_SUBPROTOCOL"], []],
  origins: ["origin", ["ANSWERBACK_ORIGIN"], []],
  compression: ["compression", ["ANSWERBACK_COMPRESSION"], false],
  trustedProxies: ["trusted-proxy", ["ANSWERBACK_TRUSTED_PROXY"], []],
  maxPayload: ["max-payload", ["ANSWERBACK_MAX_PAYLOAD"], 1_048_576],
  maxConnections: ["max-connections", ["ANSWERBACK_MAX_CONNECTIONS"], 10_000],
  maxConnectionsPerAddress: [
    "max-connections-per-address",
    ["ANSWERBACK_MAX_CONNECTIONS_PER_ADDRESS"],
    Number.POSITIVE_INFINITY
  ],
  handshakeTimeout: ["handshake-timeout", ["ANSWERBACK_HANDSHAKE_TIMEOUT"], Duration.seconds(10)],
  heartbeatInterval: ["heartbeat-interval", ["ANSWERBACK_HEARTBEAT_INTERVAL"], Duration.seconds(25)],
  heartbeatTimeout: ["heartbeat-timeout", ["ANSWERBACK_HEARTBEAT_TIMEOUT"], Duration.seconds(10)],
  idleTimeout: ["idle-timeout", ["ANSWERBACK_IDLE_TIMEOUT"], Duration.infinity],
  maxLifetime: ["max-lifetime", ["ANSWERBACK_MAX_LIFETIME"], Duration.infinity],
  sendTimeout: ["send-timeout", ["ANSWERBACK_SEND_TIMEOUT"], Duration.seconds(30)],
  highWaterMark: ["high-water-mark", ["ANSWERBACK_HIGH_WATER_MARK"], 65_536],
  closeTimeout: ["close-timeout", ["ANSWERBACK_CLOSE_TIMEOUT"], Duration.seconds(5)],
  drainTimeout: ["drain-timeout", ["ANSWERBACK_DRAIN_TIMEOUT"], Duration.seconds(8)],
  drainDelay: ["drain-delay", ["ANSWERBACK_DRAIN_DELAY"], Duration.zero],
  drainSpread: ["drain-spread", ["ANSWERBACK_DRAIN_SPREAD"], Duration.zero],
  shutdownCode: ["shutdown-code", ["ANSWERBACK_SHUTDOWN_CODE"], 1001],
  tlsCert: ["tls-cert", ["ANSWERBACK_TLS_CERT"], undefined],
  tlsKey: ["tls-key", ["ANSWERBACK_TLS_KEY"], undefined],
  faults: ["faults", ["ANSWERBACK_FAULTS"], true],
  console: ["console", ["ANSWERBACK_CONSOLE"], true],
  adminToken: ["admin-token", ["ANSWERBACK_ADMIN_TOKEN"], undefined]
}

const defaults = Object.fromEntries(Object.entries(promised).map(([name, [, , value]]) => [name, value]))

const fromEnvironment = (environment: Readonly<Record<string, string>>) =>
  ServerConfig.pipe(
    Effect.provide(ServerConfig.layerConfig()),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment))))
  )

/** The problem in words. */
const problem = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<string, A> =>
  Effect.map(Effect.flip(effect), String)

describe("the defaults", () => {
  it.effect("are what is promised, in a program", () =>
    Effect.gen(function* () {
      expect(yield* ServerConfig.make()).toEqual(defaults)
      expect(yield* Effect.provide(ServerConfig, ServerConfig.layer())).toEqual(defaults)
    })
  )

  it.effect("are what is promised, in an empty environment", () =>
    Effect.gen(function* () {
      expect(yield* fromEnvironment({})).toEqual(defaults)
    })
  )

  it.each(Object.entries(promised))(
    "of %s stands with the names of flag and variable",
    (name, [flag, env, value]) => {
      expect(Object.entries(options).find(([key]) => key === name)?.[1]).toMatchObject({
        flag,
        env,
        default: value
      })
    }
  )

  it("have a promise for each option", () => {
    expect(Object.keys(options).sort()).toEqual(Object.keys(promised).sort())
  })
})

describe("settings that a program writes", () => {
  it.effect("are read, each", () =>
    Effect.gen(function* () {
      const settings = yield* ServerConfig.make({
        host: "127.0.0.1",
        port: 0,
        path: "/chat",
        subprotocols: ["v2", "v1"],
        origins: ["https://example.com", "*"],
        compression: true,
        trustedProxies: ["10.0.0.0/8", "::1"],
        maxPayload: "64KiB",
        maxConnections: "off",
        maxConnectionsPerAddress: 10,
        handshakeTimeout: "1 second",
        heartbeatInterval: 500,
        heartbeatTimeout: "off",
        idleTimeout: Duration.infinity,
        maxLifetime: "1 day",
        sendTimeout: "2 minutes",
        highWaterMark: 1024,
        closeTimeout: "500 millis",
        drainTimeout: 1500,
        drainDelay: Duration.seconds(1),
        drainSpread: "2 minutes",
        shutdownCode: 1012,
        faults: false,
        console: false,
        adminToken: "s3cret",
        tlsCert: "cert.pem",
        tlsKey: "key.pem"
      })
      expect(settings).toEqual({
        host: "127.0.0.1",
        port: 0,
        path: "/chat",
        subprotocols: ["v2", "v1"],
        origins: [{ _tag: "Exact", origin: "https://example.com:443" }, { _tag: "Any" }],
        compression: true,
        trustedProxies: [
          { address: "10.0.0.0", prefix: 8, family: "ipv4" },
          { address: "::1", prefix: 128, family: "ipv6" }
        ],
        maxPayload: 65_536,
        maxConnections: Number.POSITIVE_INFINITY,
        maxConnectionsPerAddress: 10,
        handshakeTimeout: Duration.seconds(1),
        heartbeatInterval: Duration.millis(500),
        heartbeatTimeout: Duration.infinity,
        idleTimeout: Duration.infinity,
        maxLifetime: Duration.days(1),
        sendTimeout: Duration.minutes(2),
        highWaterMark: 1024,
        closeTimeout: Duration.millis(500),
        drainTimeout: Duration.millis(1500),
        drainDelay: Duration.seconds(1),
        drainSpread: Duration.minutes(2),
        shutdownCode: 1012,
        faults: false,
        console: false,
        adminToken: Redacted.make("s3cret"),
        tlsCert: "cert.pem",
        tlsKey: "key.pem"
      })
    })
  )

  it.effect("have a size in bytes when it is a number", () =>
    Effect.gen(function* () {
      expect((yield* ServerConfig.make({ maxPayload: 1 })).maxPayload).toBe(1)
    })
  )

  it.effect("are not mixed with the environment", () =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromMap(
        new Map([
          ["ANSWERBACK_PORT", "1"],
          ["ANSWERBACK_PATH", "/env"]
        ])
      )
      const settings = yield* Effect.withConfigProvider(ServerConfig.make({ port: 2 }), provider)
      expect(settings).toEqual({ ...defaults, port: 2 })
    })
  )

  it.effect("with empty lists have the defaults of these", () =>
    Effect.gen(function* () {
      expect(yield* ServerConfig.make({ origins: [], subprotocols: [] })).toEqual(defaults)
    })
  )

  const wrong: ReadonlyArray<
    readonly [settings: ServerOptions, variable: string, value: string, accepted: string]
  > = [
    [{ port: 70_000 }, "ANSWERBACK_PORT", "70000", "0 to 65535"],
    [{ port: -1 }, "ANSWERBACK_PORT", "-1", "0 to 65535"],
    [{ port: 80.5 }, "ANSWERBACK_PORT", "80.5", "0 to 65535"],
    [{ port: Number.NaN }, "ANSWERBACK_PORT", "NaN", "0 to 65535"],
    [{ host: "" }, "ANSWERBACK_HOST", '""', "an address"],
    [{ path: "echo" }, "ANSWERBACK_PATH", "echo", '"/"'],
    [{ path: "" }, "ANSWERBACK_PATH", '""', '"/"'],
    [{ path: "/readyz" }, "ANSWERBACK_PATH", "/readyz", "/readyz"],
    [{ subprotocols: ["ok", "not ok"] }, "ANSWERBACK_SUBPROTOCOL", "not ok", "letters, digits"],
    [{ origins: ["example.com"] }, "ANSWERBACK_ORIGIN", "example.com", "https://*.example.com"],
    [{ maxPayload: "1GB" }, "ANSWERBACK_MAX_PAYLOAD", "1GB", "1MiB"],
    [{ maxPayload: 0 }, "ANSWERBACK_MAX_PAYLOAD", "0", "1 byte"],
    [{ maxPayload: 1.5 }, "ANSWERBACK_MAX_PAYLOAD", "1.5", "1 byte"],
    [{ closeTimeout: "-5 seconds" }, "ANSWERBACK_CLOSE_TIMEOUT", "-5 seconds", "30 seconds"],
    [{ closeTimeout: -5 }, "ANSWERBACK_CLOSE_TIMEOUT", "-5", "30 seconds"],
    [{ drainTimeout: Infinity }, "ANSWERBACK_DRAIN_TIMEOUT", "Infinity", "30 seconds"],
    [{ shutdownCode: 1005 }, "ANSWERBACK_SHUTDOWN_CODE", "1005", "3000-4999"]
  ]

  it.effect.each(wrong)(
    "that can't be read are named, with the value and what is accepted: %j",
    ([settings, variable, value, accepted]) =>
      Effect.gen(function* () {
        const text = yield* problem(ServerConfig.make(settings))
        expect(text).toContain(variable)
        expect(text).toContain(value)
        expect(text).toContain(accepted)
      })
  )

  it.effect("that can't be read are all named, not only the first", () =>
    Effect.gen(function* () {
      const text = yield* problem(
        ServerConfig.make({ port: 70_000, path: "echo", closeTimeout: "-5 seconds", maxPayload: 10 })
      )
      for (const part of [
        "ANSWERBACK_PORT",
        "70000",
        "ANSWERBACK_PATH",
        "echo",
        "ANSWERBACK_CLOSE_TIMEOUT",
        "-5 seconds"
      ])
        expect(text).toContain(part)
      expect(text).not.toContain("ANSWERBACK_MAX_PAYLOAD")
    })
  )

  it.effect.each<ServerOptions>([{ tlsCert: "cert.pem" }, { tlsKey: "key.pem" }])(
    "with a certificate or a key alone are refused: %j",
    (settings) =>
      Effect.gen(function* () {
        const text = yield* problem(ServerConfig.make(settings))
        for (const name of ["--tls-cert", "--tls-key", "ANSWERBACK_TLS_CERT", "ANSWERBACK_TLS_KEY"])
          expect(text).toContain(name)
      })
  )

  it.effect("fail the layer with a ConfigError", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(ServerConfig.layer({ port: 70_000 }))))
      expect(error).toMatchObject({ _tag: "ConfigError", _op: "InvalidData" })
    })
  )
})

describe("settings in the environment", () => {
  it.effect("are read, each", () =>
    Effect.gen(function* () {
      const settings = yield* fromEnvironment({
        ANSWERBACK_HOST: "127.0.0.1",
        ANSWERBACK_PORT: "0",
        ANSWERBACK_PATH: "/chat",
        ANSWERBACK_SUBPROTOCOL: "v2, v1",
        ANSWERBACK_ORIGIN: "https://example.com,https://*.example.org,",
        ANSWERBACK_COMPRESSION: "on",
        ANSWERBACK_TRUSTED_PROXY: "10.0.0.0/8, ::1",
        ANSWERBACK_MAX_PAYLOAD: "64KiB",
        ANSWERBACK_MAX_CONNECTIONS: "off",
        ANSWERBACK_MAX_CONNECTIONS_PER_ADDRESS: "10",
        ANSWERBACK_HANDSHAKE_TIMEOUT: "1s",
        ANSWERBACK_HEARTBEAT_INTERVAL: "500ms",
        ANSWERBACK_HEARTBEAT_TIMEOUT: "off",
        ANSWERBACK_IDLE_TIMEOUT: "off",
        ANSWERBACK_MAX_LIFETIME: "1d",
        ANSWERBACK_SEND_TIMEOUT: "2m",
        ANSWERBACK_HIGH_WATER_MARK: "1KiB",
        ANSWERBACK_CLOSE_TIMEOUT: "500ms",
        ANSWERBACK_DRAIN_TIMEOUT: "30 seconds",
        ANSWERBACK_DRAIN_DELAY: "1s",
        ANSWERBACK_DRAIN_SPREAD: "2m",
        ANSWERBACK_SHUTDOWN_CODE: "1012",
        ANSWERBACK_FAULTS: "off",
        ANSWERBACK_CONSOLE: "off",
        ANSWERBACK_ADMIN_TOKEN: "s3cret",
        ANSWERBACK_TLS_CERT: "cert.pem",
        ANSWERBACK_TLS_KEY: "key.pem"
      })
      expect(settings).toEqual({
        host: "127.0.0.1",
        port: 0,
        path: "/chat",
        subprotocols: ["v2", "v1"],
        origins: [
          { _tag: "Exact", origin: "https://example.com:443" },
          { _tag: "Subdomains", scheme: "https", suffix: ".example.org", port: "443" }
        ],
        compression: true,
        trustedProxies: [
          { address: "10.0.0.0", prefix: 8, family: "ipv4" },
          { address: "::1", prefix: 128, family: "ipv6" }
        ],
        maxPayload: 65_536,
        maxConnections: Number.POSITIVE_INFINITY,
        maxConnectionsPerAddress: 10,
        handshakeTimeout: Duration.seconds(1),
        heartbeatInterval: Duration.millis(500),
        heartbeatTimeout: Duration.infinity,
        idleTimeout: Duration.infinity,
        maxLifetime: Duration.days(1),
        sendTimeout: Duration.minutes(2),
        highWaterMark: 1024,
        closeTimeout: Duration.millis(500),
        drainTimeout: Duration.seconds(30),
        drainDelay: Duration.seconds(1),
        drainSpread: Duration.minutes(2),
        shutdownCode: 1012,
        faults: false,
        console: false,
        adminToken: Redacted.make("s3cret"),
        tlsCert: "cert.pem",
        tlsKey: "key.pem"
      })
    })
  )

  it.effect.each<[string, Record<string, string>, number]>([
    ["PORT", { PORT: "81" }, 81],
    ["PORT, if ANSWERBACK_PORT is set to nothing", { ANSWERBACK_PORT: "", PORT: "81" }, 81],
    ["ANSWERBACK_PORT before PORT", { ANSWERBACK_PORT: "82", PORT: "81" }, 82],
    ["ANSWERBACK_PORT, though PORT can't be read", { ANSWERBACK_PORT: "82", PORT: "tcp://10.0.0.1:80" }, 82],
    ["the default, if both are set to nothing", { ANSWERBACK_PORT: "", PORT: "" }, 8080]
  ])("give the port: %s", ([, environment, port]) =>
    Effect.gen(function* () {
      expect((yield* fromEnvironment(environment)).port).toBe(port)
    })
  )

  it.effect("that are set to nothing count as not set", () =>
    Effect.gen(function* () {
      const empty = Object.values(promised).flatMap(([, env]) => env.map((name) => [name, ""] as const))
      expect(yield* fromEnvironment(Object.fromEntries(empty))).toEqual(defaults)
    })
  )

  it.effect.each<[string, string, string]>([
    ["ANSWERBACK_PORT", "http", "0 to 65535"],
    ["PORT", "tcp://10.0.0.1:80", "0 to 65535"],
    ["ANSWERBACK_PATH", "echo", '"/"'],
    ["ANSWERBACK_SUBPROTOCOL", "two words", "letters, digits"],
    ["ANSWERBACK_ORIGIN", "example.com", "https://*.example.com"],
    ["ANSWERBACK_COMPRESSION", "yes", "on or off"],
    ["ANSWERBACK_MAX_PAYLOAD", "1GB", "1MiB"],
    ["ANSWERBACK_CLOSE_TIMEOUT", "5", "30 seconds"],
    ["ANSWERBACK_DRAIN_TIMEOUT", "-5s", "30 seconds"],
    ["ANSWERBACK_DRAIN_DELAY", "soon", "30 seconds"],
    ["ANSWERBACK_DRAIN_SPREAD", "1,5s", "30 seconds"],
    ["ANSWERBACK_SHUTDOWN_CODE", "1006", "3000-4999"]
  ])("that can't be read are named, with the value and what is accepted: %s=%s", ([name, value, accepted]) =>
    Effect.gen(function* () {
      const text = yield* problem(fromEnvironment({ [name]: value }))
      expect(text).toContain(name)
      expect(text).toContain(JSON.stringify(value))
      expect(text).toContain(accepted)
    })
  )

  it.effect("that can't be read are all named, not only the first", () =>
    Effect.gen(function* () {
      const text = yield* problem(
        fromEnvironment({
          ANSWERBACK_PORT: "http",
          ANSWERBACK_DRAIN_DELAY: "soon",
          ANSWERBACK_ORIGIN: "https://ok.test, no"
        })
      )
      for (const part of [
        "ANSWERBACK_PORT",
        "http",
        "ANSWERBACK_DRAIN_DELAY",
        "soon",
        "ANSWERBACK_ORIGIN",
        '"no"'
      ])
        expect(text).toContain(part)
      expect(text).not.toContain("ok.test")
    })
  )

  it.effect("with a key alone are refused", () =>
    Effect.gen(function* () {
      expect(yield* problem(fromEnvironment({ ANSWERBACK_TLS_KEY: "key.pem" }))).toContain(
        "ANSWERBACK_TLS_CERT"
      )
    })
  )
})
