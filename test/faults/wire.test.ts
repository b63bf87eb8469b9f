/**
 * What faults look like to a client, at the byte: echoes up to the moment, then what was asked for, and nothing else.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { describe, expect } from "vitest"
import { noOpenssl, selfSigned } from "../support/certificate.js"
import { atOnce, speaker } from "../support/faultyPeer.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords, PATIENT } from "../support/session.js"
import { liveWithTool } from "../support/skip.js"
import { testServer } from "../support/server.js"

/** What a fault puts on the wire, given the texts that it finds: frames, and what isn't whole. */
interface Wire {
  readonly frames: ReadonlyArray<string>
  readonly rest?: Buffer
}

const unmasked = (text: string, rsv2 = false): Buffer =>
  Frames.frame({ opcode: Frames.TEXT, payload: text, mask: false, rsv2 })

const text = (payload: string) => Frames.describe({ opcode: Frames.TEXT, payload: Buffer.from(payload) })

const rsv2 = (payload: string) =>
  Frames.describe({ opcode: Frames.TEXT, payload: Buffer.from(payload), rsv2: true })

const halfOf = (bytes: Buffer): Buffer => bytes.subarray(0, Math.floor(bytes.length / 2))

/** Those that end the connection: what comes of the next texts, how TCP ends, and the code. */
const endings: ReadonlyArray<
  readonly [
    query: string,
    wire: (next: string) => Wire,
    end: "fin" | "reset",
    counts: { readonly code: number | null; readonly in: number }
  ]
> = [
  ["fault=close&code=4001&reason=bye", () => ({ frames: ["close 4001 bye"] }), "fin", { code: 4001, in: 0 }],
  ["fault=close", () => ({ frames: ["close 1000"] }), "fin", { code: 1000, in: 0 }],
  ["fault=reset", () => ({ frames: [] }), "reset", { code: null, in: 0 }],
  ["fault=vanish", () => ({ frames: [] }), "fin", { code: null, in: 0 }],
  ["fault=truncate", (next) => ({ frames: [], rest: halfOf(unmasked(next)) }), "fin", { code: null, in: 1 }]
]

/** Those that don't: what comes of the texts. */
const troubles: ReadonlyArray<
  readonly [query: string, wire: (texts: ReadonlyArray<string>) => Array<string>]
> = [
  ["fault=corrupt", ([first = "", ...others]) => [rsv2(first), ...others.map(text)]],
  ["fault=delay&time=50ms", (texts) => texts.map(text)],
  ["fault=delay&time=50ms&jitter=50ms", (texts) => texts.map(text)],
  ["fault=drop&rate=0", (texts) => texts.map(text)],
  ["fault=drop&rate=1", () => []],
  ["fault=duplicate&rate=1", (texts) => texts.flatMap((one) => [text(one), text(one)])],
  ["fault=throttle&rate=256KiB", (texts) => texts.map(text)],
  ["fault=stall", () => []],
  ["fault=mute", () => []]
]

/** Short ones, and such as are worth compressing. */
const sizes = [1, 3000]

const textsOf = (size: number): ReadonlyArray<string> =>
  Array.from({ length: 10 }, (_, i) => `${i}`.repeat(size))

for (const isCompressed of [false, true]) {
  describe(isCompressed ? "with compression, after three messages" : "after three messages", () => {
    for (const size of sizes) {
      for (const [query, wire, end, { code, in: more }] of endings) {
        live(`${query} ends ten that come in one segment, of ${size} bytes each`, () =>
          Effect.gen(function* () {
            const server = yield* testServer({ ...PATIENT, compression: isCompressed })
            const { heard, peer, says } = yield* speaker(server.port, `${query}&after=3msg`, isCompressed)
            const texts = textsOf(size)
            yield* peer.write(Buffer.concat(texts.map(says)))
            const { frames, rest } = wire(texts[3] ?? "")
            const isClose = frames.length > 0
            const all = isClose
              ? { ...(yield* lastWords(peer)), rest: Buffer.alloc(0) }
              : yield* peer.allUntilEnd
            expect(all.frames.map(heard)).toEqual([...texts.slice(0, 3).map(text), ...frames])
            expect(all.rest).toEqual(rest ?? Buffer.alloc(0))
            expect(isClose ? all.end : yield* peer.endedByKernel).toBe(end)
            yield* peer.end
            expect(yield* server.logged("connection closed")).toMatchObject({
              reason: "Fault",
              code,
              messagesIn: 3 + more,
              bytesIn: (3 + more) * size,
              messagesOut: 3,
              bytesOut: 3 * size
            })
          })
        )
      }

      for (const [query, wire] of troubles) {
        live(`${query} meets those of ten behind them, of ${size} bytes each, and a stop ends it`, () =>
          Effect.gen(function* () {
            const server = yield* testServer({ ...PATIENT, compression: isCompressed })
            const { heard, peer, says } = yield* speaker(server.port, `${query}&after=3msg`, isCompressed)
            const texts = textsOf(size)
            yield* peer.write(Buffer.concat(texts.map(says)))
            const expected = [...texts.slice(0, 3).map(text), ...wire(texts.slice(3))]
            const frames = yield* Effect.replicateEffect(peer.nextFrame, expected.length)
            expect(frames.map(heard)).toEqual(expected)
            yield* server.connections.stopAll({ code: 4000, reason: "enough" })
            const { end, frames: last } = yield* lastWords(peer)
            expect(last.map(Frames.describe)).toEqual(["close 4000 enough"])
            expect(end).toBe("fin")
            expect(yield* server.logged("connection closed")).toMatchObject({
              reason: "StopSignal",
              messagesOut: expected.length
            })
          })
        )
      }
    }
  })
}

describe("at once", () => {
  for (const [query, wire, end, { code, in: more }] of endings) {
    live(`${query} comes before any echo, and what came with the handshake`, () =>
      Effect.gen(function* () {
        const server = yield* testServer(PATIENT)
        const peer = yield* atOnce(server.port, query, [Frames.text("first"), Frames.text("second")])
        expect((yield* peer.responseHead).status).toBe(101)
        const { frames, rest } = wire("first")
        const isClose = frames.length > 0
        const all = isClose ? { ...(yield* lastWords(peer)), rest: Buffer.alloc(0) } : yield* peer.allUntilEnd
        expect(all.frames.map(Frames.describe)).toEqual(frames)
        expect(all.rest).toEqual(rest ?? Buffer.alloc(0))
        expect(isClose ? all.end : yield* peer.endedByKernel).toBe(end)
        yield* peer.end
        expect(yield* server.logged("connection closed")).toMatchObject({
          reason: "Fault",
          fault: query.slice("fault=".length).replace(/&.*/, ""),
          code,
          messagesIn: more,
          messagesOut: 0
        })
      })
    )
  }

  live("a silent side answers no ping that came with the handshake", () =>
    Effect.gen(function* () {
      const server = yield* testServer(PATIENT)
      for (const fault of ["stall", "mute"]) {
        const peer = yield* atOnce(server.port, `fault=${fault}`, [Frames.ping("hello?"), Frames.text("a")])
        expect((yield* peer.responseHead).status).toBe(101)
        yield* server.connections.stopAll()
        expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual([
          "close 1001 connection interrupted"
        ])
      }
    })
  )
})

describe("an echo that is cut", () => {
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 500_000]) {
    live(`has half of its frame on the wire: ${size} bytes`, () =>
      Effect.gen(function* () {
        const server = yield* testServer(PATIENT)
        const { peer } = yield* speaker(server.port, "fault=truncate")
        const payload = "x".repeat(size)
        yield* peer.write(Frames.text(payload))
        const { end, frames, rest } = yield* peer.allUntilEnd
        expect(frames).toEqual([])
        expect(rest.equals(halfOf(unmasked(payload)))).toBe(true)
        expect(end).toBe("fin")
      })
    )
  }
})

describe("an echo that is corrupt", () => {
  for (const [what, sent, received] of [
    ["a text", Frames.text("héllo"), { opcode: Frames.TEXT, payload: Buffer.from("héllo"), rsv2: true }],
    [
      "a binary one",
      Frames.binary(Buffer.alloc(70_000, 7)),
      { opcode: Frames.BINARY, payload: Buffer.alloc(70_000, 7), rsv2: true }
    ]
  ] as const) {
    live(`keeps its type and its payload: ${what}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer(PATIENT)
        const { peer } = yield* speaker(server.port, "fault=corrupt")
        yield* peer.write(Buffer.concat([sent, Frames.text("next")]))
        expect(Frames.describe(yield* peer.nextFrame)).toBe(Frames.describe(received))
        expect(Frames.describe(yield* peer.nextFrame)).toBe("text next")
        yield* peer.write(Frames.close(1002, "RSV2"))
        expect((yield* lastWords(peer)).frames.map(Frames.describe)).toEqual(["close 1002 RSV2"])
        expect(yield* server.logged("connection closed")).toMatchObject({ reason: "Fault", code: 1002 })
      })
    )
  }
})

describe("bytes that aren't compressed", () => {
  for (const fault of ["truncate", "corrupt"]) {
    live(`overtake no echo that is yet to be compressed: ${fault}`, () =>
      Effect.gen(function* () {
        const server = yield* testServer({ ...PATIENT, compression: true, highWaterMark: "16MiB" })
        const { heard, peer, says } = yield* speaker(server.port, `fault=${fault}&after=1msg`, true)
        // Takes long to compress, and what follows it is read at once.
        const long = randomBytes(300_000).toString("hex")
        yield* peer.write(Buffer.concat([says(long), Frames.text("short")]))
        expect(heard(yield* peer.nextFrame)).toBe(text(long))
        if (fault === "corrupt") expect(heard(yield* peer.nextFrame)).toBe(rsv2("short"))
        else expect((yield* peer.allUntilEnd).rest).toEqual(halfOf(unmasked("short")))
      })
    )
  }
})

describe("late and trickling echoes", () => {
  live("take their time", () =>
    Effect.gen(function* () {
      const server = yield* testServer(PATIENT)
      for (const [query, millis] of [
        ["fault=delay&time=300ms", 300],
        ["fault=throttle&rate=10KiB", 300]
      ] as const) {
        const { peer } = yield* speaker(server.port, query)
        const start = performance.now()
        yield* peer.write(Frames.text("x".repeat(3072)))
        expect((yield* peer.nextMessage).text).toHaveLength(3072)
        const took = performance.now() - start
        expect(took).toBeGreaterThanOrEqual(millis - 5)
        // A machine that is busy is late, but not by as much again and more.
        expect(took).toBeLessThan(millis + 1000)
      }
    })
  )
})

describe("with TLS", () => {
  for (const [query, , end] of endings.filter(([query]) => /reset|vanish/.test(query))) {
    liveWithTool(noOpenssl, `${query} comes at once, to a peer that has said nothing`, () =>
      Effect.gen(function* () {
        const { cert, key } = yield* selfSigned
        const server = yield* testServer({ ...PATIENT, tlsCert: cert, tlsKey: key })
        const peer = yield* RawClient.connect({ port: server.port, tls: true, path: `/echo?${query}` })
        expect((yield* peer.allUntilEnd).frames).toEqual([])
        expect(yield* peer.endedByKernel).toBe(end)
        yield* peer.end
        expect(yield* server.logged("connection closed")).toMatchObject({ reason: "Fault", code: null })
      })
    )
  }

  for (const [query, wire, end] of endings.filter(([query]) => /reset|vanish|truncate/.test(query))) {
    liveWithTool(noOpenssl, `${query} looks the same`, () =>
      Effect.gen(function* () {
        const { cert, key } = yield* selfSigned
        const server = yield* testServer({ ...PATIENT, tlsCert: cert, tlsKey: key })
        const peer = yield* RawClient.connect({
          port: server.port,
          tls: true,
          path: `/echo?${query}&after=2msg`
        })
        yield* peer.write(Buffer.concat(["a", "b", "c".repeat(1000), "d"].map(Frames.text)))
        const all = yield* peer.allUntilEnd
        expect(all.frames.map(Frames.describe)).toEqual(["text a", "text b"])
        expect(all.rest).toEqual(wire("c".repeat(1000)).rest ?? Buffer.alloc(0))
        expect(yield* peer.endedByKernel).toBe(end)
        yield* peer.end
        expect(yield* server.logged("connection closed")).toMatchObject({ reason: "Fault", code: null })
      })
    )
  }
})
