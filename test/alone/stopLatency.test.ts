/**
 * How long it takes from an operator's request to stop a connection to the Close frame at its peer, while the server has
 * others to serve.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { ask } from "../support/admin.js"
import * as Frames from "../support/frames.js"
import { noHandshake } from "../support/get.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import { scrape } from "../support/metrics.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import * as Swarm from "../support/Swarm.js"

const IDLE = 900
const TALKING = 100
const STOPPED = 200

/** In milliseconds, for 99 of 100. */
const BOUND = 5

/** A machine that is busy with other things for a moment may be tried again. */
const TRIES = 3

const percentile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN

const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Says something ten times a second, and waits for the echo. */
const talk = (peer: RawClient.RawClient) =>
  Effect.forever(
    peer.write(Frames.text("x".repeat(64))).pipe(Effect.zipRight(peer.nextFrame), Effect.delay(100))
  )

interface Listed {
  readonly connections: ReadonlyArray<{ readonly id: string }>
}

const list = (port: number, query: string) =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is a page
  Effect.map(ask({ port }, `GET /connections?limit=1000${query}`), ({ json }) => (json as Listed).connections)

interface Stop {
  /** Milliseconds from the request to the Close frame, and to the end of TCP. */
  readonly toClose: number
  readonly toEnd: number
}

const stop = (operator: RawClient.RawClient, id: string, peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    const start = performance.now()
    yield* operator.write(
      Http.request({ method: "DELETE", path: `/connections/${id}`, headers: noHandshake })
    )
    const frame = yield* peer.nextFrame
    const toClose = performance.now() - start
    expect(Frames.describe(frame)).toBe("close 1001 connection interrupted")
    yield* peer.answerClose([frame])
    yield* peer.ended
    const toEnd = performance.now() - start
    expect((yield* operator.response).status).toBe(202)
    return { toClose, toEnd } satisfies Stop
  })

describe("a stop, while 1,000 connections are open and 100 of them talk", () => {
  live(`reaches its peer within ${BOUND} ms, and the metrics agree`, () =>
    Effect.gen(function* () {
      const { port } = yield* Program.start()
      yield* Swarm.open(port, IDLE)
      const talkers = yield* Effect.replicateEffect(RawClient.connect({ port }), TALKING)
      yield* Effect.forEach(talkers, (peer) => Effect.forkScoped(talk(peer)), { discard: true })
      let closes: ReadonlyArray<number> = []
      for (let tries = 0; tries < TRIES; tries++) {
        const last = (yield* list(port, "")).at(-1)?.id
        const peers = yield* Effect.replicateEffect(RawClient.connect({ port }), STOPPED)
        const ids = yield* list(port, `&after=${last}`)
        expect(ids).toHaveLength(STOPPED)
        const before = yield* scrape(port)
        const operator = yield* RawClient.open({ port })
        const stops = yield* Effect.forEach(peers, (peer, at) => stop(operator, ids[at]?.id ?? "", peer))
        const figures = yield* scrape(port)
        const grown = (name: string): number => (figures.get(name) ?? 0) - (before.get(name) ?? 0)
        const count = grown("answerback_stop_seconds_count")
        expect(count).toBe(STOPPED)
        // What the server sees of it lies within what is seen from outside.
        const inside = (grown("answerback_stop_seconds_sum") / count) * 1000
        const outside = mean(stops.map(({ toEnd }) => toEnd))
        expect(inside).toBeGreaterThan(0)
        expect(inside).toBeLessThan(outside)
        closes = stops.map(({ toClose }) => toClose)
        if (percentile(closes, 0.99) < BOUND) break
      }
      expect(percentile(closes, 0.99)).toBeLessThan(BOUND)
    })
  )
})
