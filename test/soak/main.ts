/**
 * The soak as a program: `npm run soak -- --minutes N --connections N --seed N`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { randomInt } from "node:crypto"
import { parseArgs } from "node:util"
import * as Swarm from "../support/Swarm.js"
import { table } from "./Report.js"
import * as Rest from "./Rest.js"
import { soak } from "./Soak.js"

const USAGE = "usage: npm run soak -- [--minutes N] [--connections N] [--seed N] [--sabotage HOW]"

/** File descriptors beside those of connections: of Node, and for connections that end while others begin. */
const SPARE_FILES = 200

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const complain = (line: string): void => {
  process.stderr.write(`soak: ${line}\n`)
}

const positive = (text: string | undefined, otherwise: number): number => {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(Number.isFinite(value) && value > 0)) throw new Error(`${text} is no positive number`)
  return value
}

const parse = () => {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      connections: { type: "string" },
      seed: { type: "string" },
      sabotage: { type: "string" }
    }
  })
  return {
    minutes: positive(values.minutes, 1),
    connections: Math.ceil(positive(values.connections, 2000)),
    seed: Math.floor(positive(values.seed, randomInt(1, 2 ** 31))),
    ...(values.sabotage === undefined ? {} : { sabotage: values.sabotage })
  }
}

/** Why it can't be done here. */
const obstacle = (connections: number): string | undefined => {
  const files = Swarm.tooFewFiles(Math.ceil(connections * 1.1) + SPARE_FILES)
  return files === undefined
    ? Rest.missing
    : `${files} for ${connections} connections: raise it (\`ulimit -n N\` before, as root if need be), or ask for fewer (\`--connections N\`)`
}

/** Soaks; the exit code is 0 only if nothing went wrong. */
const run = async ({ connections, minutes, seed, ...more }: ReturnType<typeof parse>): Promise<number> => {
  const again = `npm run soak -- --minutes ${minutes} --connections ${connections} --seed ${seed}`
  say(`${connections} connections, ${minutes} minutes, seed ${seed}; Ctrl-C ends it early`)
  const early = new AbortController()
  const fiber = Effect.runFork(soak({ connections, minutes, seed, ...more, signal: early.signal, say }))
  // The first ends the load, and what was seen is reported; the second ends it all.
  const onSignal = (): void => {
    if (early.signal.aborted) Effect.runFork(Fiber.interrupt(fiber))
    else early.abort()
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  const exit = await Effect.runPromise(Fiber.await(fiber))
  process.off("SIGINT", onSignal)
  process.off("SIGTERM", onSignal)
  if (Exit.isFailure(exit)) {
    complain(`ended without a report: ${String(exit.cause)}`)
    return 1
  }
  const { lives, tally } = exit.value
  say(`\n${table(exit.value)}\n`)
  if (!tally.hasProblem) {
    say(`nothing went wrong${early.signal.aborted ? " until it was ended early" : ""}`)
    if (lives.every(({ rests }) => Rest.growth(rests, "used") === undefined)) {
      say(
        "but there were too few cycles to tell whether memory grows: give it more minutes, or fewer connections"
      )
    }
    return 0
  }
  for (const problem of tally.problems) complain(problem)
  if (tally.moreProblems > 0) complain(`and ${tally.moreProblems} more`)
  complain(`failed with seed ${seed}; the same again: ${again}`)
  return 1
}

const main = async (): Promise<number> => {
  try {
    const options = parse()
    const problem = obstacle(options.connections)
    if (problem === undefined) return await run(options)
    complain(problem)
    return 1
  } catch (error) {
    complain(`${error instanceof Error ? error.message : String(error)}; ${USAGE}`)
    return 2
  }
}

process.exitCode = await main()
