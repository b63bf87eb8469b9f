/**
 * A log that can't be written must not take the server down, hold it up, or fill its memory.
 */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import { describe, expect } from "vitest"
import { eventually } from "../support/eventually.js"
import { freePort } from "../support/freePort.js"
import { get, noHandshake } from "../support/get.js"
import * as Http from "../support/http.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { liveUnless } from "../support/skip.js"

/** The program, with its log in the hands of the test. */
const start = (stdout: number | "pipe") =>
  Effect.gen(function* () {
    const port = yield* freePort
    const args = [
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
      // Nobody is let in, and so little has to wait in memory.
      "--max-connections",
      "1",
      "--log-level",
      "debug",
      "--log-format",
      "json"
    ]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [Program.MAIN, ...args], { stdio: ["ignore", stdout, "pipe"] })
      ),
      (child) =>
        Effect.async<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
          child.once("close", () => resume(Effect.void))
          child.kill("SIGKILL")
          child.stdout?.destroy()
        })
    )
    let stderr = ""
    child.stderr?.on("data", (bytes) => (stderr += String(bytes)))
    const isServing = Effect.map(Effect.option(get({ port }, "/livez")), ({ _tag }) => _tag === "Some")
    yield* eventually("the program listens", isServing)
    return {
      port,
      stdout: child.stdout,
      isServing,
      exit: Effect.async<{ readonly code: number | null; readonly stderr: string }>((resume) => {
        child.once("close", (code) => resume(Effect.succeed({ code, stderr })))
        child.kill("SIGTERM")
      })
    }
  })

/** Has the program log so many lines: each is a handshake that is refused. */
const refuse = (port: number, count: number) =>
  Effect.gen(function* () {
    const request = Http.request({ headers: { ...noHandshake, Connection: "keep-alive" } })
    const requests = Buffer.concat(Array.from({ length: 100 }, () => Buffer.from(request)))
    for (let i = 0; i < count; i += 100) {
      const peer = yield* RawClient.open({ port })
      yield* peer.write(requests)
      for (let answers = 0; answers < 100; answers++) expect((yield* peer.response).status).toBe(426)
      yield* peer.reset
    }
  }).pipe(Effect.scoped)

describe("the program serves, and ends well,", () => {
  liveUnless(fs.existsSync("/dev/full") ? undefined : "needs /dev/full", "when the disk is full", () =>
    Effect.gen(function* () {
      const full = yield* Effect.acquireRelease(
        Effect.sync(() => fs.openSync("/dev/full", "w")),
        (fd) => Effect.sync(() => fs.closeSync(fd))
      )
      const program = yield* start(full)
      yield* refuse(program.port, 500)
      expect(yield* program.isServing).toBe(true)
      expect(yield* program.exit).toEqual({ code: 0, stderr: "" })
    })
  )

  liveUnless(undefined, "when nobody reads the log any more", () =>
    Effect.gen(function* () {
      const program = yield* start("pipe")
      program.stdout?.destroy()
      yield* refuse(program.port, 500)
      expect(yield* program.isServing).toBe(true)
      expect(yield* program.exit).toEqual({ code: 0, stderr: "" })
    })
  )

  liveUnless(undefined, "when the log is read too late, which then tells how many lines are missing", () =>
    Effect.gen(function* () {
      const program = yield* start("pipe")
      // 1 MiB waits in the program, and the pipe takes some.
      yield* refuse(program.port, 12_000)
      expect(yield* program.isServing).toBe(true)
      let log = ""
      program.stdout?.on("data", (bytes) => (log += String(bytes)))
      yield* eventually(
        "the log told what is missing",
        Effect.sync(() => log.includes("log lines were dropped"))
      )
      expect(yield* program.exit).toEqual({ code: 0, stderr: "" })
      const lines = log.trimEnd().split("\n")
      for (const line of lines) expect(() => void JSON.parse(line)).not.toThrow()
      const [, count] = /"log lines were dropped","count":(\d+)/.exec(log) ?? []
      expect(lines.length - 2 + Number(count)).toBeGreaterThanOrEqual(12_000)
    })
  )
})
