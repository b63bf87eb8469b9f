/**
 * What a peer that sends and never reads can make the program hold.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import { describe, expect } from "vitest"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import type * as Log from "../support/Log.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { liveUnless } from "../support/skip.js"

const MIB = 1024 ** 2
const message = Frames.binary(Buffer.alloc(64 * 1024))

/** The resident memory of a process, in bytes (proc(5)). */
const residentMemory = (pid: number) =>
  Effect.sync(() => {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    return Number(kib) * 1024
  })

const unlessProc = fs.existsSync("/proc/self/status") ? undefined : "needs /proc"

/** As long as raw `ws` needs to take 400 MB. */
const WINDOW = "3 seconds"

/** How often the other peer speaks: seldom, since the garbage of a busy one takes 20 MiB more or less by itself. */
const PACE = "50 millis"

/** How many peers, and how much more memory each may make the program take. */
const crowds = [
  { peers: 1, each: 8 * MIB },
  { peers: 20, each: 3 * MIB }
]

/** The time that 9 of 10 echoes took at most: of 60, the slowest one tells more of the machine than of the server. */
const p90 = (times: ReadonlyArray<number>): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.9)] ?? 0

describe("a peer that sends 64 KiB messages and never reads", () => {
  for (const { each, peers } of crowds)
    liveUnless(
      unlessProc,
      `makes resident memory grow by ${each / MIB} MiB at most when it is one of ${peers}, holds up nobody else, and is gone at the send timeout`,
      () =>
        Effect.gen(function* () {
          const program = yield* Program.start({ args: ["--send-timeout", "4s"] })
          // A heap that has grown to what work takes, as after some time of service.
          const other = yield* RawClient.connect({ port: program.port })
          yield* Effect.replicateEffect(Effect.zipRight(other.write(message), other.nextFrame), 1500)
          const echo = Effect.zipRight(other.write(Frames.text("still served")), other.nextMessage)
          /** The memory after each of the small echoes that the other peer gets meanwhile, and how long each took. */
          const serving = Stream.repeatEffect(
            Effect.gen(function* () {
              const [took] = yield* Effect.timed(echo)
              return { took: Duration.toMillis(took), memory: yield* residentMemory(program.pid) }
            })
          ).pipe(Stream.schedule(Schedule.spaced(PACE)), Stream.interruptAfter(WINDOW), Stream.runCollect)
          const before = [...(yield* serving)]

          for (let i = 0; i < peers; i++) {
            const greedy = yield* RawClient.connect({ port: program.port })
            yield* greedy.pause
            yield* Effect.forkScoped(Effect.ignore(Effect.forever(greedy.write(message))))
          }
          const samples = [...(yield* serving)]
          const most = (all: typeof samples) => Math.max(...all.map(({ memory }) => memory))
          expect((most(samples) - most(before)) / peers / MIB).toBeLessThan(each / MIB)
          expect(samples.length).toBeGreaterThan(10)
          // At most double, and what the machine itself may be late by.
          const times = (all: typeof samples) => p90(all.map(({ took }) => took))
          expect(times(samples)).toBeLessThan(2 * times(before) + 10)
          expect(Math.max(...samples.map(({ took }) => took))).toBeLessThan(100)
          const isGone = (line: Log.Line) => line["reason"] === "SlowConsumer"
          yield* eventually(
            "all of them were gone",
            Effect.sync(() => program.log.lines.filter(isGone).length === peers)
          )
        }),
      60_000
    )
})

describe("a peer that sends a message a byte at a time", () => {
  liveUnless(
    unlessProc,
    "makes resident memory grow by 8 MiB at most",
    () =>
      Effect.gen(function* () {
        const program = yield* Program.start()
        const peer = yield* RawClient.connect({ port: program.port, patience: 60_000 })
        /** The memory when all but the last byte of a message has come. */
        const send = (size: number) =>
          Effect.gen(function* () {
            const bytes = Frames.binary(Buffer.alloc(size))
            yield* peer.writeChunked(bytes.subarray(0, -1), [1])
            const memory = yield* residentMemory(program.pid)
            yield* peer.write(bytes.subarray(-1))
            expect((yield* peer.nextMessage).payload).toHaveLength(size)
            return memory
          })
        // For a heap that has grown to what so many reads take, as many before.
        yield* Effect.replicateEffect(send(20_000), 9, { discard: true })
        const before = yield* send(20_000)
        const after = yield* send(200_000)
        expect((after - before) / MIB).toBeLessThan(8)
      }),
    60_000
  )
})
