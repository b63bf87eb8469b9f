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
const root = fileURLToPath(new URL("..", import.meta.url))
const folder = fileURLToPath(new URL("../dist", import.meta.url))

const examples = blocks("ts")

/** Runs one of the blocks on a port of its own, and waits until it listens. */
const running = (index: number) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const code = examples[index]?.replace("port: 8080", `port: ${port}`) ?? ""
    const { code: script } = yield* Effect.promise(() => transform(code, { loader: "ts", format: "esm" }))
    const file = `${folder}/readme-${process.pid}-${index}.mjs`
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

/** Runs a program of Node, and gives what it printed if it failed. */
const failureOf = (...args: ReadonlyArray<string>) =>
  Effect.async<string>((resume) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    let printed = ""
    child.stdout.on("data", (text: Buffer) => (printed += text.toString()))
    child.stderr.on("data", (text: Buffer) => (printed += text.toString()))
    child.once("exit", (code) => resume(Effect.succeed(code === 0 ? "" : printed)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("a test in the README", () => {
  live(
    "is right as TypeScript, and passes",
    () =>
      Effect.gen(function* () {
        const [code = ""] = blocks("ts", "Test your program")
        const [file, config] = [
          `${folder}/readme-${process.pid}.test.ts`,
          `${folder}/readme-${process.pid}.mjs`
        ]
        yield* Effect.acquireRelease(
          Effect.promise(async () => {
            await fs.writeFile(file, code)
            // Otherwise it would look in the folders of this package's tests alone.
            await fs.writeFile(config, `export default { test: { include: ["**/*.test.ts"], exclude: [] } }`)
          }),
          () => Effect.promise(() => Promise.all([fs.rm(file), fs.rm(config)]))
        )
        const options = [
          "--noEmit",
          "--strict",
          "--target",
          "es2023",
          "--module",
          "nodenext",
          "--types",
          "node"
        ]
        const check = ["node_modules/typescript/bin/tsc", "--ignoreConfig", ...options, file]
        expect(yield* failureOf(...check)).toBe("")
        const run = ["node_modules/vitest/vitest.mjs", "run", "--config", config, "--root", folder, file]
        expect(yield* failureOf(...run)).toBe("")
      }),
    // A compiler and a test runner are started.
    180_000
  )
})

describe("a program in the README", () => {
  live("runs on the built package, does what it says, and says its last word on SIGTERM", () =>
    Effect.gen(function* () {
      const { exited, port, program } = yield* running(0)
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

  live("lets go wrong what it plans, and what it applies", () =>
    Effect.gen(function* () {
      const { exited, port, program } = yield* running(1)
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
