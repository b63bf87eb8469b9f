#!/usr/bin/env node
/**
 * The program.
 */
import * as v8 from "node:v8"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Cli from "./Cli.js"
import { GOODBYE } from "./cluster/Cluster.js"
import * as EchoServer from "./EchoServer.js"
import * as Worker from "./cluster/Worker.js"
import { StartError } from "./http/StartError.js"
import { ServerConfig } from "./ServerConfig.js"
import * as LogSink from "./telemetry/LogSink.js"
import * as Logging from "./telemetry/Logging.js"
import { VERSION } from "./Version.js"

const complain = (problem: string): void => {
  process.stderr.write(`answerback: ${problem}\n`)
}

const complainAndExit = (problem: string, exit: () => void): void => {
  complain(problem)
  exit()
}

/** How much of the drain timeout, in milliseconds, is kept to send what is pending for a collector, if there is one. */
const LAST_CHANCE = 1000

/** How long, in milliseconds, a log that is read slowly may hold up the end of the program. */
const LOG_PATIENCE = 1000

/** Ends the program when what was logged has been taken by whoever reads it: a pipe may lag behind. */
const exitWhenLogged = (sink: LogSink.LogSink, exit: () => void): void => {
  setTimeout(exit, LOG_PATIENCE)
  sink.flush(exit)
}

/**
 * How far the heap may grow before all of it is looked through: to four times what is alive, and by 64 MiB at least. V8 decides so
 * itself for programs that make much garbage, but counts what was read from sockets, up to 32 MiB between two looks at
 * what is young, as if it were to stay: while few are connected, and send large messages, it looked through the heap every
 * 20 ms, which cost more than the echoes.
 */
const HEAP_GROWTH = { percent: 300, bytes: 64 * 1024 * 1024 }

/** How often, in milliseconds, it is set anew: there is only one flag, for what is to be added in percent. */
const HEAP_LOOK = 10_000

const letHeapGrow = (): void => {
  const percent = (100 * HEAP_GROWTH.bytes) / v8.getHeapStatistics().used_heap_size
  v8.setFlagsFromString(`--heap-growing-percent=${Math.round(Math.max(HEAP_GROWTH.percent, percent))}`)
}

type Serve = Extract<Cli.Command, { readonly _tag: "Serve" }>

/** What a program is told of the process that it runs in. */
interface Process {
  /** When the first signal came, by `performance.now`. */
  readonly stoppedAt: () => number
  /** Writes a line of log as it is. */
  readonly writeLine: (line: string) => void
}

/** Runs a program until it has ended, or a signal interrupts it, which shuts it down. Nothing holds up the second. */
const run = (
  command: Serve,
  fail: (problem: string, exit: () => void) => void,
  program: (inside: Process) => Effect.Effect<never, unknown>
): void => {
  let isStopping = false
  let stoppedAt = 0
  const signals = { SIGINT: 130, SIGTERM: 143 } as const
  for (const [signal, code] of Object.entries(signals)) {
    process.on(signal, () => {
      // A terminal, or a service manager, may signal a worker beside its primary: that alone counts, and ends it.
      if (isStopping && !Worker.isOne()) process.exit(code)
      if (!isStopping) stoppedAt = performance.now()
      isStopping = true
    })
  }

  const sink = LogSink.make(process.stdout, {
    mostWaiting: LogSink.roomFor(command.settings.maxConnections),
    tellDropped: (count) => {
      const lines = Effect.annotateLogs(Effect.logWarning("log lines were dropped"), { count })
      Effect.runSync(Effect.provide(lines, logging))
    }
  })
  process.on("exit", sink.handOver)
  const logging = Logging.layer({
    format: formatOf(command),
    level: command.logLevel,
    isColoured: isColoured(),
    write: sink.write
  })
  const whole = program({ stoppedAt: () => stoppedAt, writeLine: (line) => sink.write(`${line}\n`) }).pipe(
    Effect.tapErrorCause((cause) =>
      Cause.isDie(cause) ? Effect.logFatal("unexpected failure", cause) : Effect.void
    ),
    Effect.provide(logging)
  )
  NodeRuntime.runMain(whole, {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, onExit) => {
      if (Exit.isSuccess(exit) || Cause.isInterruptedOnly(exit.cause))
        return exitWhenLogged(sink, () => onExit(0))
      const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
      fail(error instanceof StartError ? error.message : Cause.pretty(exit.cause), () => onExit(1))
    }
  })
}

/** The same for a worker, which writes to a pipe, as for its primary. */
const formatOf = ({ logFormat }: Serve): Logging.Format =>
  Worker.birth()?.logFormat ?? logFormat ?? (process.stdout.isTTY ? "pretty" : "json")

const isColoured = (): boolean =>
  Worker.birth()?.isColoured ?? (process.stdout.isTTY && process.env["NO_COLOR"] === undefined)

/** Loads a layer only when it is asked for: it takes as long as a third of the start. */
const loaded = <A>(load: () => Promise<Layer.Layer<A>>): Layer.Layer<A> =>
  Layer.unwrapEffect(Effect.promise(load))

/** The servers with which this one is seen as one. */
const cluster = ({ redisPrefix, redisUrl }: Serve): Layer.Layer<never> => {
  // Of a worker, its primary sees to the others.
  const birth = Worker.birth()
  if (birth !== undefined) return loaded(async () => (await import("./cluster/WorkerLayer.js")).layer(birth))
  if (redisUrl === undefined) return Layer.empty
  return loaded(async () =>
    (await import("./cluster/Redis.js")).layer({ url: redisUrl, prefix: redisPrefix })
  )
}

/** Runs a server in this process. */
const serve = (command: Serve): void => {
  letHeapGrow()
  setInterval(letHeapGrow, HEAP_LOOK).unref()
  const { otlpUrl, redisUrl, settings } = command
  const drainTimeout = Duration.toMillis(settings.drainTimeout)
  // What the last connections have to tell the collector is sent within the drain timeout, too.
  const forTelemetry = otlpUrl === undefined ? 0 : Math.min(LAST_CHANCE, drainTimeout / 4)
  // The last of its connections have ended when a server says good-bye to the others.
  const forGoodbye = redisUrl === undefined ? 0 : Math.min(GOODBYE, drainTimeout / 4)
  run(command, Worker.isOne() ? Worker.fail : complainAndExit, ({ stoppedAt }) => {
    const telemetry =
      otlpUrl === undefined
        ? Layer.empty
        : loaded(async () => {
            const Otlp = await import("./telemetry/Otlp.js")
            return Otlp.layer({
              url: otlpUrl,
              timeLeft: () => drainTimeout - (performance.now() - stoppedAt()),
              mostWaiting: Otlp.roomFor(settings.maxConnections)
            })
          })
    return Layer.launch(Layer.provide(EchoServer.fromConfig, [telemetry, cluster(command)])).pipe(
      Effect.provideService(ServerConfig, {
        ...settings,
        drainTimeout: Duration.millis(drainTimeout - forTelemetry - forGoodbye)
      })
    )
  })
}

/** Runs a server in many processes, of which this one holds no connection. */
const serveByMany = (command: Serve): void => {
  const { settings, workers } = command
  run(command, complainAndExit, ({ writeLine }) =>
    Effect.promise(() => import("./cluster/Primary.js")).pipe(
      Effect.flatMap((Primary) =>
        Primary.make({
          workers,
          intake: {
            host: settings.host,
            port: settings.port,
            patience: Duration.toMillis(settings.handshakeTimeout)
          },
          log: { logFormat: formatOf(command), isColoured: isColoured() },
          args: process.argv.slice(2),
          limits: settings,
          drainTimeout: Duration.toMillis(settings.drainTimeout),
          onLine: writeLine
        })
      ),
      Effect.scoped,
      Effect.provide(cluster(command))
    )
  )
}

const probe = async (args: ReadonlyArray<string>): Promise<void> => {
  const { main } = await import("./probe/main.js")
  process.exitCode = await Effect.runPromise(main(args))
}

const start = (args: ReadonlyArray<string>): void => {
  const command = Cli.parse(args, process.env)
  switch (command._tag) {
    case "Help":
      process.stdout.write(Cli.help())
      break
    case "Version":
      process.stdout.write(`${VERSION}\n`)
      break
    case "Invalid":
      command.problems.forEach(complain)
      process.exitCode = 2
      break
    case "Serve":
      if (command.workers > 1 && !Worker.isOne()) serveByMany(command)
      else serve(command)
  }
}

const [first, ...others] = process.argv.slice(2)
if (first === "probe") await probe(others)
else start(process.argv.slice(2))
