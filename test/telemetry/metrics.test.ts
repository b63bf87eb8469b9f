/**
 * What `/metrics` of the program tells: a process of its own for each test, so that all figures start at nothing.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect } from "vitest"
import { tags } from "../../src/protocol/StopReason.js"
import { eventually } from "../support/eventually.js"
import { speaker } from "../support/faultyPeer.js"
import * as Frames from "../support/frames.js"
import { get, noHandshake } from "../support/get.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import { parse, scrape } from "../support/metrics.js"
import * as Program from "../support/Program.js"
import { lint, noPromtool } from "../support/promtool.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords } from "../support/session.js"
import { liveWithTool } from "../support/skip.js"

type Figures = ReadonlyMap<string, number>

const readme = fs.readFileSync(fileURLToPath(new URL("../../README.md", import.meta.url)), "utf8")

/** All figures of a series that are not 0, by their labels. */
const counted = (figures: Figures, name: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    [...figures]
      .filter(([series, value]) => series.replace(/\{.*/s, "") === name && value !== 0)
      .map(([series, value]) => [/"(.*)"/.exec(series)?.[1] ?? "", value])
  )

const namesIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name)

/** Says something, and waits for the echo. */
const chat = (peer: RawClient.RawClient, ...texts: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    for (const text of texts) {
      yield* peer.write(Frames.text(text))
      expect((yield* peer.nextMessage).text).toBe(text)
    }
  })

/** The status with which a handshake is refused. */
const refused = (port: number, options: Http.RequestOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* RawClient.open({ port })
      yield* peer.write(Http.request(options))
      return (yield* peer.responseHead).status
    })
  )

describe("/metrics", () => {
  live("tells exactly what has happened, in agreement with the log, and all series from the start", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--idle-timeout", "2s", "--max-payload", "1KiB"] })
      const { log, port } = program
      const before = yield* scrape(port)
      expect(before.get("answerback_connections")).toBe(0)
      for (const tag of tags)
        expect(before.get(`answerback_connections_closed_total{reason="${tag}"}`)).toBe(0)
      expect(counted(before, "answerback_handshakes_rejected_total")).toEqual({})

      const connect = RawClient.connect({ port })
      for (let i = 0; i < 3; i++) {
        const peer = yield* connect
        yield* chat(peer, "hello", "é")
        yield* peer.write(Frames.close(1000))
        yield* lastWords(peer)
      }
      for (const leave of ["end", "reset"] as const) {
        const peer = yield* connect
        yield* chat(peer, "a")
        yield* peer[leave]
        yield* peer.ended
      }
      const bad = yield* connect
      yield* bad.write(Frames.binary(Buffer.alloc(2000)))
      yield* lastWords(bad)
      const { peer: faulty } = yield* speaker(port, "fault=reset&after=1msg")
      yield* chat(faulty, "a")
      yield* faulty.ended
      const { peer: dropping } = yield* speaker(port, "fault=drop&rate=1")
      yield* dropping.write(Buffer.concat([Frames.text("lost"), Frames.close(1000)]))
      yield* lastWords(dropping)
      const { peer: doubling } = yield* speaker(port, "fault=duplicate&rate=1")
      yield* doubling.write(Buffer.concat([Frames.text("abc"), Frames.close(1000)]))
      yield* lastWords(doubling)
      const idle = yield* connect
      yield* lastWords(idle)
      // Open, and in the middle of talk.
      const { peer: open } = yield* speaker(port, "fault=delay&time=1ms")
      yield* chat(open, "still here")

      yield* eventually(
        "ten were logged as closed",
        Effect.sync(() => log.lines.filter(({ message }) => message === "connection closed").length === 10)
      )
      const after = yield* scrape(port)
      expect(after.get("answerback_connections")).toBe(1)
      expect(after.get("answerback_connections_opened_total")).toBe(11)
      expect(counted(after, "answerback_connections_closed_total")).toEqual({
        PeerClosed: 5,
        PeerVanished: 2,
        ProtocolError: 1,
        Fault: 1,
        IdleTimeout: 1
      })
      // 3 × 2, 2 × 1, the faulty one, "lost", "abc" twice, "still here".
      expect(counted(after, "answerback_messages_total")).toEqual({ in: 12, out: 12 })
      expect(counted(after, "answerback_bytes_total")).toEqual({
        in: 3 * 7 + 2 + 1 + 4 + 3 + 10,
        out: 3 * 7 + 2 + 1 + 6 + 10
      })
      const closedLines = log.lines.filter(({ message }) => message === "connection closed")
      const sum = (field: string) => closedLines.reduce((total, line) => total + Number(line[field]), 0)
      expect(after.get('answerback_bytes_total{direction="out"}')).toBe(sum("bytesOut") + 10)
      expect(after.get('answerback_messages_total{direction="in"}')).toBe(sum("messagesIn") + 1)
      for (const name of ["answerback_connection_duration_seconds", "answerback_stop_seconds"]) {
        expect(after.get(`${name}_count`)).toBe(10)
        expect(after.get(`${name}_bucket{le="+Inf"}`)).toBe(10)
      }
      expect(after.get("answerback_connection_duration_seconds_sum")).toBeCloseTo(sum("durationMs") / 1000)
      expect(after.get("answerback_stop_seconds_sum")).toBeGreaterThan(0)
    })
  )

  live("measures a stop from its signal to the end of TCP, for which the peer may take its time", () =>
    Effect.gen(function* () {
      const { log, port } = yield* Program.start({
        args: ["--idle-timeout", "500ms", "--close-timeout", "1s"]
      })
      const peer = yield* RawClient.connect({ port })
      // It never answers the Close frame.
      expect(Frames.describe(yield* peer.nextFrame)).toContain("close 3008")
      yield* log.logged("connection closed")
      const figures = yield* scrape(port)
      expect(figures.get("answerback_stop_seconds_count")).toBe(1)
      const took = figures.get("answerback_stop_seconds_sum") ?? 0
      expect(took).toBeGreaterThan(0.9)
      expect(took).toBeLessThan(figures.get("answerback_connection_duration_seconds_sum") ?? 0)
    })
  )

  live("counts refused handshakes by the statuses that the server has, and by no other", () =>
    Effect.gen(function* () {
      const { port } = yield* Program.start({ args: ["--max-connections", "1", "--subprotocol", "a"] })
      const before = yield* scrape(port)
      const { peer: only } = yield* speaker(port, "x=%22%7D%201")
      const hostile = 'a"} 1\\n'
      const handshakes: ReadonlyArray<readonly [Http.RequestOptions, number]> = [
        [{ headers: { "Sec-WebSocket-Version": "99" } }, 426],
        [{ headers: noHandshake }, 426],
        [{ headers: { Origin: "https://foreign.example" } }, 403],
        [{ headers: { "Sec-WebSocket-Key": "short" } }, 400],
        [{ headers: { "Sec-WebSocket-Protocol": hostile } }, 400],
        [{ path: "/echo?fault=explode" }, 400],
        [{ method: "POST" }, 405],
        [{ path: `/${encodeURIComponent(hostile)}` }, 404],
        [{ path: "/echo?fault=refuse&status=418" }, 418],
        [{ path: "/echo?fault=refuse&status=599" }, 599],
        [{ path: "/echo?fault=refuse&status=503" }, 503],
        [{}, 503]
      ]
      for (const [request, status] of handshakes) expect(yield* refused(port, request)).toBe(status)
      // Asks for nothing that is a handshake.
      expect((yield* get({ port }, "/elsewhere")).status).toBe(404)
      expect(yield* refused(port, { path: "/x", headers: { Upgrade: "h2c" } })).toBe(404)
      expect(yield* refused(port, { path: "/livez" })).toBe(200)
      const after = yield* scrape(port)
      expect(counted(after, "answerback_handshakes_rejected_total")).toEqual({
        400: 3,
        403: 1,
        404: 1,
        405: 1,
        426: 2,
        503: 2,
        other: 2
      })
      yield* chat(only, "a")
      const names = (figures: Figures) => [...figures.keys()].sort()
      expect(names(after)).toEqual(names(before))
    })
  )

  live("never takes back what it has told, while connections come and go", () =>
    Effect.gen(function* () {
      const { port } = yield* Program.start()
      let last = 0
      for (let i = 0; i < 20; i++) {
        const { peer } = yield* speaker(port, i % 2 === 0 ? "" : "fault=throttle&rate=1MiB")
        yield* chat(peer, "abc")
        const during = (yield* scrape(port)).get('answerback_bytes_total{direction="out"}') ?? 0
        expect(during).toBe(last + 3)
        yield* peer.reset
        last = during
      }
    })
  )

  live("answers GET and HEAD, in the format that Prometheus reads", () =>
    Effect.gen(function* () {
      const { port } = yield* Program.start()
      const { body, headers, status } = yield* get({ port }, "/metrics?x=1")
      expect(status).toBe(200)
      expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8")
      expect(body.endsWith("\n")).toBe(true)
      const peer = yield* RawClient.open({ port })
      yield* peer.write(Http.request({ method: "HEAD", path: "/metrics", headers: noHandshake }))
      const head = yield* peer.responseHead
      expect(head.status).toBe(200)
      expect(Number(head.headers["content-length"])).toBeGreaterThan(1000)
      expect(yield* refused(port, { method: "POST", path: "/metrics", headers: noHandshake })).toBe(405)
    })
  )

  live("tells of the process, and how late its event loop is", () =>
    Effect.gen(function* () {
      const { port } = yield* Program.start()
      const seen = "answerback_event_loop_delay_seconds_count"
      yield* eventually(
        "the event loop was looked at",
        Effect.map(scrape(port), (figures) => (figures.get(seen) ?? 0) > 2)
      )
      const figures = yield* scrape(port)
      const figure = (name: string): number => figures.get(name) ?? Number.NaN
      expect([...figures.keys()]).toContain(
        `answerback_build_info{version="0.1.0",node="${process.versions.node}"}`
      )
      expect(figure("process_cpu_seconds_total")).toBeCloseTo(
        figure("process_cpu_user_seconds_total") + figure("process_cpu_system_seconds_total")
      )
      expect(figure("process_cpu_seconds_total")).toBeGreaterThan(0.05)
      expect(figure("process_resident_memory_bytes")).toBeGreaterThan(20e6)
      expect(Math.abs(Date.now() / 1000 - figure("process_start_time_seconds"))).toBeLessThan(60)
      if (process.platform === "linux") {
        expect(figure("process_open_fds")).toBeGreaterThan(10)
        expect(figure("process_max_fds")).toBeGreaterThan(figure("process_open_fds"))
        expect(figure("process_virtual_memory_bytes")).toBeGreaterThan(100e6)
        expect(figure("process_heap_bytes")).toBeGreaterThan(10e6)
      }
    })
  )

  live("has no metric that the README doesn't list, with its type, nor the README one that isn't there", () =>
    Effect.gen(function* () {
      // Whatever brings metrics of its own; there is no Redis.
      const { port } = yield* Program.start({ env: { ANSWERBACK_REDIS_URL: "redis://127.0.0.1:1" } })
      const { body } = yield* get({ port }, "/metrics")
      const types = new Map(
        [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
      )
      const listed = new Map(
        [...readme.matchAll(/^\| `((?:answerback|process)_[a-z_]+)(?:\{[^`]*)?`\s+\| (\w+)/gm)].map(
          ([, name, type]) => [name, type]
        )
      )
      expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(types))
      for (const name of namesIn(body)) expect(body).toMatch(new RegExp(`^# HELP ${name} \\S`, "m"))
    })
  )

  liveWithTool(noPromtool, "has nothing that promtool finds fault with", () =>
    Effect.gen(function* () {
      const { port } = yield* Program.start()
      yield* Effect.scoped(Effect.flatMap(RawClient.connect({ port }), (peer) => chat(peer, "a")))
      const { body } = yield* get({ port }, "/metrics")
      expect(parse(body).size).toBeGreaterThan(50)
      expect(lint(body)).toBe("")
      // It does find fault.
      expect(lint(body.replace(/^# HELP answerback_bytes_total.*\n/m, ""))).not.toBe("")
    })
  )
})
