/**
 * What a collector of OpenTelemetry gets from the program.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { VERSION } from "../../src/Version.js"
import * as Collector from "../support/Collector.js"
import { eventually } from "../support/eventually.js"
import { speaker } from "../support/faultyPeer.js"
import * as Frames from "../support/frames.js"
import { freePort } from "../support/freePort.js"
import { live } from "../support/live.js"
import { scrape } from "../support/metrics.js"
import * as Program from "../support/Program.js"
import { tcp } from "../support/probed.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"

const chat = (peer: RawClient.RawClient, text: string) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.text(text))
    expect((yield* peer.nextMessage).text).toBe(text)
  })

/** Speaks and closes. */
const visit = (port: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* RawClient.connect({ port })
      yield* chat(peer, "abc")
      yield* peer.write(Frames.close(4001))
      yield* lastWords(peer)
    })
  )

/** Timers may be late, and a process takes its time to end: in milliseconds. */
const SLACK = 1000

const closedLines = (program: Program.Program, count: number) =>
  eventually(
    `${count} were logged as closed`,
    Effect.sync(
      () => program.log.lines.filter(({ message }) => message === "connection closed").length === count
    )
  )

describe("--otlp-url", () => {
  live("gets a span a connection, with its handshake, its stop and its ending, and the metrics", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make()
      const before = BigInt(Date.now()) * 1_000_000n
      const program = yield* Program.start({ args: ["--otlp-url", `http://127.0.0.1:${collector.port}`] })
      const { port } = program
      yield* visit(port)
      const { peer: faulty } = yield* speaker(port, "fault=reset&after=1msg")
      yield* chat(faulty, "a")
      yield* faulty.ended
      const { peer: last } = yield* speaker(port, "")
      const localPort = yield* last.localPort
      yield* chat(last, "still here")
      yield* closedLines(program, 2)
      const figures = yield* scrape(port)
      yield* program.signal("SIGTERM")
      yield* lastWords(last)
      expect(yield* program.exit).toMatchObject({ code: 0 })

      expect(collector.problems).toEqual([])
      expect(new Set(collector.requests.map(({ path }) => path))).toEqual(
        new Set(["/v1/traces", "/v1/metrics"])
      )
      for (const resource of collector.resources)
        expect(resource).toMatchObject({
          "service.name": "answerback",
          "service.version": VERSION,
          "service.instance.id": expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
        })
      expect(new Set(collector.resources.map((resource) => resource["service.instance.id"])).size).toBe(1)

      const named = (name: string) => collector.spans.filter((span) => span.name === name)
      const spans = named("connection")
      expect(spans.map(({ attributes }) => attributes["answerback.reason"])).toEqual([
        "PeerClosed",
        "Fault",
        "ServerShutdown"
      ])
      expect(new Set(collector.spans.map(({ spanId }) => spanId)).size).toBe(6)
      expect(collector.spans).toHaveLength(6)
      expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(3)
      const now = BigInt(Date.now()) * 1_000_000n
      for (const span of spans) {
        expect(span.kind).toBe(2)
        expect(span.parentSpanId).toBeUndefined()
        expect(span.status).toBe(1)
        expect(span.start > before - 5_000_000n && span.end < now + 5_000_000n).toBe(true)
        expect(span.events).toHaveLength(1)
        const [stop] = span.events
        expect(stop?.name).toBe("stop")
        expect(stop?.attributes).toEqual({ "answerback.reason": span.attributes["answerback.reason"] })
        expect(stop !== undefined && stop.at >= span.start && stop.at <= span.end).toBe(true)
        const [handshake, ...others] = named("handshake").filter(
          ({ parentSpanId }) => parentSpanId === span.spanId
        )
        expect(others).toEqual([])
        expect(handshake?.traceId).toBe(span.traceId)
        expect(handshake?.start).toBe(span.start)
        expect(handshake !== undefined && handshake.end <= span.end).toBe(true)
      }
      const [closed, fault, shutdown] = spans.map(({ attributes }) => attributes)
      const line = program.log.lines.find(({ reason }) => reason === "PeerClosed")
      expect(closed).toMatchObject({
        "answerback.connection": line?.["connection"],
        "answerback.code": 4001,
        "answerback.messages_in": 1,
        "answerback.messages_out": 1,
        "answerback.bytes_in": 3,
        "answerback.bytes_out": 3,
        "url.path": "/echo",
        "network.transport": "tcp",
        "network.protocol.name": "websocket"
      })
      expect(fault).not.toHaveProperty("answerback.code")
      expect(fault?.["answerback.fault"]).toContain("reset")
      expect(shutdown).toMatchObject({
        "answerback.code": 1001,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": localPort
      })

      // The same names as on /metrics, and at the end the figures to the last connection.
      const ours = (names: Iterable<string>) =>
        [...names].filter((name) => name.startsWith("answerback_") && !name.includes("_bucket")).sort()
      expect(ours(collector.figures.keys())).toEqual(ours(figures.keys()))
      expect(collector.figures.get("answerback_connections_opened_total")).toBe(3)
      expect(collector.figures.get("answerback_connections")).toBe(0)
      expect(collector.figures.get('answerback_bytes_total{direction="in"}')).toBe(14)
      expect(collector.figures.get('answerback_connections_closed_total{reason="ServerShutdown"}')).toBe(1)
      expect(collector.figures.get("answerback_stop_seconds_count")).toBe(3)
    })
  )

  live("may have a path, and a user and a password, which stand in no log", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make(() => 401)
      const program = yield* Program.start({
        env: { ANSWERBACK_OTLP_URL: `http://user:s%40cret@127.0.0.1:${collector.port}/otlp/` }
      })
      yield* visit(program.port)
      yield* closedLines(program, 1)
      expect((yield* Program.stop(program)).code).toBe(0)
      expect(collector.requests.map(({ path }) => path)).toContain("/otlp/v1/traces")
      for (const { authorization } of collector.requests)
        expect(authorization).toBe(`Basic ${Buffer.from("user:s@cret").toString("base64")}`)
      expect(program.stdout()).not.toMatch(/s%40cret|s@cret|user:/)
      expect(program.log.lines.filter(({ level }) => level === "warn")).toHaveLength(1)
    })
  )

  live("that leads nowhere is told of once, and holds up neither the program nor its end", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--otlp-url", `http://127.0.0.1:${yield* freePort}`] })
      for (let i = 0; i < 20; i++) yield* visit(program.port)
      // Traces are sent every 5 seconds.
      yield* program.printed(/can't be exported/)
      const { code, elapsed } = yield* Program.stop(program)
      expect(code).toBe(0)
      expect(elapsed).toBeLessThan(8000 + 1500)
      expect(program.log.lines.filter(({ level }) => level === "warn")).toHaveLength(1)
      expect(program.stderr()).toBe("")
    })
  )

  describe("holds up the end for no longer than the drain timeout", () => {
    const collectors = {
      "that never answers": Effect.map(
        Collector.make(() => undefined),
        ({ port }) => port
      ),
      "that takes TCP connections, and reads nothing": tcp((socket) => socket.pause()),
      "that isn't there": freePort
    }
    const peers = {
      "all peers have gone": (port: number) => visit(port),
      // It takes all the time that there is.
      "a peer doesn't answer the Close frame": (port: number) => RawClient.connect({ port })
    }
    for (const [which, collector] of Object.entries(collectors))
      for (const [when, come] of Object.entries(peers))
        live(`of a collector ${which}, when ${when}`, () =>
          Effect.gen(function* () {
            const args = ["--otlp-url", `http://127.0.0.1:${yield* collector}`, "--drain-timeout", "2s"]
            const program = yield* Program.start({ args })
            yield* come(program.port)
            const { code, elapsed } = yield* Program.stop(program)
            expect(code).toBe(0)
            // Also the one that isn't there is tried more than once.
            expect(elapsed).toBeGreaterThan(1500)
            expect(elapsed).toBeLessThan(2000 + SLACK)
            expect(program.stderr()).toBe("")
          })
        )
  })

  for (const url of ["localhost:4318", "ftp://a:s3cret@b", "http://a:s3cret@b/?x=1", "http://", "off"])
    live(`that can't be read is refused before anything listens: ${url}`, () =>
      Effect.gen(function* () {
        const { code, stderr } = yield* Program.run({ args: ["--otlp-url", url] })
        expect(code).toBe(2)
        expect(stderr).toMatch(/--otlp-url ".*" can't be read: accepted is a URL such as/)
        expect(stderr).not.toContain("s3cret")
      })
    )
})
