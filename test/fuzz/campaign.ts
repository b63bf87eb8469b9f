/**
 * Runs many cases against one server in this process, over TCP on the loopback interface, and expects that the server
 * stays what it was.
 *
 * The suites make 100,000 inputs together, all of them over real TCP connections: 60,000 for HTTP, 36,000 for
 * WebSocket, 4,000 with compression. A connection takes one to two milliseconds of one core, client and server
 * together, so that 100,000 of them don't fit in a minute: a peer sends several inputs on one, until the server ends
 * it, and what it would have sent after that doesn't count.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { expect, onTestFailed } from "vitest"
import type { ServerOptions } from "../../src/index.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { PATIENT } from "../support/session.js"
import { testServer } from "../support/server.js"
import * as Ledger from "./Ledger.js"
import * as Peer from "./Peer.js"
import { random, type Random } from "./Random.js"

/** What a peer does on one TCP connection, and what is expected of the server. */
export interface Case {
  readonly script: Peer.Script
  /** How many inputs it was: independently made bytes that got as far as the server's parser. */
  readonly inputs: (outcome: Peer.Outcome) => number
  /** Whether a handshake was accepted, so that the server must count an ending, which is waited for. */
  readonly isAccepted: (outcome: Peer.Outcome) => boolean
  /** Throws if something isn't as expected; returns what happened, in a few words that are counted. */
  readonly judge: (outcome: Peer.Outcome, ending: Ledger.Ending | undefined) => ReadonlyArray<string>
}

/**
 * The seed of this run, by default a new one: `FUZZ_SEED=n` replays one, and `FUZZ_CASE=n` only one case of it. What is
 * sent is the same again; how the event loop and the kernel put it in order may not be.
 */
const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31)
const ONLY = process.env["FUZZ_CASE"] === undefined ? undefined : Number(process.env["FUZZ_CASE"])

/** Peers at once. */
const PEERS = 64
/** After so many cases the server must be at rest. */
const BATCH = 500

const written = (bytes: Buffer): string => {
  const text = bytes.subarray(0, 1500).toString("hex")
  return `${text}${bytes.length > 1500 ? `… (${bytes.length} bytes)` : ""}`
}

const describeScript = (script: Peer.Script): string =>
  [
    ...script.segments.slice(0, 30).map((segment) => `  ${written(segment)}`),
    `  pauses after ${script.pausesAfter ?? "none"}, lingers ${script.linger} turns, ends with ${script.ending}`
  ].join("\n")

/** Runs a case, which fails with an error that tells what was sent. */
const run = (
  port: number,
  ledger: Ledger.Ledger,
  { inputs, isAccepted, judge, script }: Case,
  name: string
) =>
  Effect.gen(function* () {
    let local = ""
    const outcome = yield* Peer.follow(port, script, (address) => {
      local = address
      ledger.forget(address)
    })
    const ending = yield* isAccepted(outcome) ? ledger.ending(local) : Effect.sync(() => ledger.taken(local))
    const seen = yield* Effect.try({
      try: () => judge(outcome, ending),
      catch: (error) =>
        new Error(
          `${error instanceof Error ? error.message : String(error)}\nreceived: ${written(outcome.bytes)}, then ${outcome.end}`,
          { cause: error }
        )
    })
    return { seen, inputs: inputs(outcome) }
  }).pipe(
    Effect.mapError(
      (error) =>
        new Error(
          `${name}: ${error instanceof Error ? error.message : String(error)}\nsent:\n${describeScript(script)}`,
          { cause: error }
        )
    )
  )

/** Fails as soon as something is thrown that nobody catches. */
const crash = (inFlight: ReadonlySet<string>) =>
  Effect.gen(function* () {
    const crashed = yield* Deferred.make<never, Error>()
    const onCrash = (error: unknown): void => {
      const message = `nobody caught ${error instanceof Error ? error.stack : String(error)}\nat the time: ${[...inFlight].slice(0, 3).join(", ")}…`
      Deferred.unsafeDone(crashed, Effect.fail(new Error(message)))
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        process.on("uncaughtException", onCrash)
        process.on("unhandledRejection", onCrash)
      }),
      () =>
        Effect.sync(() => {
          process.off("uncaughtException", onCrash)
          process.off("unhandledRejection", onCrash)
        })
    )
    return Deferred.await(crashed)
  })

/** Every bad frame makes an error in `ws`, and vitest's long stack traces would take most of the time. */
const shortStacks = Effect.acquireRelease(
  Effect.sync(() => {
    const before = Error.stackTraceLimit
    Error.stackTraceLimit = 8
    return before
  }),
  (before) =>
    Effect.sync(() => {
      Error.stackTraceLimit = before
    })
)

const echoes = (client: RawClient.RawClient, text: string) =>
  Effect.gen(function* () {
    yield* client.write(Frames.text(text))
    expect((yield* client.nextMessage).text).toBe(text)
  })

/** What is common to runs of cases that are known and of cases that are made. */
const campaign = (
  server: ServerOptions | undefined,
  batches: (inputs: () => number) => Iterable<ReadonlyArray<readonly [name: string, Case]>>
) =>
  Effect.gen(function* () {
    yield* shortStacks
    const started = yield* testServer({ ...PATIENT, ...server })
    const { port } = started
    const ledger = yield* Ledger.keep(started)
    const tally = new Map<string, number>()
    let inputs = 0
    const inFlight = new Set<string>()
    const crashed = yield* crash(inFlight)
    // A neighbour, who must not notice.
    const honest = yield* RawClient.connect({ port })
    yield* Effect.gen(function* () {
      for (const batch of batches(() => inputs)) {
        yield* Effect.forEach(
          batch,
          ([name, made]) => {
            inFlight.add(name)
            return Effect.map(run(port, ledger, made, name), (ran) => {
              inFlight.delete(name)
              inputs += ran.inputs
              for (const one of ran.seen) tally.set(one, (tally.get(one) ?? 0) + 1)
            })
          },
          { concurrency: PEERS, discard: true }
        )
        yield* ledger.balanced(1)
        yield* echoes(honest, "still here")
        const other = yield* RawClient.connect({ port })
        yield* echoes(other, "and still open to others")
        yield* other.write(Frames.close(1000))
        yield* other.ended
        yield* other.end
      }
      yield* honest.write(Frames.close(1000))
      yield* honest.ended
      yield* honest.end
      yield* ledger.balanced(0)
      yield* started.shutdown
    }).pipe(Effect.raceFirst(crashed))
    return { inputs, tally }
  })

/** Registers a test of cases that are kept. */
export const kept = (name: string, server: ServerOptions, cases: Readonly<Record<string, Case>>): void =>
  live(name, () => campaign(server, () => [Object.entries(cases)]))

/**
 * Registers a test that makes cases, of so many inputs in all. A failure tells the seed and the case; the leak check
 * of `live` comes after all of them.
 */
export const fuzz = (
  name: string,
  options: {
    readonly inputs: number
    readonly server?: ServerOptions
    readonly make: (random: Random) => Case
    /** What must have happened at least once: otherwise it isn't tried what is claimed to be. */
    readonly covers: ReadonlyArray<string>
  }
): void => {
  const nameOf = (index: number): string =>
    `case ${index} (FUZZ_SEED=${SEED} replays all, with FUZZ_CASE=${index} this one)`
  const batches = function* (inputs: () => number): Generator<ReadonlyArray<readonly [string, Case]>> {
    if (ONLY !== undefined) return yield [[nameOf(ONLY), options.make(random(SEED, ONLY))]]
    for (let index = 0; inputs() < options.inputs; index += BATCH) {
      yield Array.from(
        { length: BATCH },
        (_, i) => [nameOf(index + i), options.make(random(SEED, index + i))] as const
      )
    }
  }
  live(
    name,
    () =>
      Effect.gen(function* () {
        // Also for what is found to be left behind when all is over.
        onTestFailed(() => {
          process.stderr.write(`FUZZ_SEED=${SEED} replays this run\n`)
        })
        const { inputs, tally } = yield* campaign(options.server, batches)
        if (ONLY !== undefined) return
        expect(inputs).toBeGreaterThanOrEqual(options.inputs)
        expect(
          options.covers.filter((what) => !tally.has(what)),
          `of FUZZ_SEED=${SEED}, what never happened`
        ).toEqual([])
      }),
    180_000
  )
}
