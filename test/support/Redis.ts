/**
 * A Redis of the test's own, and servers that share it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process"
import { promisify } from "node:util"
import * as Redis from "../../src/cluster/Redis.js"
import { EchoServer, type ServerOptions } from "../../src/index.js"
import { temporaryDirectory } from "./certificate.js"
import { freePort } from "./freePort.js"
import { serverOf, type TestServer } from "./server.js"

/** Why there is no Redis here. */
export const noRedis: string | undefined =
  spawnSync("redis-server", ["--version"]).status === 0
    ? undefined
    : "no redis-server: apt-get install -y --no-install-recommends redis-server"

/** How long to wait for a Redis, in milliseconds. */
const PATIENCE = 15_000

/** A Redis that can be made to go away. */
export interface TestRedis {
  readonly port: number
  readonly url: string
  /** Runs a command, with the arguments of `redis-cli`; gives what it prints. */
  readonly cli: (...args: ReadonlyArray<string>) => Effect.Effect<string>
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  /** Kills it, and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** Starts it, when it has been killed, on the same port, with nothing in it. */
  readonly start: Effect.Effect<void>
}

export interface RedisServerOptions {
  /** More arguments of `redis-server`. */
  readonly args?: ReadonlyArray<string>
  readonly port?: number
  /** Arguments of `redis-cli`, with which it gets in. */
  readonly cli?: ReadonlyArray<string>
}

const ready = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async<void, Error>((resume) => {
    let text = ""
    child.stdout?.setEncoding("utf8").on("data", (more: string) => {
      text += more
      if (text.includes("Ready to accept connections")) resume(Effect.void)
    })
    child.once("exit", () => resume(Effect.fail(new Error(`redis-server has ended: ${text}`))))
  }).pipe(Effect.timeout(PATIENCE), Effect.orDie)

const gone = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

/** Starts a Redis that keeps nothing on disk, and is gone when the scope has closed. */
export const redisServer = (options: RedisServerOptions = {}): Effect.Effect<TestRedis, never, Scope.Scope> =>
  Effect.gen(function* () {
    const port = options.port ?? (yield* freePort)
    const directory = yield* temporaryDirectory
    const base = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory]
    const args = [...base, "--port", String(port), ...(options.args ?? [])]
    let child: ChildProcess | undefined
    const start = Effect.suspend(() => {
      child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] })
      return ready(child)
    })
    const kill = Effect.suspend(() => (child === undefined ? Effect.void : gone(child)))
    yield* Effect.acquireRelease(start, () => kill)
    const access = options.cli ?? ["-p", String(port)]
    return {
      port,
      url: `redis://127.0.0.1:${port}`,
      cli: (...command) =>
        Effect.promise(async () => {
          const { stdout } = await promisify(execFile)("redis-cli", [
            "-h",
            "127.0.0.1",
            ...access,
            ...command
          ])
          return stdout
        }),
      signal: (name) => Effect.sync(() => void child?.kill(name)),
      kill,
      start
    }
  })

/** How a server uses Redis. */
export interface Sharing {
  readonly url: string
  readonly prefix?: string
}

/** A server that shares a Redis. */
export const sharing = (
  { prefix = "answerback", url }: Sharing,
  options?: ServerOptions
): Effect.Effect<TestServer, unknown, Scope.Scope> =>
  serverOf(
    Layer.provide(
      EchoServer.layer({ host: "127.0.0.1", port: 0, ...options }),
      Redis.layer({ url: Redacted.make(new URL(url)), prefix })
    )
  )

/** Several of them. */
export const sharingMany = (
  count: number,
  sharingOptions: Sharing
): Effect.Effect<ReadonlyArray<TestServer>, unknown, Scope.Scope> =>
  Effect.all(
    Array.from({ length: count }, () => sharing(sharingOptions)),
    { concurrency: "unbounded" }
  )
