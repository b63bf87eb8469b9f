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
import { get } from "./support/get.js"
import { live } from "./support/live.js"
import * as RawClient from "./support/RawClient.js"
import { blocks } from "./support/readme.js"
import { lastWords } from "./support/session.js"

/** Inside the package, where it can be imported by its name. */
const root = fileURLToPath(new URL("..", import.meta.url))
const folder = fileURLToPath(new URL("../dist", import.meta.url))

const examples = blocks("ts")

/** Runs the block that has these words in it on a port of its own, and waits until it listens. */
const running = (words: string) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const index = examples.findIndex((example) => example.includes(words))
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
      const { exited, port, program } = yield* running("/shout")
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

  live("takes JSON by a schema, answers it, and closes at what doesn't fit", () =>
    Effect.gen(function* () {
      const { port } = yield* running("/weekday")
      const peer = yield* RawClient.connect({ port, path: "/weekday" })
      yield* peer.write(Frames.text('{"id":1,"birthday":"1970-01-01"}'))
      expect((yield* peer.nextMessage).text).toBe('{"id":1,"weekday":"Thursday"}')
      yield* peer.write(Frames.text('{"id":2}'))
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
        "close 1008 message isn't as expected"
      ])
    })
  )

  live("answers calls, and says its last word on SIGTERM", () =>
    Effect.gen(function* () {
      const { exited, port, program } = yield* running("/rpc")
      const peer = yield* RawClient.connect({ port, path: "/rpc" })
      const request = { _tag: "Request", id: "1", tag: "greet", payload: { name: "you" }, headers: [] }
      yield* peer.write(Frames.text(JSON.stringify(request)))
      expect(JSON.parse((yield* peer.nextMessage).text)).toEqual({
        _tag: "Exit",
        requestId: "1",
        exit: { _tag: "Success", value: "Hello, you!" }
      })
      program.kill("SIGTERM")
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
        "close 1001 server shutting down"
      ])
      expect(yield* Effect.promise(() => exited)).toBe(0)
    })
  )

  live("tells all in a room what one of them says", () =>
    Effect.gen(function* () {
      const { exited, port, program } = yield* running("/chat")
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
      const { exited, port, program } = yield* running('fault: "mute"')
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

  live("has endpoints of its own, and decides who is let in", () =>
    Effect.gen(function* () {
      const { port } = yield* running("layerEndpoints")
      const member = yield* RawClient.connect({
        port,
        path: "/greet",
        headers: { authorization: "Bearer 123" }
      })
      yield* member.write(Frames.text("hello"))
      expect((yield* member.nextMessage).text).toBe("Ann: hello")
      const stranger = yield* Effect.flip(RawClient.connect({ port, path: "/greet" }))
      expect(stranger).toMatchObject({ response: { status: 401 } })
      const anybody = yield* RawClient.connect({ port })
      yield* anybody.write(Frames.text("x"))
      expect((yield* anybody.nextMessage).text).toBe("x")
    })
  )

  live("stands on a server that the program has, and goes with it", () =>
    Effect.gen(function* () {
      const { exited, port, program } = yield* running("layerRoute")
      expect((yield* get({ port }, "/")).body).toBe("hello")
      const peer = yield* RawClient.connect({ port })
      yield* peer.write(Frames.text("x"))
      expect((yield* peer.nextMessage).text).toBe("x")
      program.kill("SIGTERM")
      expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
        "close 1001 server shutting down"
      ])
      expect(yield* Effect.promise(() => exited)).toBe(0)
    })
  )
})
