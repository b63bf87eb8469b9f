/**
 * How long it takes from an operator's request to stop a connection to the Close frame at its peer, while the server has
 * others to serve.
 */
import * as Effect from "effect/Effect"
import * as net from "node:net"
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

/** In milliseconds, for half of them and for 99 of 100: an echo takes a third of that on a machine that is quiet. */
const BOUND = { half: 5, most: 25 }

/** The server sees the end of TCP a moment after its peer. */
const MOMENT = 1

/** A machine that is busy with other things for a moment may be tried again. */
const TRIES = 3

const percentile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN

const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Opens connections that each say something ten times a second, at as little cost as possible to the one who measures. */
const talkers = (port: number, count: number) =>
  Effect.acquireRelease(
    Effect.async<ReadonlyArray<net.Socket>>((resume) => {
      const message = Frames.text("x".repeat(64))
      let heard = 0
      const sockets = Array.from({ length: count }, (_, at) => {
        const socket = net.connect({ host: "127.0.0.1", port, noDelay: true })
        socket.write(Http.request())
        // The handshake has been answered.
        socket.once("data", () => {
          socket.on("data", () => {
            if (++heard === count) resume(Effect.succeed(sockets))
          })
          socket.write(message)
          const timer = setTimeout(
            () => {
              const interval = setInterval(() => socket.write(message), 100)
              socket.once("close", () => clearInterval(interval))
            },
            (at * 100) / count
          )
          socket.once("close", () => clearTimeout(timer))
        })
        return socket
      })
    }),
    (sockets) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
      })
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
  live(`reaches its peer within ${BOUND.half} ms, and the metrics agree`, () =>
    Effect.gen(function* () {
      const { port } = yield* Program.start()
      yield* Swarm.open(port, IDLE)
      yield* talkers(port, TALKING)
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
        expect(inside).toBeLessThan(outside + MOMENT)
        closes = stops.map(({ toClose }) => toClose)
        if (percentile(closes, 0.99) < BOUND.most) break
      }
      expect(percentile(closes, 0.5)).toBeLessThan(BOUND.half)
      expect(percentile(closes, 0.99)).toBeLessThan(BOUND.most)
    })
  )
})
