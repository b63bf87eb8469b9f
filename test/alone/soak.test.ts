/**
 * The soak itself: that it works, and that it fails when it should.
 */
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { judge, type Account, type ClosedLine } from "../soak/Ledger.js"
import { Messages, Transcript } from "../soak/Messages.js"
import * as Rest from "../soak/Rest.js"
import * as settings from "../soak/settings.js"
import { soak } from "../soak/Soak.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { liveUnless } from "../support/skip.js"

const SECONDS = 1 / 60

describe("a soak", () => {
  liveUnless(Rest.missing, "of a few seconds, with one restart, finds nothing", () =>
    Effect.gen(function* () {
      const { lives, tally } = yield* soak({ minutes: 3 * SECONDS, connections: 50, seed: 1 })
      expect(tally.problems).toEqual([])
      expect(tally.restarts).toBe(1)
      expect(lives).toHaveLength(2)
      // All of them were there at each end of the program.
      expect(tally.endingsLogged.get("ServerShutdown 1001")).toBeGreaterThan(50)
      expect(tally.endingsLogged.get("StopSignal 4010")).toBeGreaterThan(0)
      expect([...tally.endingsSeen.values()].reduce((sum, count) => sum + count)).toBe(tally.opened)
      expect([...tally.endingsLogged.values()].reduce((sum, count) => sum + count)).toBe(tally.opened)
      expect(tally.echoed).toBeGreaterThan(500)
    })
  )

  for (const [how, problem] of [
    ["drop", /heard .* as the echo of /s],
    ["die", /the program has ended by itself: exit code 3/]
  ] as const)
    liveUnless(Rest.missing, `of a server that was sabotaged finds it: ${how}`, () =>
      Effect.gen(function* () {
        const { tally } = yield* soak({ minutes: 2 * SECONDS, connections: 30, seed: 1, sabotage: how })
        expect(tally.problems[0]).toMatch(problem)
      })
    )

  live("that is ended early by whoever started it reports what was until then", () =>
    Effect.gen(function* () {
      const early = new AbortController()
      const { seconds, tally } = yield* soak({
        minutes: 20 * SECONDS,
        connections: 10,
        seed: 1,
        signal: early.signal,
        say: () => early.abort()
      })
      expect(seconds).toBeLessThan(15)
      expect(tally.problems).toEqual([])
      expect(tally.cycles).toBe(1)
    })
  )
})

describe("what a peer hears", () => {
  const COUNT = 4
  const messages = new Messages(1)

  /** A transcript of messages that were sent, and the frames of their echoes. */
  const talk = () => {
    const transcript = new Transcript(messages, 7)
    const parser = new Frames.FrameParser()
    const echoes: Array<Frames.ServerFrame> = []
    for (let i = 0; i < COUNT; i++) {
      for (const bytes of transcript.say(i % 2 === 0 ? "text" : "binary", 3000 * (i + 1))) parser.push(bytes)
      const frame = parser.next()
      if (frame !== undefined) echoes.push(frame)
    }
    return { transcript, echoes }
  }

  const altered = (frame: Frames.ServerFrame): Frames.ServerFrame => {
    const payload = Buffer.from(frame.payload)
    payload[payload.length - 1] = (payload.at(-1) ?? 0) ^ 1
    return { ...frame, payload }
  }

  it("is right, if it is what was said", () => {
    const { echoes, transcript } = talk()
    expect(echoes.map((echo) => transcript.hear(echo))).toEqual(Array(COUNT).fill(undefined))
    expect(transcript.isComplete).toBe(true)
  })

  it.each<
    [how: string, tamper: (echoes: ReadonlyArray<Frames.ServerFrame>) => ReadonlyArray<Frames.ServerFrame>]
  >([
    ["the first is lost", (echoes) => echoes.slice(1)],
    ["one in the middle is lost", (echoes) => echoes.toSpliced(1, 1)],
    ["one comes twice", (echoes) => [...echoes.slice(0, 2), ...echoes.slice(1)]],
    ["the last comes twice", (echoes) => [...echoes, ...echoes.slice(-1)]],
    ["two change places", ([a, b, ...others]) => [b, a, ...others].flatMap((echo) => echo ?? [])],
    ["a byte is another", (echoes) => echoes.map((echo, i) => (i === 2 ? altered(echo) : echo))],
    [
      "a byte is missing",
      ([first, ...others]) =>
        first === undefined ? [] : [{ ...first, payload: first.payload.subarray(0, -1) }, ...others]
    ],
    ["a text comes as binary", (echoes) => echoes.map((echo) => ({ ...echo, opcode: Frames.BINARY }))]
  ])("is wrong, if %s", (_, tamper) => {
    const { echoes, transcript } = talk()
    expect(
      tamper(echoes)
        .map((echo) => transcript.hear(echo))
        .some((problem) => problem !== undefined)
    ).toBe(true)
  })

  it("is not all, if the last is lost", () => {
    const { echoes, transcript } = talk()
    for (const echo of echoes.slice(0, -1)) expect(transcript.hear(echo)).toBeUndefined()
    expect(transcript.isComplete).toBe(false)
  })

  const line: ClosedLine = {
    reason: "PeerClosed",
    code: 1000,
    messagesIn: COUNT,
    messagesOut: COUNT,
    bytesOut: 0
  }
  const endings = { always: settings.SERVER_ENDINGS, stopped: settings.SHUTDOWN }

  /** The verdict on a connection that was closed by its peer, but for what is different. */
  const verdict = (different: Partial<Account>, logged: Partial<ClosedLine> = {}, heard = COUNT) => {
    const { echoes, transcript } = talk()
    for (const echo of echoes.slice(0, heard)) transcript.hear(echo)
    const account: Account = {
      name: "connection 7",
      port: 1,
      transcript,
      isOpen: true,
      isOver: true,
      wasStopped: false,
      wasInterrupted: false,
      stalls: false,
      closedWith: 1000,
      hasEnded: false,
      hasReset: false,
      violated: undefined,
      saw: { code: 1000, text: "" },
      sawEnd: true,
      ...different
    }
    return judge(account, { ...line, bytesOut: transcript.bytesEchoed, ...logged }, endings)
  }
  const stopped = { code: 1001, text: "server shutting down" }
  const shutdown: Partial<ClosedLine> = { reason: "ServerShutdown", code: 1001 }

  it.each<[what: string, ...Parameters<typeof verdict>]>([
    ["closed", {}],
    [
      "vanished",
      { closedWith: undefined, hasReset: true, saw: undefined, sawEnd: false },
      { reason: "PeerVanished", code: null },
      1
    ],
    [
      "was stopped",
      { closedWith: undefined, wasStopped: true, saw: stopped },
      { ...shutdown, messagesIn: 2, messagesOut: 2 },
      2
    ]
  ])("fits what was logged, if it %s", (_, ...given) => {
    expect(verdict(...given)).toBeUndefined()
  })

  it.each<[what: string, ...Parameters<typeof verdict>]>([
    ["logged as another ending", {}, { reason: "PeerVanished", code: null }],
    ["logged with another code", {}, { code: 1001 }],
    ["logged as a shutdown that there was not", { closedWith: undefined, saw: stopped }, shutdown],
    ["answered with another code", { saw: { code: 1002, text: "" } }],
    ["answered with no Close frame", { saw: undefined }],
    ["stopped by nobody", {}, { ...shutdown, reason: "StopSignal", code: 4010 }],
    ["stopped without a word", { wasStopped: true, saw: undefined }, shutdown],
    ["stopped with another word", { wasStopped: true, saw: { code: 1001, text: "bye" } }, shutdown],
    ["reset by the server", { sawEnd: false }],
    ["closed by its peer with an echo missing", {}, { messagesIn: 3, messagesOut: 3 }, 3],
    ["read and not answered", { wasStopped: true, saw: stopped }, { ...shutdown, messagesOut: 3 }, 3],
    ["answered and not heard", { wasStopped: true, saw: stopped }, shutdown, 3],
    [
      "answered more often than asked",
      { hasReset: true },
      { reason: "PeerVanished", code: null, messagesOut: 5 }
    ]
  ])("doesn't fit, if it was %s", (_, ...given) => {
    expect(verdict(...given)).toBeTypeOf("string")
  })
})

describe("memory at rest", () => {
  const MIB = 1024 ** 2
  const rests = (...used: ReadonlyArray<number>): ReadonlyArray<Rest.Rest> =>
    used.map((mib) => ({ used: mib * MIB, resident: 0, handles: [], descriptors: [] }))

  it.each([
    [[9, 11, 11, 11, 11, 11, 11], 0],
    // Neither the warm-up nor one odd rest counts.
    [[1, 11, 30, 11, 11, 10, 11, 40, 11, 11], 0],
    [[9, 10, 12, 14, 16, 18, 20], 8]
  ])("of %j MiB has grown by %d", (used, grown) => {
    expect(Rest.growth(rests(...used), "used")).toBe(grown * MIB)
  })

  it("of too few rests tells nothing", () => {
    expect(Rest.growth(rests(9, 10, 11), "used")).toBeUndefined()
  })
})
