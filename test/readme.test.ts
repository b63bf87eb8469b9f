/**
 * The examples of the README are programs that run.
 */
import * as Effect from "effect/Effect"
import { transform } from "esbuild"
import { spawn } from "node:child_process"
import * as fs from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { describe, expect } from "vitest"
import * as Frames from "./support/frames.js"
import { freePort } from "./support/freePort.js"
import { live } from "./support/live.js"
import * as RawClient from "./support/RawClient.js"
import { blocks } from "./support/readme.js"
import { lastWords } from "./support/session.js"

/** Inside the package, where it can be imported by its name. */
const folder = fileURLToPath(new URL("../dist", import.meta.url))

/** Runs the first block below a heading on a port of its own, and waits until it listens. */
const running = (section: string) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const [block = ""] = blocks("ts", section)
    const code = block.replace("port: 8080", `port: ${port}`)
    const { code: script } = yield* Effect.promise(() => transform(code, { loader: "ts", format: "esm" }))
    const file = `${folder}/readme-${process.pid}-${section.replaceAll(" ", "-")}.mjs`
    yield* Effect.acquireRelease(
      Effect.promise(() => fs.writeFile(file, script)),
      () => Effect.promise(() => fs.rm(file))
    )
    const program = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] })),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const exited = new Promise<number | null>((resolve) => program.once("exit", resolve))
    const listening = new Promise<"listening">((resolve) =>
      program.stdout.once("data", () => resolve("listening"))
    )
    expect(yield* Effect.promise(() => Promise.race([listening, exited]))).toBe("listening")
    return { port, program, exited }
  })

describe("a program in the README", () => {
  live("runs on the built package, does what it says, and says its last word on SIGTERM", () =>
    Effect.gen(function* () {
      const { exited, port, program } = yield* running("In a program")
      const peer = yield* RawClient.connect({ port, path: "/shout" })
      yield* peer.write(Frames.text("hello"))
      expect((yield* peer.nextMessage).text).toBe("HELLO")
      program.kill("SIGTERM")
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
        "close 1001 server shutting down"
      ])
      expect(yield* Effect.promise(() => exited)).toBe(0)
    })
  )

  live("tells all in a room what one of them says", () =>
    Effect.gen(function* () {
      const { exited, port, program } = yield* running("Rooms")
      const first = yield* RawClient.connect({ port, path: "/chat" })
      expect((yield* first.nextMessage).text).toBe("somebody has come")
      const second = yield* RawClient.connect({ port, path: "/chat" })
      for (const peer of [first, second]) expect((yield* peer.nextMessage).text).toBe("somebody has come")
      yield* second.write(Frames.text("hello"))
      expect((yield* first.nextMessage).text).toBe("hello")
      program.kill("SIGTERM")
      for (const peer of [first, second])
        expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
          "close 1001 server shutting down"
        ])
      expect(yield* Effect.promise(() => exited)).toBe(0)
    })
  )

  live("lets go wrong what it plans, and what it applies", () =>
    Effect.gen(function* () {
      const { exited, port, program } = yield* running("Test your client")
      const planned = yield* RawClient.connect({ port, headers: { "x-test": "1" } })
      for (const text of ["1", "2", "3"]) yield* planned.write(Frames.text(text))
      const { frames } = yield* planned.allUntilEnd
      expect(frames.map(Frames.describe)).toEqual(["text 1", "text 2", "text 3"])
      expect(yield* planned.endedByKernel).toBe("reset")

      const peer = yield* RawClient.connect({ port })
      for (const text of ["1", "hush", "2"]) yield* peer.write(Frames.text(text))
      expect((yield* peer.nextMessage).text).toBe("1")
      program.kill("SIGTERM")
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
        "close 1001 server shutting down"
      ])
      expect(yield* Effect.promise(() => exited)).toBe(0)
    })
  )
})
