/**
 * The programs in `examples/`, run on the built package as their users do, and used with a real client.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { build } from "esbuild"
import { spawn } from "node:child_process"
import * as fs from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { expect } from "vitest"
import type { ClientFailed, Session } from "../clients/client.js"
import { wsClient } from "../clients/wsClient.js"
import { freePort } from "../support/freePort.js"

const ROOT = fileURLToPath(new URL("../../", import.meta.url))

/** Connections that a test has to one of the programs. */
export interface Example {
  /** Where it serves HTTP. */
  readonly url: string
  readonly connect: (path: string) => Effect.Effect<Session, ClientFailed, Scope.Scope>
  /** Runs the same program once more, beside it, with these arguments; gives what it prints until it ends. */
  readonly run: (...args: ReadonlyArray<string>) => Effect.Effect<string>
  /** Ends it as Ctrl-C does, and sees that it has nothing to complain about. */
  readonly end: Effect.Effect<void>
}

/**
 * Starts one on a port of its own, and waits until it listens.
 *
 * @param name the file in `examples/`, without its extension.
 */
export const started = (name: string): Effect.Effect<Example, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const port = yield* freePort
    // Inside the package, where it can be imported by its name, and without types, which not every Node can strip.
    const file = `${ROOT}dist/example-${process.pid}-${name.replaceAll("/", "-")}.mjs`
    yield* Effect.acquireRelease(
      Effect.promise(() =>
        build({
          entryPoints: [`${ROOT}examples/${name}.ts`],
          outfile: file,
          bundle: true,
          packages: "external",
          // Not to the sources, where `tsconfig.json` leads the compiler.
          tsconfigRaw: {},
          platform: "node",
          format: "esm"
        })
      ),
      () => Effect.promise(() => fs.rm(file))
    )
    const spawned = (args: ReadonlyArray<string> = []) =>
      Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, [file, ...args], {
            env: { ...process.env, PORT: `${port}` },
            stdio: ["ignore", "pipe", "pipe"]
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
    const program = yield* spawned()
    let output = ""
    const exited = new Promise<number | null>((resolve) => program.once("exit", resolve))
    const listening = new Promise<"listening">((resolve) => {
      program.stdout.on("data", (bytes: Buffer) => {
        output += bytes.toString()
        if (/listening/i.test(output)) resolve("listening")
      })
    })
    program.stderr.on("data", (bytes: Buffer) => (output += bytes.toString()))
    expect(yield* Effect.promise(() => Promise.race([listening, exited])), output).toBe("listening")
    return {
      url: `http://127.0.0.1:${port}`,
      connect: (path) => wsClient.open(`ws://127.0.0.1:${port}${path}`),
      run: (...args) =>
        Effect.scoped(
          Effect.flatMap(spawned(args), (child) =>
            Effect.promise(async () => {
              const chunks: Array<Buffer> = []
              child.stdout.on("data", (bytes: Buffer) => chunks.push(bytes))
              child.stderr.on("data", (bytes: Buffer) => chunks.push(bytes))
              await new Promise((resolve) => child.once("close", resolve))
              return Buffer.concat(chunks).toString()
            })
          )
        ),
      end: Effect.gen(function* () {
        program.kill("SIGINT")
        expect(yield* Effect.promise(() => exited), output).toBe(0)
        expect(output).not.toMatch(/\b(WARN|ERROR|FATAL)\b/)
      })
    }
  })

/** Sees that a client is told why, and ends a program. */
export const endingPolitely = (example: Example, sessions: ReadonlyArray<Session>) =>
  Effect.gen(function* () {
    const [, endings] = yield* Effect.all([example.end, Effect.forEach(sessions, ({ closed }) => closed)], {
      concurrency: "unbounded"
    })
    for (const { code, reason, wasClean } of endings)
      expect({ code, reason, wasClean }).toEqual({
        code: 1001,
        reason: "server shutting down",
        wasClean: true
      })
  })
