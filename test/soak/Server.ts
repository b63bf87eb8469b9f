/**
 * The program as a process of its own, for as long and as many connections as a soak takes: of what it writes, nothing
 * is kept that isn't needed.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import type { Line } from "../support/Log.js"
import { MAIN } from "../support/Program.js"
import { type Bell, WaitedTooLong } from "./Bell.js"

export interface ServerOptions {
  readonly port: number
  readonly args: ReadonlyArray<string>
  readonly sabotage: string | undefined
  readonly bell: Bell
  /** A line of its log; rings the bell afterwards. */
  readonly onLine: (line: Line) => void
  readonly onProblem: (problem: string) => void
  /** It has ended without having been asked to, with an exit code or by a signal. */
  readonly onDeath: (how: string) => void
}

/** What the program holds, after its garbage has been collected. */
export interface Probe {
  /** Resident memory, and memory that V8 uses, in bytes. */
  readonly resident: number
  readonly used: number
  /** Kinds of what keeps the event loop going. */
  readonly handles: ReadonlyArray<string>
}

export interface Server {
  readonly pid: number
  readonly port: number
  readonly probe: Effect.Effect<Probe, WaitedTooLong>
  readonly hasEnded: () => boolean
  /** SIGTERM; waits for the end, which must be in time and with exit code 0. */
  readonly stop: Effect.Effect<void, WaitedTooLong>
}

/** How long, in milliseconds, its start may take, and its end, of which it says 8 s itself, and a look at it. */
const PATIENCE = { start: 20_000, stop: 20_000, probe: 10_000 }

/** A module that is loaded before the program; where it is is the same from the source and from the bundle. */
const preload = (file: string): ReadonlyArray<string> => [
  "--import",
  new URL(`../../test/soak/${file}`, import.meta.url).href
]

/** So much of standard error tells enough. */
const MOST_STDERR = 2000

const parse = (text: string): Line | undefined => {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === "object" && line !== null ? { ...line } : undefined
  } catch {
    return undefined
  }
}

/** Starts the program, and waits until it listens. Whatever becomes of it, it is gone when the scope has closed. */
export const start = (options: ServerOptions): Effect.Effect<Server, WaitedTooLong, Scope.Scope> =>
  Effect.gen(function* () {
    const { bell, onProblem } = options
    let partial = ""
    let hasComplained = false
    let port = 0
    let isStopping = false
    let exit: string | undefined
    let probes: ReadonlyArray<Probe> = []

    const onText = (text: string): void => {
      if (text === "") return
      const line = parse(text)
      if (line === undefined) return onProblem(`the program wrote a line that is no log: ${text}`)
      if (line["level"] === "error" || line["level"] === "fatal") onProblem(`the program logged ${text}`)
      if (line["message"] === "probe") {
        const { handles, resident, used } = line
        probes = [
          ...probes,
          {
            resident: Number(resident),
            used: Number(used),
            handles: Array.isArray(handles) ? handles.map(String) : []
          }
        ]
        return
      }
      if (line["message"] === "listening") port = Number(new URL(String(line["url"])).port)
      options.onLine(line)
    }

    const child = yield* Effect.acquireRelease(
      Effect.sync(() => {
        if (!fs.existsSync(MAIN)) throw new Error(`there is no ${MAIN}: build it with \`npm run build\``)
        const own = ["--host", "127.0.0.1", "--port", String(options.port), "--log-format", "json"]
        const args = [
          "--expose-gc",
          ...preload("probe.mjs"),
          ...(options.sabotage === undefined ? [] : preload(`sabotage.mjs?${options.sabotage}`)),
          MAIN,
          ...own,
          ...options.args
        ]
        const spawned = spawn(process.execPath, args, {
          env: { PATH: process.env["PATH"] ?? "" },
          stdio: ["ignore", "pipe", "pipe"],
          // Out of the group that the terminal sends Ctrl-C to: the soak itself ends it.
          detached: true
        })
        spawned.stdout.setEncoding("utf8").on("data", (text: string) => {
          const lines = (partial + text).split("\n")
          partial = lines.pop() ?? ""
          for (const line of lines) onText(line)
          bell.ring()
        })
        spawned.stderr.setEncoding("utf8").on("data", (text: string) => {
          if (!hasComplained)
            onProblem(`the program wrote on standard error: ${text.trimEnd().slice(0, MOST_STDERR)}`)
          hasComplained = true
        })
        const onEnd = (how: string): void => {
          exit ??= how
          onText(partial)
          partial = ""
          if (!isStopping) options.onDeath(exit)
          bell.ring()
        }
        spawned.on("error", (error) => onEnd(error.message))
        // Not "exit": what was written before the end may still be on its way.
        spawned.on("close", (code, signal) => onEnd(signal ?? `exit code ${code}`))
        return spawned
      }),
      (spawned) =>
        Effect.suspend(() => {
          isStopping = true
          spawned.kill("SIGKILL")
          return Effect.ignore(
            bell.until(
              () => "the program is still there",
              PATIENCE.stop,
              () => exit !== undefined
            )
          )
        })
    )

    yield* bell.until(
      () => "the program doesn't listen",
      PATIENCE.start,
      () => port > 0 || exit !== undefined
    )
    return {
      pid: child.pid ?? 0,
      port,
      hasEnded: () => exit !== undefined,
      probe: Effect.suspend(() => {
        probes = []
        child.kill("SIGUSR2")
        return Effect.flatMap(
          bell.until(
            () => "the program hasn't answered a probe",
            PATIENCE.probe,
            () => probes.length > 0 || exit !== undefined
          ),
          () => {
            const [probe] = probes
            return probe === undefined
              ? Effect.fail(new WaitedTooLong({ message: `the program has ended: ${exit}` }))
              : Effect.succeed(probe)
          }
        )
      }),
      stop: Effect.suspend(() => {
        isStopping = true
        child.kill("SIGTERM")
        return bell
          .until(
            () => "the program hasn't ended after SIGTERM",
            PATIENCE.stop,
            () => exit !== undefined
          )
          .pipe(
            Effect.map(() => {
              if (exit !== "exit code 0") onProblem(`the program ended with ${exit} after SIGTERM`)
            })
          )
      })
    }
  })
