/**
 * The built program (`node dist/main.js`) as a process of its own: what a person starts, with arguments, an
 * environment, signals and an exit code.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import * as Log from "./Log.js"

/** The file that `npm run build` makes. */
export const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

/** The program didn't do in time what was awaited, or ended before. */
export class ProgramFailed extends Data.TaggedError("ProgramFailed")<{ readonly message: string }> {}

/** How the program ended: with an exit code, or killed by a signal. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ProgramOptions {
  /** Arguments, after those that every test has: `--host 127.0.0.1 --port 0 --log-format json`. */
  readonly args?: ReadonlyArray<string>
  /** Which of those to leave out. */
  readonly without?: ReadonlyArray<"host" | "port" | "log-format">
  /** The environment; from outside it gets only what finds programs. */
  readonly env?: Readonly<Record<string, string>>
  /** As which user, by number; by default the one that runs the test. */
  readonly user?: number
  /** Whether it writes to a terminal, by default to a pipe. Needs the program `script`. */
  readonly isOnTerminal?: boolean
}

export interface Program {
  readonly pid: number
  /** The log, if it is in JSON. */
  readonly log: Log.Log
  /** All that came on standard output. */
  readonly stdout: () => string
  /** The lines of it. */
  readonly lines: () => ReadonlyArray<string>
  /** All that came on standard error. */
  readonly stderr: () => string
  /** Waits for a line on standard output. */
  readonly printed: (pattern: RegExp) => Effect.Effect<RegExpExecArray, ProgramFailed>
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  /** Nobody reads standard output any more. */
  readonly stopReading: Effect.Effect<void>
  /** Waits for the end of the program, and of all that it wrote. */
  readonly exit: Effect.Effect<Exit, ProgramFailed>
  /** How the program has ended, if it has. */
  readonly hasEnded: () => Exit | undefined
}

/** A program that listens. */
export interface Listening extends Program {
  readonly port: number
  /** What a person opens. */
  readonly url: string
  /** What a client connects to. */
  readonly webSocketUrl: string
}

/** A program that has ended. */
export interface Ended extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** How long to wait for anything, in milliseconds: a machine that is busy with other tests takes its time. */
const PATIENCE = 20_000

const defaults = { host: "127.0.0.1", port: "0", "log-format": "json" }

const argumentsOf = ({ args = [], without = [] }: ProgramOptions): ReadonlyArray<string> => [
  ...Object.entries(defaults).flatMap(([flag, value]) =>
    without.some((left) => left === flag) ? [] : [`--${flag}`, value]
  ),
  ...args
]

/** What to run: `script` gives a program a terminal. */
const commandOf = (options: ProgramOptions): readonly [command: string, args: ReadonlyArray<string>] => {
  const args = [MAIN, ...argumentsOf(options)]
  if (options.isOnTerminal !== true) return [process.execPath, args]
  const quoted = [process.execPath, ...args].map((text) => `'${text.replaceAll("'", "'\\''")}'`)
  return ["script", ["-qfec", quoted.join(" "), "/dev/null"]]
}

/** Starts the program; whatever becomes of it, it is gone when the scope has closed. */
export const launch = (options: ProgramOptions = {}): Effect.Effect<Program, ProgramFailed, Scope.Scope> =>
  Effect.gen(function* () {
    if (!fs.existsSync(MAIN)) {
      return yield* new ProgramFailed({ message: `there is no ${MAIN}: build it with \`npm run build\`` })
    }
    const [command, args] = commandOf(options)
    const log = Log.make()
    const lines: Array<string> = []
    const waiting = new Set<() => void>()
    let stdout = ""
    let partial = ""
    let stderr = ""
    let ended: Exit | undefined

    const wake = (): void => {
      for (const look of waiting) look()
    }

    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(command, args, {
          env: { PATH: process.env["PATH"] ?? "", ...options.env },
          stdio: ["ignore", "pipe", "pipe"],
          ...(options.user === undefined ? {} : { uid: options.user, gid: options.user })
        })
        child.stdout.setEncoding("utf8").on("data", (text: string) => {
          stdout += text
          const [first = "", ...others] = text.split("\n")
          const all = [partial + first, ...others]
          partial = all.pop() ?? ""
          for (const line of all) {
            lines.push(line)
            if (line.startsWith("{")) log.write(line)
          }
          wake()
        })
        child.stderr.setEncoding("utf8").on("data", (text: string) => {
          stderr += text
        })
        child.on("error", (error) => {
          stderr += error.message
          ended = { code: null, signal: null }
          wake()
        })
        // Not "exit": what was written before the end may still be on its way.
        child.on("close", (code, signal) => {
          ended = { code, signal }
          wake()
        })
        return child
      }),
      (child) =>
        Effect.async<void>((resume) => {
          const look = (): void => {
            if (ended !== undefined) resume(Effect.void)
          }
          waiting.add(look)
          look()
          child.kill("SIGKILL")
        })
    )

    const story = (): string =>
      `${command} ${args.join(" ")} ${
        ended === undefined ? "is running" : `has ended (${ended.code ?? ended.signal})`
      }, it wrote ${JSON.stringify(stdout.slice(-2000))}, and on standard error ${JSON.stringify(stderr)}`

    const until = <A>(what: string, find: () => A | undefined): Effect.Effect<A, ProgramFailed> => {
      const wait = Effect.async<A, ProgramFailed>((resume) => {
        const look = (): void => {
          const found = find()
          if (found === undefined && ended === undefined) return
          waiting.delete(look)
          resume(
            found === undefined
              ? Effect.fail(new ProgramFailed({ message: `it ended before ${what}: ${story()}` }))
              : Effect.succeed(found)
          )
        }
        waiting.add(look)
        look()
        return Effect.sync(() => waiting.delete(look))
      })
      return Effect.timeoutFail(wait, {
        duration: PATIENCE,
        onTimeout: () => new ProgramFailed({ message: `waited ${PATIENCE} ms for ${what}: ${story()}` })
      })
    }

    const find = (pattern: RegExp): RegExpExecArray | undefined => {
      for (const line of lines) {
        const match = pattern.exec(line)
        if (match !== null) return match
      }
      return undefined
    }

    return {
      pid: child.pid ?? 0,
      log,
      stdout: () => stdout,
      lines: () => lines,
      stderr: () => stderr,
      printed: (pattern) => until(`it wrote ${String(pattern)}`, () => find(pattern)),
      signal: (name) =>
        Effect.sync(() => {
          child.kill(name)
        }),
      stopReading: Effect.sync(() => {
        child.stdout.destroy()
      }),
      exit: until("its end", () => ended),
      hasEnded: () => ended
    }
  })

/** Starts the program, and waits until it says that it listens. */
export const start = (options?: ProgramOptions): Effect.Effect<Listening, ProgramFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const program = yield* launch(options)
    const [line] = yield* program.printed(/listening.*wss?:.*/)
    // The same in all log formats, and with colours.
    const urlOf = (scheme: string): URL =>
      new URL(new RegExp(`\\b${scheme}s?://[^\\s"\\u001b]+`).exec(line)?.[0] ?? "about:blank")
    const webSocketUrl = urlOf("ws")
    return {
      ...program,
      port: Number(webSocketUrl.port),
      url: urlOf("http").href,
      webSocketUrl: webSocketUrl.href
    }
  })

/** Starts the program, and waits until it has ended by itself; fails if it listens instead. */
export const run = (options?: ProgramOptions): Effect.Effect<Ended, ProgramFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const program = yield* launch(options)
      const exit = yield* Effect.race(program.exit, Effect.as(program.printed(/\blistening\b/), undefined))
      if (exit === undefined) {
        return yield* new ProgramFailed({ message: `it listens: ${program.stdout()}` })
      }
      return { ...exit, stdout: program.stdout(), stderr: program.stderr() }
    })
  )

/** Signals the program, waits until it has ended, and tells how many milliseconds that took. */
export const stop = (
  program: Program,
  signal: NodeJS.Signals = "SIGTERM"
): Effect.Effect<Exit & { readonly elapsed: number }, ProgramFailed> =>
  Effect.gen(function* () {
    const start = performance.now()
    yield* program.signal(signal)
    const exit = yield* program.exit
    return { ...exit, elapsed: performance.now() - start }
  })
