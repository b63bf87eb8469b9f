/**
 * Peers that open TCP and don't come to the point.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { noOpenssl, selfSigned } from "../support/certificate.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { liveWithTool } from "../support/skip.js"
import { testServer } from "../support/server.js"

const TIMEOUT = 500

const options = { handshakeTimeout: TIMEOUT }

describe("the handshake timeout", () => {
  live("drops who says nothing, without a word", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer(options)
      const peer = yield* RawClient.open({ port })
      const { frames, rest } = yield* peer.allUntilEnd
      expect(frames).toEqual([])
      expect(rest).toHaveLength(0)
    })
  )

  for (const [what, bytes] of [
    ["half a head", "GET /echo HTTP/1.1\r\nHost: a\r\n"],
    ["half a second request", "GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /liv"]
  ] as const)
    live(`drops who sends ${what}, with 408`, () =>
      Effect.gen(function* () {
        const { port } = yield* testServer(options)
        const peer = yield* RawClient.open({ port })
        yield* peer.write(bytes)
        const answers = [yield* peer.response]
        if (answers[0]?.status === 200) answers.push(yield* peer.response)
        expect(answers.at(-1)).toMatchObject({ status: 408 })
        expect(answers.at(-1)?.body).toContain("RequestTimeout")
        yield* peer.ended
      })
    )

  live("drops who owes the body of a request", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer(options)
      const peer = yield* RawClient.open({ port })
      yield* peer.write("POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
      expect((yield* peer.response).status).toBe(405)
      yield* peer.ended
    })
  )

  liveWithTool(noOpenssl, "drops who opens TCP and doesn't begin TLS, or says nothing in it", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* selfSigned
      const { port } = yield* testServer({ ...options, tlsCert: cert, tlsKey: key })
      const silent = yield* RawClient.open({ port })
      yield* silent.ended
      const secure = yield* RawClient.open({ port, tls: true })
      yield* secure.ended
    })
  )

  live("keeps a connection that has been accepted", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer(options)
      const peer = yield* RawClient.connect({ port })
      const other = yield* RawClient.open({ port })
      yield* other.ended
      yield* peer.write(Frames.text("still here"))
      expect((yield* peer.nextMessage).text).toBe("still here")
    })
  )
})

describe("1,000 peers that say nothing, or a byte now and then", () => {
  live("keep no honest one from being served, and are gone at the handshake timeout", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer({ handshakeTimeout: 3000 })
      const request = Http.request({})
      const peers = yield* Effect.forEach(
        Array.from({ length: 1000 }),
        () => RawClient.open({ port, patience: 30_000 }),
        { concurrency: 100 }
      )
      const slow = peers.filter((_, i) => i % 2 === 0)
      const bytes = Buffer.from(request)
      yield* Effect.forkScoped(
        Effect.forEach(
          [...bytes],
          (byte) =>
            Effect.zipRight(
              Effect.forEach(slow, (peer) => Effect.ignore(peer.write(Buffer.of(byte))), { discard: true }),
              Effect.sleep(200)
            ),
          { discard: true }
        )
      )
      const honest = yield* RawClient.connect({ port })
      for (let i = 0; i < 20; i++) {
        yield* honest.write(Frames.text(`served ${i}`))
        expect((yield* honest.nextMessage).text).toBe(`served ${i}`)
      }
      const ends = yield* Effect.forEach(peers, (peer) => peer.ended, { concurrency: "unbounded" })
      expect(ends).toHaveLength(1000)
      yield* honest.write(Frames.text("and still"))
      expect((yield* honest.nextMessage).text).toBe("and still")
    })
  )
})

describe("a peer that asks and doesn't read the answers", () => {
  live("is dropped at the send timeout, others aren't", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer({ sendTimeout: 500, handshakeTimeout: "off" })
      const other = yield* RawClient.open({ port })
      const peer = yield* RawClient.open({ port })
      yield* peer.pause
      // The answer names the path: more in all than the kernel keeps.
      const request = Http.request({
        path: `/${"x".repeat(15_000)}`,
        headers: { Upgrade: null, Connection: null }
      })
      const stuck = yield* Effect.fork(Effect.flip(Effect.forever(peer.write(request.repeat(100)))))
      expect(yield* Fiber.join(stuck)).toMatchObject({ _tag: "ConnectionEnded" })
      yield* other.write(Http.request({ path: "/livez", headers: { Upgrade: null, Connection: null } }))
      expect((yield* other.response).status).toBe(200)
    })
  )

  live("is served when it reads slowly", () =>
    Effect.gen(function* () {
      const { port } = yield* testServer({ sendTimeout: 500, handshakeTimeout: "off" })
      const peer = yield* RawClient.open({ port })
      const request = Http.request({
        path: `/${"x".repeat(15_000)}`,
        headers: { Upgrade: null, Connection: null }
      })
      yield* Effect.forkScoped(peer.write(request.repeat(900)))
      for (let i = 0; i < 900; i++) {
        expect((yield* peer.response).status).toBe(404)
        if (i % 90 !== 0) continue
        yield* peer.pause
        // How slowly is what the test is about: longer than the timeout, in all.
        yield* Effect.sleep(100)
        yield* peer.resume
      }
    })
  )
})
