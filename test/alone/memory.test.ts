/**
 * What a peer that sends and never reads can make the program hold.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
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

/** As long as raw `ws` needs to take 400 MB. */
const WINDOW = "3 seconds"

/** How often the other peer speaks: seldom, since the garbage of a busy one takes 20 MiB more or less by itself. */
const PACE = "50 millis"

describe("a peer that sends 64 KiB messages and never reads", () => {
  liveUnless(
    fs.existsSync("/proc/self/status") ? undefined : "needs /proc",
    "makes resident memory grow by 8 MiB at most, and holds up nobody else",
    () =>
      Effect.gen(function* () {
        const program = yield* Program.start()
        // A heap that has grown to what work takes, as after some time of service.
        const other = yield* RawClient.connect({ port: program.port })
        yield* Effect.replicateEffect(Effect.zipRight(other.write(message), other.nextFrame), 1500)
        /** The memory after each of the small echoes that the other peer gets meanwhile. */
        const serving = Stream.repeatEffect(
          Effect.zipRight(
            Effect.zipRight(other.write(Frames.text("still served")), other.nextMessage),
            residentMemory(program.pid)
          )
        ).pipe(Stream.schedule(Schedule.spaced(PACE)), Stream.interruptAfter(WINDOW), Stream.runCollect)
        const before = Math.max(...(yield* serving))

        const greedy = yield* RawClient.connect({ port: program.port })
        yield* greedy.pause
        yield* Effect.forkScoped(Effect.forever(greedy.write(message)))
        const samples = yield* serving
        expect((Math.max(...samples) - before) / MIB).toBeLessThan(8)
        expect(samples.length).toBeGreaterThan(10)
      }),
    60_000
  )
})
