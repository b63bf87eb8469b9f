/**
 * What the program writes while it runs.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { spawnSync } from "node:child_process"
import { describe, expect } from "vitest"
import { noOpenssl, selfSigned } from "../support/certificate.js"
import { freePort } from "../support/freePort.js"
import * as Frames from "../support/frames.js"
import { get } from "../support/get.js"
import type { Line } from "../support/Log.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { liveWithTool } from "../support/skip.js"

const CLOSED = "connection closed"
const INTERRUPTED = "connection interrupted"

const withMessage = (program: Program.Program, message: string): ReadonlyArray<Line> =>
  program.log.lines.filter((line) => line["message"] === message)

const count = expect.toSatisfy((value) => Number.isInteger(value) && Number(value) >= 0, "a count")

/** A peer, with the name that the log has for it. */
const connect = ({ port }: Program.Listening) =>
  Effect.gen(function* () {
    const peer = yield* RawClient.connect({ port })
    return { ...peer, remote: `127.0.0.1:${yield* peer.localPort}` }
  })

/** Two messages, eight bytes, both ways. */
const talk = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    yield* peer.write(Buffer.concat([Frames.text("hello"), Frames.binary(Uint8Array.of(1, 2, 3))]))
    yield* peer.nextMessage
    yield* peer.nextMessage
  })

/** How a peer can end a connection, and what the log says of it. */
const endings = [
  { what: "a Close frame", reason: "PeerClosed", code: 4001, bytes: Frames.close(4001, "bye") },
  { what: "an empty Close frame", reason: "PeerClosed", code: 1005, bytes: Frames.close() },
  { what: "a bad frame", reason: "ProtocolError", code: 1002, bytes: Frames.frame({ opcode: 3 }) },
  { what: "invalid UTF-8", reason: "ProtocolError", code: 1007, bytes: Frames.text(Uint8Array.of(0xff)) },
  {
    what: "a message that is too big",
    reason: "ProtocolError",
    code: 1009,
    bytes: Frames.binary(Buffer.alloc(1025))
  },
  { what: "the end of TCP", reason: "PeerVanished", code: null, bytes: undefined }
] as const

describe("the line `connection closed`", () => {
  for (const { bytes, code, reason, what } of endings) {
    live(`tells of ${what}: ${reason}, code ${code}`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start({ args: ["--max-payload", "1KiB"] })
        const peer = yield* connect(program)
        yield* talk(peer)
        if (bytes === undefined) yield* peer.end
        else
          yield* Effect.zipRight(
            peer.write(bytes),
            Effect.flatMap(peer.nextFrame, () => peer.end)
          )
        expect(yield* program.log.logged(CLOSED)).toEqual({
          timestamp: expect.any(String),
          level: "info",
          message: CLOSED,
          connection: expect.stringMatching(/^\S+$/),
          remote: peer.remote,
          reason,
          code,
          durationMs: count,
          messagesIn: 2,
          messagesOut: 2,
          bytesIn: 8,
          bytesOut: 8
        })
        yield* Program.stop(program)
        expect(withMessage(program, CLOSED)).toHaveLength(1)
        expect(withMessage(program, INTERRUPTED)).toHaveLength(0)
      })
    )
  }

  live("tells of a reset: PeerVanished, code null", () =>
    Effect.gen(function* () {
      const program = yield* Program.start()
      const peer = yield* connect(program)
      yield* talk(peer)
      yield* peer.reset
      expect(yield* program.log.logged(CLOSED)).toMatchObject({ reason: "PeerVanished", code: null })
    })
  )

  live("tells how long the connection was open", () =>
    Effect.gen(function* () {
      const program = yield* Program.start()
      const start = performance.now()
      const peer = yield* connect(program)
      const opened = performance.now()
      yield* Effect.repeatN(talk(peer), 100)
      const talked = performance.now()
      yield* peer.reset
      const { durationMs } = yield* program.log.logged(CLOSED)
      // Rounded to milliseconds at both ends.
      expect(durationMs).toBeGreaterThanOrEqual(talked - opened - 2)
      expect(durationMs).toBeLessThanOrEqual(performance.now() - start + 2)
    })
  )

  live("comes once for each connection, however many ended and in whatever way", () =>
    Effect.gen(function* () {
      const program = yield* Program.start()
      const peers = yield* Effect.replicateEffect(connect(program), 8)
      const [closing, ending, resetting, breaking, ...staying] = peers
      if (closing) yield* closing.write(Frames.close(1000))
      if (ending) yield* ending.end
      if (resetting) yield* resetting.reset
      if (breaking) yield* breaking.write(Frames.frame({ opcode: 3 }))
      yield* program.signal("SIGTERM")
      yield* Effect.forEach(
        peers.filter((peer) => peer !== resetting),
        (peer) => Effect.flatMap(Effect.exit(peer.nextFrame), () => peer.end),
        { concurrency: "unbounded" }
      )
      expect(yield* program.exit).toEqual({ code: 0, signal: null })
      const closed = withMessage(program, CLOSED)
      expect(closed).toHaveLength(peers.length)
      expect(new Set(closed.map((line) => line["remote"]))).toEqual(
        new Set(peers.map(({ remote }) => remote))
      )
      expect(new Set(closed.map((line) => line["connection"]))).toHaveLength(peers.length)
      expect(staying).toHaveLength(4)
    })
  )
})

describe("the line `connection interrupted`", () => {
  live("comes before `connection closed` for a connection that a shutdown stops, and for no other", () =>
    Effect.gen(function* () {
      const program = yield* Program.start()
      const gone = yield* connect(program)
      yield* gone.end
      yield* program.log.logged(CLOSED, { remote: gone.remote })
      const peer = yield* connect(program)
      yield* program.signal("SIGTERM")
      yield* peer.answerClose([yield* peer.nextFrame])
      yield* program.exit
      const about = { remote: peer.remote, reason: "ServerShutdown", code: 1001 }
      const lines = program.log.lines.filter((line) => line["connection"] !== undefined)
      expect(lines).toMatchObject([
        { message: CLOSED, reason: "PeerVanished" },
        { message: INTERRUPTED, level: "info", ...about },
        { message: CLOSED, level: "info", ...about }
      ])
      expect(lines[1]?.["connection"]).toBe(lines[2]?.["connection"])
    })
  )
})

describe("the line `listening`", () => {
  const expectToWork = ({ url, webSocketUrl }: Program.Listening, tls: boolean) =>
    Effect.gen(function* () {
      const { hostname, port } = new URL(url)
      const to = { host: hostname, port: Number(port), tls }
      expect(yield* get(to, new URL("livez", url).pathname)).toMatchObject({ status: 200, body: "ok" })
      const target = new URL(webSocketUrl)
      const peer = yield* RawClient.connect({
        host: target.hostname,
        port: Number(target.port),
        path: target.pathname,
        tls
      })
      yield* talk(peer)
      yield* peer.write(Frames.close(1000))
      yield* peer.nextFrame
      yield* peer.end
      return { page: new URL(url).protocol, socket: target.protocol, hostname }
    })

  live("has the URL for a person and the one for a client, and both work", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--path", "/talk"] })
      expect(program.url).toBe(`http://127.0.0.1:${program.port}/`)
      expect(program.webSocketUrl).toBe(`ws://127.0.0.1:${program.port}/talk`)
      yield* expectToWork(program, false)
      expect(withMessage(program, "listening")).toEqual([
        {
          timestamp: expect.any(String),
          level: "info",
          message: "listening",
          url: program.url,
          websocket: program.webSocketUrl
        }
      ])
    })
  )

  live("names a host that works when it listens on all addresses", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ without: ["host"] })
      expect(yield* expectToWork(program, false)).toEqual({
        page: "http:",
        socket: "ws:",
        hostname: "localhost"
      })
    })
  )

  liveWithTool(noOpenssl, "has https and wss with a certificate", () =>
    Effect.gen(function* () {
      const { args } = yield* selfSigned
      const program = yield* Program.start({ args })
      expect(yield* expectToWork(program, true)).toEqual({
        page: "https:",
        socket: "wss:",
        hostname: "127.0.0.1"
      })
    })
  )
})

/** All lines of a program that has served one connection to its end, and then another until it was stopped. */
const wholeRun = (options: Program.ProgramOptions) =>
  Effect.gen(function* () {
    const program = yield* Program.start(options)
    const first = yield* connect(program)
    yield* talk(first)
    yield* first.reset
    yield* program.printed(/connection closed/)
    const second = yield* connect(program)
    yield* program.signal("SIGTERM")
    yield* second.answerClose([yield* second.nextFrame])
    yield* program.exit
    expect(program.stdout()).toBe(
      program
        .lines()
        .map((line) => `${line}\n`)
        .join("")
    )
    expect(program.stderr()).toBe("")
    return {
      lines: program.lines(),
      remotes: [first.remote, second.remote]
    }
  })

const messages = ["listening", CLOSED, INTERRUPTED, CLOSED]

/** Reads `name=value` and `name="quoted value"`. */
const pairsOf = (line: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from(line.matchAll(/(?:^| )(\w+)=("(?:[^"\\]|\\.)*"|[^\s"]+)/g), ([, name = "", value = ""]) => [
      name,
      value.startsWith('"') ? String(JSON.parse(value)) : value
    ])
  )

const fieldsOfClosed = (remote: string | undefined) => ({
  connection: expect.stringMatching(/^\S+$/),
  remote,
  reason: "PeerVanished",
  code: "null",
  durationMs: expect.stringMatching(/^\d+$/),
  messagesIn: "2",
  messagesOut: "2",
  bytesIn: "8",
  bytesOut: "8"
})

describe("an entry is one line", () => {
  live("in json, which is also the default when it isn't written to a terminal", () =>
    Effect.gen(function* () {
      const before = Date.now()
      const { lines } = yield* wholeRun({ without: ["log-format"] })
      const entries = lines.map((line): unknown => JSON.parse(line))
      expect(entries).toEqual(
        messages.map((message) =>
          expect.objectContaining({ timestamp: expect.any(String), level: "info", message })
        )
      )
      const times = lines.map((line) => String(/"timestamp":"([^"]+)"/.exec(line)?.[1]))
      expect(times.map((time) => new Date(time).toISOString())).toEqual(times)
      expect(Date.parse(times[0] ?? "")).toBeGreaterThanOrEqual(before - 1)
      expect(Date.parse(times[3] ?? "")).toBeLessThanOrEqual(Date.now() + 1)
      expect(times).toEqual([...times].sort())
    })
  )

  live("in logfmt", () =>
    Effect.gen(function* () {
      const { lines, remotes } = yield* wholeRun({ args: ["--log-format", "logfmt"] })
      const entries = lines.map(pairsOf)
      expect(entries).toMatchObject(messages.map((message) => ({ level: "info", message })))
      expect(entries[1]).toEqual({
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: "info",
        message: CLOSED,
        ...fieldsOfClosed(remotes[0])
      })
    })
  )

  live("in pretty, without colours when it isn't written to a terminal", () =>
    Effect.gen(function* () {
      const { lines, remotes } = yield* wholeRun({ args: ["--log-format", "pretty"] })
      const shape = /^\d\d:\d\d:\d\d\.\d{3} info {2}(.*?)((?: \w+=\S+)*)$/
      expect(lines.map((line) => shape.exec(line)?.[1])).toEqual(messages)
      expect(pairsOf(shape.exec(lines[1] ?? "")?.[2] ?? "")).toEqual(fieldsOfClosed(remotes[0]))
    })
  )

  const noScript =
    spawnSync("script", ["--version"]).status === 0
      ? undefined
      : "no program script: apt-get install -y --no-install-recommends bsdutils"
  liveWithTool(noScript, "in pretty by default, and in colour, on a terminal", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ without: ["log-format"], isOnTerminal: true })
      const line = program.lines()[0] ?? ""
      expect(line).toContain("\u001b[")
      // oxlint-disable-next-line no-control-regex -- that is what colours are made of
      expect(line.replace(/\u001b\[\d+m/g, "").trim()).toMatch(
        /^\d\d:\d\d:\d\d\.\d{3} info {2}listening url=http:\S+ websocket=ws:\S+$/
      )
    })
  )
})

/** Starts a program that may have nothing to say, and waits until it listens. */
const startSilent = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const program = yield* Program.launch({ args: ["--port", String(port), ...args] })
    yield* Effect.scoped(RawClient.open({ port })).pipe(
      Effect.retry(Schedule.intersect(Schedule.spaced(10), Schedule.recurs(1000)))
    )
    return { ...program, port }
  })

describe("the log level", () => {
  // What it is warned of at the start, and informed of throughout.
  const warned = ["--drain-spread", "8s"]
  const levels = [
    { level: "trace", seen: ["info", "warn"] },
    { level: "debug", seen: ["info", "warn"] },
    { level: "info", seen: ["info", "warn"] },
    { level: "warn", seen: ["warn"] },
    { level: "error", seen: [] },
    { level: "fatal", seen: [] },
    { level: "off", seen: [] }
  ]
  for (const { level, seen } of levels) {
    live(
      `${level} shows ${seen.length === 0 ? "neither information nor warnings" : seen.join(" and ")}`,
      () =>
        Effect.gen(function* () {
          const { port, ...program } = yield* startSilent([...warned, "--log-level", level])
          const peer = yield* RawClient.connect({ port })
          yield* program.signal("SIGTERM")
          yield* peer.answerClose([yield* peer.nextFrame])
          expect(yield* program.exit).toEqual({ code: 0, signal: null })
          expect(new Set(program.log.lines.map((line) => line["level"]))).toEqual(new Set(seen))
          expect(program.log.lines).toHaveLength(program.lines().length)
          expect(program.stderr()).toBe("")
        })
    )
  }
})

describe("a log that nobody reads any more", () => {
  live("doesn't take the program down", () =>
    Effect.gen(function* () {
      const program = yield* Program.start()
      yield* program.stopReading
      for (let i = 0; i < 3; i++) {
        const peer = yield* connect(program)
        yield* talk(peer)
        yield* peer.write(Frames.close(1000))
        yield* peer.nextFrame
        yield* peer.end
        yield* peer.ended
      }
      expect(yield* Program.stop(program)).toMatchObject({ code: 0, signal: null })
      expect(program.stderr()).toBe("")
    })
  )
})

describe("the last line", () => {
  live("is written, though the program ends in the moment in which it is logged", () =>
    Effect.gen(function* () {
      const broken = `import net from "node:net"; net.Server.prototype.listen = () => { throw new Error("broken") }`
      const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(broken)}` }
      const { code, stdout } = yield* Program.run({ env })
      expect(code).toBe(1)
      expect(JSON.parse(stdout)).toMatchObject({ level: "fatal", message: "unexpected failure" })
    })
  )
})
