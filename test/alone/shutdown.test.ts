/**
 * What SIGTERM and SIGINT do to the program, and to those who are connected to it.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import { get, untilUnavailable } from "../support/get.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import * as Swarm from "../support/Swarm.js"

const SHUTDOWN = "close 1001 server shutting down"

/** By how many milliseconds a timer may be late. */
const LATE = 1000

/** What "at once" means, in milliseconds. */
const AT_ONCE = 1000

const signals = [
  { name: "SIGTERM", code: 143 },
  { name: "SIGINT", code: 130 }
] as const

const nextLine = (peer: RawClient.RawClient) => Effect.map(peer.nextFrame, Frames.describe)

const expectEcho = (peer: RawClient.RawClient, text: string) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.text(text))
    expect(yield* nextLine(peer)).toBe(`text ${text}`)
  })

/** A whole close handshake, as a polite peer sees it. */
const expectClose = (peer: RawClient.RawClient, expected: string = SHUTDOWN) =>
  Effect.gen(function* () {
    const frame = yield* peer.nextFrame
    expect(Frames.describe(frame)).toBe(expected)
    yield* peer.answerClose([frame])
    expect(yield* peer.ended).toBe("fin")
  })

for (const { code, name } of signals)
  describe(name, () => {
    live("without connections ends the program with exit code 0, at once and without a word on stderr", () =>
      Effect.gen(function* () {
        const program = yield* Program.start()
        const exit = yield* Program.stop(program, name)
        expect(exit).toMatchObject({ code: 0, signal: null })
        expect(exit.elapsed).toBeLessThan(AT_ONCE)
        expect(program.stderr()).toBe("")
      })
    )

    live("closes every connection with 1001 and ends the program with exit code 0", () =>
      Effect.gen(function* () {
        const program = yield* Program.start()
        const peers = yield* Effect.replicateEffect(RawClient.connect({ port: program.port }), 3)
        yield* program.signal(name)
        yield* Effect.forEach(peers, (peer) => expectClose(peer), { concurrency: "unbounded" })
        expect(yield* program.exit).toEqual({ code: 0, signal: null })
        expect(program.stderr()).toBe("")
      })
    )

    live("makes /readyz say 503 during the drain delay, in which everything else goes on", () =>
      Effect.gen(function* () {
        const program = yield* Program.start({ args: ["--drain-delay", "1s"] })
        const { port } = program
        const old = yield* RawClient.connect({ port })
        expect(yield* get({ port }, "/readyz")).toMatchObject({ status: 200, body: "ok" })
        expect(yield* get({ port }, "/livez")).toMatchObject({ status: 200, body: "ok" })

        const start = performance.now()
        yield* program.signal(name)
        expect(yield* untilUnavailable(port, "/readyz")).toMatchObject({ body: "draining" })
        expect(yield* get({ port }, "/livez")).toMatchObject({ status: 200, body: "ok" })
        yield* expectEcho(old, "still here")
        const late = yield* RawClient.connect({ port })
        yield* expectEcho(late, "newly here")

        expect(yield* nextLine(old)).toBe(SHUTDOWN)
        expect(yield* nextLine(late)).toBe(SHUTDOWN)
        expect(performance.now() - start).toBeGreaterThan(950)
        // It is still there, waiting for these two, but lets nobody in.
        const refused = yield* Effect.flip(RawClient.open({ port }))
        expect(refused.message).toContain("ECONNREFUSED")
        expect(program.hasEnded()).toBeUndefined()
        for (const peer of [old, late]) {
          yield* peer.write(Frames.close(1001))
          yield* peer.end
        }
        expect(yield* program.exit).toEqual({ code: 0, signal: null })
      })
    )

    live(`a second time during the drain delay ends the program at once with ${code}`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start({ args: ["--drain-delay", "15s", "--drain-timeout", "60s"] })
        yield* RawClient.connect({ port: program.port })
        yield* program.signal(name)
        yield* untilUnavailable(program.port, "/readyz")
        const exit = yield* Program.stop(program, name)
        expect(exit).toMatchObject({ code, signal: null })
        expect(exit.elapsed).toBeLessThan(AT_ONCE)
      })
    )

    live(`a second time while a peer owes its Close frame ends the program at once with ${code}`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start({ args: ["--close-timeout", "15s", "--drain-timeout", "60s"] })
        const peer = yield* RawClient.connect({ port: program.port })
        yield* program.signal(name)
        expect(yield* nextLine(peer)).toBe(SHUTDOWN)
        const exit = yield* Program.stop(program, name)
        expect(exit).toMatchObject({ code, signal: null })
        expect(exit.elapsed).toBeLessThan(AT_ONCE)
        yield* peer.ended
      })
    )
  })

describe("the second signal", () => {
  live("gives the exit code, whatever the first one was", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--drain-delay", "15s", "--drain-timeout", "60s"] })
      yield* program.signal("SIGTERM")
      yield* untilUnavailable(program.port, "/readyz")
      expect(yield* Program.stop(program, "SIGINT")).toMatchObject({ code: 130, signal: null })
    })
  )
})

/** Lets others run: writes that TCP takes at once would leave no time to read. */
const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Sends text messages, numbered, without waiting for an answer, until TCP takes no more. */
const chatter = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    for (let i = 0; ; i++) {
      yield* peer.write(Frames.text(`message ${i}`))
      yield* turn
    }
  })

/** Sends without reading, until nothing more can be sent. */
const flood = (peer: RawClient.RawClient) => {
  const message = Frames.binary(Buffer.alloc(64 * 1024))
  // Only time tells that a write is stuck.
  const write = Effect.timeoutOption(peer.write(message), "300 millis")
  return Effect.zipRight(peer.pause, Effect.repeat(write, { while: ({ _tag }) => _tag === "Some" }))
}

describe("a shutdown", () => {
  live("says the code that it was told to", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--shutdown-code", "1012"] })
      const peer = yield* RawClient.connect({ port: program.port })
      yield* program.signal("SIGTERM")
      yield* expectClose(peer, "close 1012 server shutting down")
      expect(yield* program.exit).toEqual({ code: 0, signal: null })
      expect(yield* program.log.logged("connection closed")).toMatchObject({
        reason: "ServerShutdown",
        code: 1012
      })
    })
  )

  live("echoes what it has read, and nothing twice or out of order, before the Close frame", () =>
    Effect.gen(function* () {
      const program = yield* Program.start()
      const peer = yield* RawClient.connect({ port: program.port })
      yield* Effect.forkScoped(Effect.ignore(chatter(peer)))
      expect(yield* nextLine(peer)).toBe("text message 0")
      yield* program.signal("SIGTERM")
      const frames = [yield* peer.nextFrame]
      while (frames.at(-1)?.opcode !== Frames.CLOSE) frames.push(yield* peer.nextFrame)
      const echoed = frames.slice(0, -1).map(Frames.describe)
      expect(echoed).toEqual(echoed.map((_, i) => `text message ${i + 1}`))
      expect(Frames.describe(frames.at(-1))).toBe(SHUTDOWN)
      yield* peer.answerClose(frames)
      expect(yield* program.exit).toEqual({ code: 0, signal: null })
      expect(yield* program.log.logged("connection closed")).toMatchObject({
        messagesIn: echoed.length + 1,
        messagesOut: echoed.length + 1
      })
    })
  )

  live("waits for a peer that never answers the Close frame no longer than the close timeout", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--close-timeout", "500ms"] })
      const peer = yield* RawClient.connect({ port: program.port })
      const exit = yield* Program.stop(program)
      expect(exit).toMatchObject({ code: 0, signal: null })
      expect(exit.elapsed).toBeGreaterThan(490)
      expect(exit.elapsed).toBeLessThan(500 + LATE)
      expect((yield* peer.allUntilEnd).frames.map(Frames.describe)).toEqual([SHUTDOWN])
      expect(yield* program.log.logged("connection closed")).toMatchObject({
        reason: "ServerShutdown",
        code: 1001
      })
    })
  )

  live(
    "waits for a peer that answers the Close frame and keeps TCP open no longer than the close timeout",
    () =>
      Effect.gen(function* () {
        const program = yield* Program.start({ args: ["--close-timeout", "500ms"] })
        const peer = yield* RawClient.connect({ port: program.port })
        yield* program.signal("SIGTERM")
        expect(yield* nextLine(peer)).toBe(SHUTDOWN)
        const start = performance.now()
        yield* peer.write(Frames.close(1001))
        expect(yield* program.exit).toEqual({ code: 0, signal: null })
        expect(performance.now() - start).toBeLessThan(500 + LATE)
      })
  )

  live("destroys at the drain timeout the connections whose close timeout is longer", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--close-timeout", "15s", "--drain-timeout", "500ms"] })
      const peer = yield* RawClient.connect({ port: program.port })
      const exit = yield* Program.stop(program)
      expect(exit).toMatchObject({ code: 0, signal: null })
      expect(exit.elapsed).toBeGreaterThan(490)
      expect(exit.elapsed).toBeLessThan(500 + LATE)
      expect((yield* peer.allUntilEnd).frames.map(Frames.describe)).toEqual([SHUTDOWN])
      expect(yield* program.log.logged("connection closed")).toMatchObject({
        reason: "ServerShutdown",
        code: 1001
      })
    })
  )

  live("takes no longer than the drain timeout, the drain delay included", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--drain-delay", "15s", "--drain-timeout", "500ms"] })
      const peer = yield* RawClient.connect({ port: program.port })
      const exit = yield* Program.stop(program)
      expect(exit).toMatchObject({ code: 0, signal: null })
      expect(exit.elapsed).toBeLessThan(500 + LATE)
      expect((yield* peer.allUntilEnd).frames.map(Frames.describe)).toEqual([SHUTDOWN])
    })
  )

  live("takes no longer than the drain timeout, the drain spread included", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--drain-spread", "15s", "--drain-timeout", "500ms"] })
      const peers = yield* Effect.replicateEffect(RawClient.connect({ port: program.port }), 3)
      const exit = yield* Program.stop(program)
      expect(exit).toMatchObject({ code: 0, signal: null })
      expect(exit.elapsed).toBeLessThan(500 + LATE)
      for (const peer of peers) {
        expect((yield* peer.allUntilEnd).frames.map(Frames.describe)).toEqual([SHUTDOWN])
      }
    })
  )

  live("isn't held up by a peer that sends and never reads", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--close-timeout", "500ms"] })
      const peer = yield* RawClient.connect({ port: program.port })
      yield* flood(peer)
      const exit = yield* Program.stop(program)
      expect(exit).toMatchObject({ code: 0, signal: null })
      expect(exit.elapsed).toBeLessThan(500 + LATE)
      expect(yield* program.log.logged("connection closed")).toMatchObject({ reason: "ServerShutdown" })
    })
  )

  live("spreads the closes evenly over the drain spread, in the order in which they were opened", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args: ["--drain-spread", "1s"] })
      const swarms = yield* Effect.replicateEffect(Swarm.open(program.port, 1), 10)
      yield* program.signal("SIGTERM")
      const endings = (yield* Effect.forEach(swarms, ({ endings }) => endings)).flat()
      expect(endings.map(({ code }) => code)).toEqual(endings.map(() => 1001))
      const at = endings.map((ending) => ending.at - (endings[0]?.at ?? 0))
      expect(at).toEqual([...at].sort((a, b) => a - b))
      // Nine tenths of a second lie between the first and the last.
      const last = at[9] ?? 0
      expect(last).toBeGreaterThan(700)
      expect(last).toBeLessThan(900 + LATE)
      const inFirstHalf = at.filter((time) => time < last / 2).length
      expect(inFirstHalf).toBeGreaterThanOrEqual(3)
      expect(inFirstHalf).toBeLessThanOrEqual(7)
      expect(yield* program.exit).toEqual({ code: 0, signal: null })
    })
  )
})
