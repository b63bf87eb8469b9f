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
import { acceptOf } from "../support/http.js"
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

/** How many probes run at a time: each starts a process. */
const CONCURRENCY = 6

const portOf = (address: ReturnType<net.Server["address"]>): number =>
  typeof address === "object" && address !== null ? address.port : 0

/** A plain server of `ws`. */
const plain = (
  onConnection: (socket: WebSocket, raw: net.Socket) => void
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<WebSocketServer>((resume) => {
        const server: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () =>
          resume(Effect.succeed(server))
        )
        server.on("connection", (socket, { socket: raw }) => onConnection(socket, raw))
      }),
      (server) =>
        Effect.async<void>((resume) => {
          for (const client of server.clients) client.terminate()
          server.close(() => resume(Effect.void))
        })
    ),
    (server) => `ws://127.0.0.1:${portOf(server.address())}/`
  )

/** A TCP server that does what it likes with a socket, once something came. */
const tcp = (
  answer: (socket: net.Socket, request: string) => void
): Effect.Effect<number, never, Scope.Scope> =>
  Effect.suspend(() => {
    const sockets = new Set<net.Socket>()
    return Effect.map(
      Effect.acquireRelease(
        Effect.async<net.Server>((resume) => {
          const server = net.createServer({ allowHalfOpen: true }, (socket) => {
            sockets.add(socket)
            socket.on("error", () => undefined)
            socket.once("data", (bytes) => answer(socket, bytes.toString()))
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.async<void>((resume) => {
            for (const socket of sockets) socket.destroy()
            server.close(() => resume(Effect.void))
          })
      ),
      (server) => portOf(server.address())
    )
  })

/** The name and the fields of an ending, of one that there was. */
const endingOf = ({ json }: { readonly json: unknown }): unknown =>
  typeof json === "object" && json !== null && "ending" in json ? json.ending : undefined

/** Answers a handshake, and sends bytes right behind. */
const answerHandshake = (socket: net.Socket, request: string, bytes: Buffer): void => {
  const [, key = ""] = /^Sec-WebSocket-Key: (\S+)/im.exec(request) ?? []
  const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`
  socket.write(Buffer.concat([Buffer.from(head), bytes]))
}

const signals = [
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const

/** Echoes, and ends the connection in its own way when the probe's Close frame comes. */
const endingAtClose = (end: (raw: net.Socket) => void) =>
  plain((socket, raw) => {
    // Before `ws` sees it, which would answer.
    raw.prependListener("data", (bytes) => {
      if (bytes[0] === 0x88) end(raw)
    })
    socket.on("message", (data, binary) => socket.send(data, { binary }))
  })

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
  ["fault=throttle&rate=1KiB", "p50>=50ms", { kind: "open" }],
  [
    "fault=mute&after=1msg",
    "unanswered",
    { kind: "unanswered", seen: "nothing", millis: 700 },
    "--count",
    "1"
  ]
]

describe("against a server with a fault", () => {
  live("the probe tells what it saw, and whether it was expected", () =>
    Effect.gen(function* () {
      const { url } = yield* testServer()
      const seen = yield* Effect.forEach(
        faults,
        ([query, expected, , ...args]) =>
          Effect.map(probe(`${url}?${query}`, "--count", "3", "--expect", expected, ...args), (seen) => ({
            query,
            ...seen
          })),
        { concurrency: CONCURRENCY }
      )
      expect(seen).toMatchObject(
        faults.map(([query, , ending]) => ({
          query,
          code: 0,
          stderr: "",
          json: { ok: true, unmet: [], ending }
        }))
      )
    })
  )
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
      const other = yield* tcp((socket) => socket.end("220 mail.example.com\r\n"))
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

  live("tells what came in place of the answer to its Close frame", () =>
    Effect.gen(function* () {
      const ended = yield* endingAtClose((raw) => raw.destroy())
      const reset = yield* endingAtClose((raw) => raw.resetAndDestroy())
      const seen = yield* Effect.forEach([ended, reset], (url) => probe(url, "--count", "1"), {
        concurrency: CONCURRENCY
      })
      expect(seen).toMatchObject([
        { code: 1, json: { ending: { kind: "unanswered", seen: "eof" } } },
        { code: 1, json: { ending: { kind: "unanswered", seen: "reset" } } }
      ])
    })
  )

  live("tells the code of a server that sends a Close frame, and leaves TCP open", () =>
    Effect.gen(function* () {
      const port = yield* tcp((socket, request) =>
        answerHandshake(socket, request, Buffer.from([0x88, 2, 0x03, 0xe9]))
      )
      expect(yield* probe(`ws://127.0.0.1:${port}/`)).toMatchObject({
        code: 1,
        json: { ending: { kind: "close", code: 1001 } }
      })
    })
  )

  live("takes the end of --duration during the handshake for a timeout", () =>
    Effect.gen(function* () {
      const port = yield* tcp(() => undefined)
      const url = `ws://127.0.0.1:${port}/`
      const [unexpected, expected] = yield* Effect.forEach(
        [[], ["--expect", "timeout"]],
        (args) => probe(url, "--duration", "50ms", "--timeout", "1m", ...args),
        { concurrency: CONCURRENCY }
      )
      expect(unexpected).toMatchObject({ code: 3, json: { ending: { kind: "timeout" } } })
      expect(expected).toMatchObject({ code: 0, json: { ok: true, ending: { kind: "timeout" } } })
    })
  )

  live("is interrupted by a signal during the handshake, and ends as the signal says", () =>
    Effect.gen(function* () {
      const port = yield* tcp(() => undefined)
      const ends = ([signal, code]: (typeof signals)[number]) =>
        Effect.gen(function* () {
          const program = yield* Program.launch({
            without,
            args: ["probe", "--timeout", "1m", `ws://127.0.0.1:${port}/`]
          })
          yield* program.printed(/^probe /)
          yield* program.signal(signal)
          expect(yield* program.exit).toEqual({ code, signal: null })
          expect(program.stdout()).toContain(`ended: interrupted by ${signal} before there was a connection`)
        })
      yield* Effect.forEach(signals, ends, { concurrency: CONCURRENCY })
    })
  )

  live("fails the connection of a server that sends more than it takes", () =>
    Effect.gen(function* () {
      // The head of a frame of 1 GiB, and of one that is a byte too long; many pings, in one piece.
      const sent = [
        Buffer.from([0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0]),
        Buffer.from([0x82, 127, 0, 0, 0, 0, 0x01, 0, 0, 1]),
        Buffer.alloc(2000, Buffer.from([0x89, 0]))
      ]
      const seen = yield* Effect.forEach(
        sent,
        (bytes) =>
          Effect.flatMap(
            tcp((socket, request) => answerHandshake(socket, request, bytes)),
            (port) => probe(`ws://127.0.0.1:${port}/`, "--expect", "too-much")
          ),
        { concurrency: CONCURRENCY }
      )
      for (const one of seen) {
        expect(one).toMatchObject({ code: 0, stderr: "" })
        expect(endingOf(one)).toMatchObject({ kind: "too-much", limit: 16 * 1024 ** 2 })
      }
    })
  )

  live("tells the status of a refusal whose body has no end", () =>
    Effect.gen(function* () {
      const head =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 999999999\r\n\r\n"
      const stuck = yield* tcp((socket) => void socket.write(`${head}full\n`))
      const endless = yield* tcp((socket) => {
        // A write that fails calls back, too, before the socket counts as destroyed.
        const more = (error?: Error | null): void => {
          if (error === undefined || error === null) socket.write("full\n".repeat(20_000), more)
        }
        socket.write(head, more)
      })
      const seen = yield* Effect.forEach(
        [
          [stuck, "--timeout", "700ms"],
          [stuck, "--timeout", "1m"],
          [endless, "--timeout", "700ms"]
        ] as const,
        ([port, ...args]) => probe(`ws://127.0.0.1:${port}/`, "--expect", "refused=503", ...args),
        { concurrency: CONCURRENCY }
      )
      const ending = { kind: "refused", status: 503, message: "full" }
      expect(seen).toMatchObject(seen.map(() => ({ code: 0, json: { ending } })))
    })
  )

  live("tells a name that doesn't exist", () =>
    Effect.gen(function* () {
      const seen = yield* probe("ws://answerback.invalid/", "--timeout", "20s")
      expect(seen).toMatchObject({ code: 3, json: { ending: { kind: "unreachable" } } })
      // The second, where there is no DNS at all.
      expect(endingOf(seen)).toMatchObject({
        code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) as unknown
      })
    })
  )

  live("ends at once, with 130 or 143, at a second signal", () =>
    Effect.gen(function* () {
      const { url } = yield* testServer()
      const ends = ([signal, code]: (typeof signals)[number]) =>
        Effect.gen(function* () {
          const program = yield* Program.launch({
            without,
            args: ["probe", "--timeout", "1m", `${url}?fault=mute`]
          })
          yield* program.printed(/^connected /)
          yield* program.signal(signal)
          yield* program.printed(new RegExp(`^${signal}: closing; once more ends the program at once$`))
          expect(yield* Program.stop(program, signal)).toMatchObject({ code, signal: null })
        })
      yield* Effect.forEach(signals, ends, { concurrency: CONCURRENCY })
    })
  )

  live("ends without a word when nobody reads what it prints any more", () =>
    Effect.gen(function* () {
      const { url } = yield* testServer()
      const program = yield* Program.launch({ without, args: ["probe", "--interval", "1ms", url] })
      yield* program.printed(/^echo 3: /)
      yield* program.stopReading
      expect(yield* program.exit).toEqual({ code: 1, signal: null })
      expect(program.stderr()).toBe("")
    })
  )
})
