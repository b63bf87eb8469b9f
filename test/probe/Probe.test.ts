/**
 * What the probe says of each way in which a connection can go.
 */
import * as Effect from "effect/Effect"
import * as TestContext from "effect/TestContext"
import { describe, expect } from "vitest"
import type { RawData } from "ws"
import * as Certificate from "../support/certificate.js"
import { freePort } from "../support/freePort.js"
import { live } from "../support/live.js"
import { probe, run } from "../support/probe.js"
import { answerHandshake, echo, endingAtClose, plain, tcp } from "../support/probed.js"
import { testServer } from "../support/server.js"
import { liveUnless } from "../support/skip.js"

/** A Close frame with 1001. */
const goingAway = Buffer.from([0x88, 2, 0x03, 0xe9])

/** For what shall take all the time that there is: all else has more of it than a busy machine needs. */
const BRIEF = ["--timeout", "1s"]

/** The same, for several at once: in this time each has to have had its handshake. */
const LESS_BRIEF = ["--timeout", "2500ms"]

/** All at the same time: most of it is waiting. */
const together = { concurrency: "unbounded" } as const

type Case = readonly [query: string, expected: string, ending: object, ...args: Array<string>]

const faults: ReadonlyArray<Case> = [
  ["fault=close&code=4001&reason=bye&after=2msg", "close=4001", { kind: "close", code: 4001, reason: "bye" }],
  // Together with data, a reset may look like an end.
  ["fault=reset&after=2msg", "reset", { kind: expect.stringMatching(/^(reset|eof)$/) }, "--expect", "eof"],
  ["fault=vanish&after=2msg", "eof", { kind: "eof" }],
  ["fault=truncate", "eof", { kind: "eof" }],
  ["fault=corrupt", "invalid", { kind: "invalid", code: "WS_ERR_UNEXPECTED_RSV_2_3" }],
  ["fault=refuse&status=503&retry-after=3", "refused=503", { kind: "refused", status: 503, retryAfter: "3" }],
  ["fault=delay&time=100ms", "min>=100ms", { kind: "open" }],
  ["fault=duplicate&rate=1", "duplicates=3", { kind: "open" }],
  ["fault=throttle&rate=1KiB", "p50>=50ms", { kind: "open" }]
]

/** The faults that take time. */
const slowFaults: ReadonlyArray<Case> = [
  ["fault=stall&after=2msg", "silent", { kind: "silent" }],
  ["fault=mute", "silent", { kind: "silent" }],
  ["fault=hang", "timeout", { kind: "timeout" }],
  ["fault=drop&rate=1", "no-echo", { kind: "no-echo" }],
  ["fault=mute&after=1msg", "unanswered", { kind: "unanswered", seen: "nothing" }, "--count", "1"]
]

describe("against a server with a fault", () => {
  live("the probe tells what it saw, and whether it was expected", () =>
    Effect.gen(function* () {
      const { url } = yield* testServer()
      const seenOf = (cases: ReadonlyArray<Case>, ...common: ReadonlyArray<string>) =>
        Effect.forEach(
          cases,
          ([query, expected, , ...args]) =>
            Effect.map(
              probe(`${url}?${query}`, "--count", "3", "--expect", expected, ...common, ...args),
              (seen) => ({ query, ...seen })
            ),
          together
        )
      const seen = [...(yield* seenOf(faults)), ...(yield* seenOf(slowFaults, ...LESS_BRIEF))]
      expect(seen).toMatchObject(
        [...faults, ...slowFaults].map(([query, , ending]) => ({
          query,
          code: 0,
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
        echo(socket)
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

  for (const how of [[], ["--ping"]])
    live(`${["--interval 0s", ...how].join(" ")} sends each when the one before it has come back`, () =>
      Effect.gen(function* () {
        const url = yield* plain(echo)
        // Where time stands still, nothing that waits for it goes on.
        const frozen = Effect.provide(
          run(["--json", "--interval", "0s", "--count", "100", ...how, url]),
          TestContext.TestContext
        )
        const { code, stdout } = yield* frozen
        expect({ code, json: JSON.parse(stdout) as unknown }).toMatchObject({
          code: 0,
          json: { sent: 100, echoes: 100, ending: { kind: "open" } }
        })
      })
    )

  live("--interval 0s goes on behind an echo that doesn't come, though nothing else happens", () =>
    Effect.gen(function* () {
      let messages = 0
      const url = yield* plain((socket) => {
        // As long as bytes come, the probe doesn't ping.
        const heartbeat = setInterval(() => socket.ping(), 50)
        socket.on("close", () => clearInterval(heartbeat))
        socket.on("message", (data) => ++messages !== 2 && socket.send(data, { binary: false }))
      })
      const seen = yield* probe(url, "--interval", "0s", "--count", "4", "--expect", "lost=1", ...BRIEF)
      expect(seen).toMatchObject({ json: { ok: true, sent: 4, echoes: 3, ending: { kind: "open" } } })
    })
  )

  live("sends on when the kernel has taken what waited, whether or not it has come back", () =>
    Effect.gen(function* () {
      const held: Array<RawData> = []
      const url = yield* plain((socket) =>
        socket.on("message", (data) => {
          held.push(data)
          if (held.length === 3) for (const one of held) socket.send(one, { binary: false })
        })
      )
      const args = ["--size", "4MiB", "--count", "3", "--interval", "1ms"]
      expect(yield* probe(url, ...args)).toMatchObject({ code: 0, json: { echoes: 3 } })
    })
  )

  live("sends no more than the kernel takes, and a MiB", () =>
    Effect.gen(function* () {
      const port = yield* tcp((socket, request) => {
        answerHandshake(socket, request, Buffer.alloc(0))
        socket.pause()
      })
      const args = ["--size", "256KiB", "--count", "1000", "--interval", "1ms", "--expect", "silent"]
      const { json } = yield* probe(`ws://127.0.0.1:${port}/`, ...args, "--expect", "sent<100", ...BRIEF)
      expect(json).toMatchObject({ ok: true, unmet: [], ending: { kind: "silent" } })
    })
  )

  live("measures a server that doesn't echo with pings, and says so without them", () =>
    Effect.gen(function* () {
      const url = yield* plain(() => undefined)
      const [pinged, spoken] = yield* Effect.all(
        [probe(url, "--count", "2", "--ping"), probe(url, "--count", "2", ...BRIEF)],
        together
      )
      expect(pinged).toMatchObject({ code: 0, json: { echoes: 2 } })
      expect(spoken).toMatchObject({ code: 1, json: { ok: false, ending: { kind: "no-echo" } } })
    })
  )

  live("tells of a message that it hasn't sent, with its size, and counts those that follow", () =>
    Effect.gen(function* () {
      const url = yield* plain((socket) => {
        socket.send("hello")
        socket.send("hello!")
        echo(socket)
      })
      const said = yield* Effect.forEach(
        [[], ["--ping"]],
        (how) => run(["--count", "1", ...how, url]),
        together
      )
      for (const { stdout } of said) {
        expect(stdout.match(/^a message of .*$/gm)).toEqual([
          "a message of 5 bytes that the probe hasn't sent; others are counted"
        ])
        expect(stdout).toMatch(/^1 sent, 1 echoed, 0 lost, 2 of other messages, /m)
      }
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
        echo(socket)
        if (++connections === 3) socket.close(1001)
        else socket.terminate()
      })
      expect(
        yield* probe(url, "--reconnect", "--reconnect-max-delay", "1ms", "--expect", "close=1001")
      ).toMatchObject({
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

  live("tells a name that doesn't exist", () =>
    Effect.gen(function* () {
      const seen = yield* probe("ws://answerback.invalid/")
      // The second, where there is no DNS at all.
      const code = expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) as unknown
      expect(seen).toMatchObject({ code: 3, json: { ending: { kind: "unreachable", code } } })
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

  live("tells a reset that comes apart from data", () =>
    Effect.gen(function* () {
      const url = yield* plain((socket, raw) =>
        socket.once("message", (data) => {
          socket.send(data, { binary: false })
          // It has read the echo by then.
          socket.once("message", () => raw.resetAndDestroy())
        })
      )
      const seen = yield* probe(url, "--interval", "0s", "--expect", "reset")
      expect(seen).toMatchObject({ code: 0, json: { echoes: 1, ending: { kind: "reset" } } })
    })
  )

  live("tells what came in place of the answer to its Close frame", () =>
    Effect.gen(function* () {
      const ended = yield* endingAtClose((raw) => raw.destroy())
      const reset = yield* endingAtClose((raw) => raw.resetAndDestroy())
      const seen = yield* Effect.forEach([ended, reset], (url) => probe(url, "--count", "1"), together)
      expect(seen).toMatchObject([
        { code: 1, json: { ending: { kind: "unanswered", seen: "eof" } } },
        { code: 1, json: { ending: { kind: "unanswered", seen: "reset" } } }
      ])
    })
  )

  live("tells the code of a server that sends a Close frame, and leaves TCP open", () =>
    Effect.gen(function* () {
      // Before it has sent anything: what can't be sent any more is neither sent nor lost.
      const atOnce = yield* tcp((socket, request) => answerHandshake(socket, request, goingAway))
      // After a ping, which comes when half of the timeout has passed without an echo: so the other half is over long
      // before the close handshake is, which then is nobody's silence.
      const atPing = yield* tcp((socket, request) => {
        answerHandshake(socket, request, Buffer.alloc(0))
        socket.on("data", (bytes) => {
          if (bytes[0] === 0x89) socket.write(goingAway)
        })
      })
      const seen = yield* Effect.all(
        [
          probe(`ws://127.0.0.1:${atOnce}/`, ...BRIEF),
          probe(`ws://127.0.0.1:${atPing}/`, "--interval", "10s", ...BRIEF)
        ],
        together
      )
      const ending = { kind: "close", code: 1001 }
      expect(seen).toMatchObject([
        { code: 1, json: { ending, sent: 0, lost: 0 } },
        { code: 1, json: { ending, sent: 1, lost: 1 } }
      ])
    })
  )

  live("takes the end of --duration during the handshake for a timeout", () =>
    Effect.gen(function* () {
      const port = yield* tcp(() => undefined)
      const url = `ws://127.0.0.1:${port}/`
      const [unexpected, expected] = yield* Effect.forEach(
        [[], ["--expect", "timeout"]],
        (args) => probe(url, "--duration", "50ms", "--timeout", "1m", ...args),
        together
      )
      expect(unexpected).toMatchObject({ code: 3, json: { ending: { kind: "timeout" } } })
      expect(expected).toMatchObject({ code: 0, json: { ok: true, ending: { kind: "timeout" } } })
    })
  )

  live("fails the connection of a server that sends more than it takes, and says of what", () =>
    Effect.gen(function* () {
      // The head of a frame of 1 GiB, and of one that is a byte too long; many pings, in one piece.
      const sent = [
        [Buffer.from([0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0]), "Max payload size exceeded"],
        [Buffer.from([0x82, 127, 0, 0, 0, 0, 0x01, 0, 0, 1]), "Max payload size exceeded"],
        [Buffer.alloc(2000, Buffer.from([0x89, 0])), "more pings at once than can be answered"]
      ] as const
      const seen = yield* Effect.forEach(
        sent,
        ([bytes]) =>
          Effect.flatMap(
            tcp((socket, request) => {
              answerHandshake(socket, request, bytes)
              // The probe's Close frame.
              socket.on("data", (frame) => frame[0] === 0x88 && socket.end())
            }),
            (port) => probe(`ws://127.0.0.1:${port}/`, "--expect", "too-much")
          ),
        together
      )
      expect(seen).toMatchObject(
        sent.map(([, message]) => ({
          code: 0,
          json: { ending: { kind: "too-much", message, limit: 16 * 1024 ** 2 } }
        }))
      )
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
        together
      )
      const ending = { kind: "refused", status: 503, message: "full" }
      expect(seen).toMatchObject(seen.map(() => ({ code: 0, json: { ending } })))
    })
  )
})
