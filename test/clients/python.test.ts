/**
 * The client of Python's `websockets`.
 */
import * as Effect from "effect/Effect"
import { spawn, spawnSync } from "node:child_process"
import * as readline from "node:readline"
import { fileURLToPath } from "node:url"
import { type Client, ClientFailed } from "./client.js"
import * as Remote from "./remote.js"
import { suite } from "./suite.js"

const SCRIPT = fileURLToPath(new URL("python_client.py", import.meta.url))

// The one of the system may have it where the first one on the path doesn't.
const python = ["python3", "/usr/bin/python3"].find(
  (command) => spawnSync(command, ["-c", "import websockets"]).status === 0
)

/** A Python process that answers line by line. */
const interpreter = (command: string) =>
  Effect.gen(function* () {
    let stderr = ""
    let answered: ((answer: Effect.Effect<unknown, ClientFailed>) => void) | undefined
    const process = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(command, [SCRIPT], { stdio: "pipe" })),
      (process) =>
        Effect.async<void>((resume) => {
          if (process.exitCode !== null || process.signalCode !== null) return resume(Effect.void)
          process.once("close", () => resume(Effect.void))
          process.kill("SIGKILL")
        })
    )
    process.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    // It has ended; "close" tells why.
    process.stdin.on("error", () => {})
    const lines = readline.createInterface({ input: process.stdout })
    lines.on("line", (line) => answered?.(Effect.sync((): unknown => JSON.parse(line))))
    process.on("close", () => answered?.(Effect.fail(new ClientFailed({ message: `it ended: ${stderr}` }))))

    const call: Remote.Call = (name, argument) =>
      Effect.async((resume) => {
        answered = resume
        process.stdin.write(`${JSON.stringify({ name, argument })}\n`)
      })
    return call
  })

suite({
  name: "the client of Python's websockets",
  sees: "python",
  missing:
    python === undefined
      ? "no python3 has websockets: apt-get install -y --no-install-recommends python3-websockets"
      : undefined,
  compresses: true,
  client: Effect.succeed<Client>({
    open: (url, subprotocols = []) =>
      Effect.flatMap(interpreter(python ?? ""), (call) => Remote.open(call, url, subprotocols))
  })
})
