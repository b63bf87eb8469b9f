/**
 * `answerback probe` as a process: what it says of each way in which a connection can go, and its exit code.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import { describe, expect } from "vitest"
import { type WebSocket, WebSocketServer } from "ws"
import * as Certificate from "../support/certificate.js"
import { freePort } from "../support/freePort.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import { testServer } from "../support/server.js"
import { liveUnless } from "../support/skip.js"

const without = ["host", "port", "log-format"] as const

/** Runs the probe to its end; `json` is what it printed. */
const probe = (url: string, ...args: ReadonlyArray<string>) =>
  Effect.map(
    Program.run({
      without,
      args: ["probe", "--json", "--interval", "20ms", "--timeout", "700ms", ...args, url]
    }),
    ({ code, stderr, stdout }) => ({ code, stderr, json: JSON.parse(stdout) as unknown })
  )

const portOf = (address: ReturnType<net.Server["address"]>): number =>
  typeof address === "object" && address !== null ? address.port : 0

/** A plain server of `ws`. */
const plain = (onConnection: (socket: WebSocket) => void): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<WebSocketServer>((resume) => {
        const server: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () =>
          resume(Effect.succeed(server))
        )
        server.on("connection", onConnection)
      }),
      (server) =>
        Effect.async<void>((resume) => {
          for (const client of server.clients) client.terminate()
          server.close(() => resume(Effect.void))
        })
    ),
    (server) => `ws://127.0.0.1:${portOf(server.address())}/`
  )

/** A TCP server that answers whatever comes with a text. */
const tcp = (answer: string): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<net.Server>((resume) => {
        const server = net.createServer((socket) => {
          socket.on("error", () => undefined)
          socket.once("data", () => socket.end(answer))
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
    ),
    (server) => portOf(server.address())
  )

const faults: ReadonlyArray<
  readonly [query: string, expected: string, ending: object, ...args: Array<string>]
> = [
  ["fault=close&code=4001&reason=bye&after=2msg", "close=4001", { kind: "close", code: 4001, reason: "bye" }],
  // Apart from any echo: together with data, a reset looks like an end.
  ["fault=reset&after=300ms", "reset", { kind: "reset" }, "--interval", "10s"],
  ["fault=vanish&after=2msg", "eof", { kind: "eof" }],
  ["fault=stall&after=2msg", "silent", { kind: "silent" }],
  ["fault=mute", "silent", { kind: "silent" }],
  ["fault=truncate", "eof", { kind: "eof" }],
  ["fault=corrupt", "invalid", { kind: "invalid", code: "WS_ERR_UNEXPECTED_RSV_2_3" }],
  ["fault=refuse&status=503&retry-after=3", "refused=503", { kind: "refused", status: 503, retryAfter: "3" }],
  ["fault=hang", "timeout", { kind: "timeout" }],
  ["fault=drop&rate=1", "no-echo", { kind: "no-echo" }],
  ["fault=delay&time=100ms", "min>=100ms", { kind: "open" }],
  ["fault=duplicate&rate=1", "duplicates=3", { kind: "open" }],
  ["fault=throttle&rate=1KiB", "p50>=50ms", { kind: "open" }]
]

describe("against a server with a fault, the probe tells what it saw and whether it was expected:", () => {
  for (const [query, expected, ending, ...args] of faults) {
    live(query, () =>
      Effect.gen(function* () {
        const { url } = yield* testServer()
        const seen = yield* probe(`${url}?${query}`, "--count", "3", "--expect", expected, ...args)
        expect(seen).toMatchObject({ code: 0, stderr: "", json: { ok: true, unmet: [], ending } })
      })
    )
  }
})

describe("the probe", () => {
  live("counts echoes of a plain server, and closes with 1000", () =>
    Effect.gen(function* () {
      const codes: Array<number> = []
      const url = yield* plain((socket) => {
        socket.on("message", (data, binary) => socket.send(data, { binary }))
        socket.on("close", (code) => codes.push(code))
      })
      const seen = yield* probe(url, "--count", "3", "--binary", "--size", "100KiB")
      expect(seen).toMatchObject({
        code: 0,
        json: { sent: 3, echoes: 3, lost: 0, changed: 0, ending: { kind: "open" } }
      })
      expect(codes).toEqual([1000])
    })
  )

  live("measures a server that doesn't echo with pings, and says so without them", () =>
    Effect.gen(function* () {
      const url = yield* plain(() => undefined)
      expect(yield* probe(url, "--count", "2", "--ping")).toMatchObject({ code: 0, json: { echoes: 2 } })
      expect(yield* probe(url, "--count", "2")).toMatchObject({
        code: 1,
        json: { ok: false, ending: { kind: "no-echo" } }
      })
    })
  )

  live("notices echoes that are changed", () =>
    Effect.gen(function* () {
      const url = yield* plain((socket) =>
        socket.on("message", (data) => Buffer.isBuffer(data) && socket.send(`${data.toString()}!`))
      )
      expect(yield* probe(url, "--count", "1", "--expect", "changed=1")).toMatchObject({
        json: { changed: 1 }
      })
    })
  )

  live("comes back with --reconnect until the ending that is expected", () =>
    Effect.gen(function* () {
      let connections = 0
      const url = yield* plain((socket) => {
        socket.on("message", (data, binary) => socket.send(data, { binary }))
        if (++connections === 3) socket.close(1001)
        else socket.terminate()
      })
      expect(yield* probe(url, "--reconnect", "--expect", "close=1001")).toMatchObject({
        code: 0,
        json: { reconnects: 2, ending: { kind: "close", code: 1001 } }
      })
    })
  )

  live("tells a closed port, and what doesn't speak WebSocket", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      expect(yield* probe(`ws://127.0.0.1:${port}/`)).toMatchObject({
        code: 3,
        json: { ending: { kind: "unreachable", code: "ECONNREFUSED" } }
      })
      const other = yield* tcp("220 mail.example.com\r\n")
      expect(yield* probe(`ws://127.0.0.1:${other}/`)).toMatchObject({
        code: 3,
        json: { ending: { kind: "bad-handshake" } }
      })
    })
  )

  liveUnless(Certificate.noOpenssl, "takes a certificate that is signed by itself only with --insecure", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* Certificate.selfSigned
      const { url } = yield* testServer({ tlsCert: cert, tlsKey: key })
      expect(yield* probe(url, "--count", "1")).toMatchObject({ code: 3, json: { ending: { kind: "tls" } } })
      expect(yield* probe(url, "--count", "1", "--insecure")).toMatchObject({ code: 0 })
    })
  )

  live("says in one line what can't be read, and ends with 2", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* Program.run({
        without,
        args: ["probe", "--size", "1", "ws://x"]
      })
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
      expect(stderr).toMatch(/^answerback probe: --size "1" can't be read: accepted is .*\n$/)
    })
  )

  live("closes politely on SIGINT, and sums up", () =>
    Effect.gen(function* () {
      const { logged, url } = yield* testServer()
      const program = yield* Program.launch({ without, args: ["probe", "--interval", "20ms", url] })
      yield* program.printed(/^echo 3: /)
      yield* program.signal("SIGINT")
      expect(yield* program.exit).toEqual({ code: 0, signal: null })
      expect(program.stdout()).toContain("ended: closed by the probe with 1000, and answered")
      yield* logged("connection closed", { reason: "PeerClosed", code: 1000 })
    })
  )
})
