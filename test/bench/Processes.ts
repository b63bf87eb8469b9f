/**
 * Processes that are measured, and the one that measures: each on a core of its own, where there are two.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import type { Jobs, Response } from "./load/main.js"

const canPin = os.availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0

/** Whether servers and load have a core each. */
export const arePinned = canPin

const onCore = (core: number, command: ReadonlyArray<string>): readonly [string, ReadonlyArray<string>] => {
  const [program = "", ...args] = canPin ? ["taskset", "-c", String(core), ...command] : command
  return [program, args]
}

/** Servers are on this core, and what loads them on that. */
const CORES = { server: 1, load: 0 } as const

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once("exit", () => resolve())
  })

/** A server under test. */
export interface Server {
  readonly port: number
  readonly pid: number
  /** Milliseconds from its start until it told its port. */
  readonly startUp: number
  /** Bytes of resident memory, after a collection of garbage where there is one that can be asked for. */
  readonly memory: (options?: { readonly afterCollection: boolean }) => Promise<number>
  /** Asks it to stop, and waits until it has; in milliseconds. */
  readonly stop: () => Promise<number>
  readonly kill: () => Promise<void>
}

/** Loaded into servers that Node runs: collects garbage when it is told to. */
const COLLECTOR = new URL("../../test/bench/servers/collector.mjs", import.meta.url).href

/** How long a server may take to tell its port, in milliseconds. */
const PATIENCE = 20_000

const residentOf = (pid: number): number => {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
  return Number(kilobytes) * 1024
}

/** How a server is started; it tells its port on standard output, as `listening` and `:PORT` in one line. */
export interface Command {
  readonly command: ReadonlyArray<string>
  /** Whether Node runs it. */
  readonly isNode: boolean
  /** Whether its garbage is to be collected when memory is measured: costs a little at each start. */
  readonly isCollected?: boolean
}

/** Starts one. */
export const startServer = async ({ command, isCollected = false, isNode }: Command): Promise<Server> => {
  const node = [process.execPath, ...(isCollected ? ["--expose-gc", "--import", COLLECTOR] : [])]
  const [program, args] = onCore(CORES.server, isNode ? [...node, ...command] : command)
  const began = performance.now()
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] })
  let text = ""
  let errors = ""
  let collected = (): void => {}
  child.stderr.on("data", (bytes: Buffer) => {
    errors = `${errors}${bytes.toString()}`.slice(-2000)
    if (errors.includes("collected\n")) {
      errors = ""
      collected()
    }
  })
  const port = await new Promise<number>((resolve, reject) => {
    const fail = (how: string): void => {
      clearTimeout(timer)
      child.kill("SIGKILL")
      reject(new Error(`${command.join(" ")} ${how}: ${errors}`))
    }
    const timer = setTimeout(() => fail("has not told its port"), PATIENCE)
    child.once("error", ({ message }) => fail(message))
    child.once("exit", (code) => fail(`ended with ${code}`))
    child.stdout.on("data", (bytes: Buffer) => {
      // Read on, and forgotten: a log that isn't read would hold up the server.
      if (text.length > 2000) return
      text += bytes.toString()
      const found = /\blistening\b.*?(?<!"):(\d+)\b/.exec(text)
      if (found === null) return
      clearTimeout(timer)
      resolve(Number(found[1]))
    })
  })
  const startUp = performance.now() - began
  const { pid } = child
  if (pid === undefined) throw new Error(`${command.join(" ")} has no process`)
  const signal = async (name: NodeJS.Signals): Promise<number> => {
    const since = performance.now()
    child.kill(name)
    await ended(child)
    return performance.now() - since
  }
  return {
    port,
    pid,
    startUp,
    memory: async ({ afterCollection } = { afterCollection: false }) => {
      if (afterCollection && isNode && isCollected) {
        await new Promise<void>((resolve) => {
          collected = resolve
          child.kill("SIGUSR2")
        })
      }
      return residentOf(pid)
    },
    stop: () => signal("SIGTERM"),
    kill: async () => {
      await signal("SIGKILL")
    }
  }
}

/** The load generator. */
export interface Generator {
  readonly run: <K extends keyof Jobs>(
    kind: K,
    ...job: Parameters<Jobs[K]>
  ) => Promise<Awaited<ReturnType<Jobs[K]>>>
  readonly close: () => Promise<void>
}

/** Starts it, from the file that it was bundled into. */
export const startGenerator = (file: string): Generator => {
  const [program, args] = onCore(CORES.load, [process.execPath, file])
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] })
  let answered: ((response: Response) => void) | undefined
  let failed: ((error: Error) => void) | undefined
  child.on("message", (response: Response) => answered?.(response))
  child.once("exit", (code, signal) => failed?.(new Error(`the load generator has ended: ${code ?? signal}`)))
  return {
    run: async (kind, ...[job]) => {
      const response = await new Promise<Response>((resolve, reject) => {
        answered = resolve
        failed = reject
        child.send({ kind, job })
      })
      if ("error" in response) throw new Error(response.error)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it answers what it was asked
      return response.result as never
    },
    close: async () => {
      child.kill("SIGKILL")
      await ended(child)
    }
  }
}
