/**
 * `answerback probe` as a process: what it writes, what signals do to it, and its exit codes.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { freePort } from "../support/freePort.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import { tcp } from "../support/probed.js"
import { testServer } from "../support/server.js"

const without = ["host", "port", "log-format"] as const

const launch = (...args: ReadonlyArray<string>) => Program.launch({ without, args: ["probe", ...args] })

const run = (...args: ReadonlyArray<string>) => Program.run({ without, args: ["probe", ...args] })

/** How many run at a time: each starts a process. */
const concurrency = 4

const signals = [
  ["SIGINT", 130],
  ["SIGTERM", 143]
] as const

describe("the program's probe", () => {
  live("prints what it saw on standard output, and ends with its exit code", () =>
    Effect.gen(function* () {
      const { url } = yield* testServer()
      const closed = `ws://127.0.0.1:${yield* freePort}/`
      const cases = [
        [
          [`${url}?fault=close&after=1msg`, "--json", "--expect", "close=1000"],
          0,
          /^\{.*"ok":true,"exitCode":0,.*\}\n$/
        ],
        [["--count", "1", "--quiet", url], 0, /^ended: closed by the probe with 1000, and answered$/m],
        [
          ["--count", "1", "--expect", "lost=1", url],
          1,
          /\nnot as expected: expected lost=1, but it was 0\n$/
        ],
        [[closed], 3, /\nnot as expected: expected open, but it was unreachable\n/],
        [["--help"], 0, /^answerback probe: .*\n\nUsage: /]
      ] as const
      const seen = yield* Effect.forEach(cases, ([args]) => run(...args), { concurrency })
      expect(seen).toEqual(
        cases.map(([, code, pattern]) => ({
          code,
          signal: null,
          stderr: "",
          stdout: expect.stringMatching(pattern) as unknown
        }))
      )
    })
  )

  live("says in one line what can't be read, and ends with 2", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run("--size", "1", "ws://x")
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
      expect(stderr).toMatch(/^answerback probe: --size "1" can't be read: accepted is .*\n$/)
    })
  )

  live("closes politely on SIGINT, and sums up", () =>
    Effect.gen(function* () {
      const { logged, url } = yield* testServer()
      const program = yield* launch("--interval", "20ms", url)
      yield* program.printed(/^echo 3: /)
      yield* program.signal("SIGINT")
      expect(yield* program.exit).toEqual({ code: 0, signal: null })
      expect(program.stdout()).toContain("ended: closed by the probe with 1000, and answered")
      yield* logged("connection closed", { reason: "PeerClosed", code: 1000 })
    })
  )

  live("is interrupted by a signal during the handshake, and ends as the signal says", () =>
    Effect.gen(function* () {
      const port = yield* tcp(() => undefined)
      const ends = ([signal, code]: (typeof signals)[number]) =>
        Effect.gen(function* () {
          const program = yield* launch("--timeout", "1m", `ws://127.0.0.1:${port}/`)
          yield* program.printed(/^probe /)
          yield* program.signal(signal)
          expect(yield* program.exit).toEqual({ code, signal: null })
          expect(program.stdout()).toContain(`ended: interrupted by ${signal} before there was a connection`)
        })
      yield* Effect.forEach(signals, ends, { concurrency })
    })
  )

  live("is interrupted by a signal while it waits to try again, and ends as the signal says", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const ends = ([signal, code]: (typeof signals)[number]) =>
        Effect.gen(function* () {
          const program = yield* launch("--reconnect", `ws://127.0.0.1:${port}/`)
          yield* program.printed(/^reconnecting in .*, attempt 1$/)
          yield* program.signal(signal)
          expect(yield* program.exit).toEqual({ code, signal: null })
        })
      yield* Effect.forEach(signals, ends, { concurrency })
    })
  )

  live("ends at once, with 130 or 143, at a second signal", () =>
    Effect.gen(function* () {
      const { url } = yield* testServer()
      const ends = ([signal, code]: (typeof signals)[number]) =>
        Effect.gen(function* () {
          const program = yield* launch("--timeout", "1m", `${url}?fault=mute`)
          yield* program.printed(/^connected /)
          yield* program.signal(signal)
          yield* program.printed(new RegExp(`^${signal}: closing; once more ends the program at once$`))
          expect(yield* Program.stop(program, signal)).toMatchObject({ code, signal: null })
        })
      yield* Effect.forEach(signals, ends, { concurrency })
    })
  )

  live("ends without a word when nobody reads what it prints any more", () =>
    Effect.gen(function* () {
      const { url } = yield* testServer()
      const program = yield* launch("--interval", "1ms", url)
      yield* program.printed(/^echo 3: /)
      yield* program.stopReading
      expect(yield* program.exit).toEqual({ code: 1, signal: null })
      expect(program.stderr()).toBe("")
    })
  )
})
