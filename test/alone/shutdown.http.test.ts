/**
 * What isn't a WebSocket connection doesn't hold up a shutdown, whatever state it is in.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { noOpenssl, selfSigned } from "../support/certificate.js"
import { noHandshake } from "../support/get.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { liveUnless, liveWithTool } from "../support/skip.js"

/** What a shutdown may take that waits for nobody, in milliseconds. */
const AT_ONCE = 1000

const keepAlive = Http.request({ path: "/livez", headers: noHandshake })

/** An answered request tells that the server has seen the connection. */
const isSeen = (port: number, tls: boolean) =>
  Effect.gen(function* () {
    const client = yield* RawClient.open({ port, tls })
    yield* client.write(keepAlive)
    expect(yield* client.response).toMatchObject({ status: 200, body: "ok" })
    return client
  })

type Opening = (port: number, tls: boolean) => Effect.Effect<RawClient.RawClient, unknown, Scope.Scope>

const peers: Readonly<Record<string, Opening>> = {
  "an idle keep-alive connection": isSeen,
  "a connection without a byte": (port, tls) => RawClient.open({ port, tls }),
  "a first request that is half sent": (port, tls) =>
    Effect.tap(RawClient.open({ port, tls }), (client) => client.write(keepAlive.slice(0, 30))),
  "a second request that is half sent": (port, tls) =>
    Effect.tap(isSeen(port, tls), (client) => client.write(keepAlive.slice(0, 30))),
  "a handshake that is half sent": (port, tls) =>
    Effect.tap(RawClient.open({ port, tls }), (client) => client.write(Http.request().slice(0, -2))),
  "a request whose body is missing": (port, tls) =>
    Effect.tap(RawClient.open({ port, tls }), (client) =>
      client.write(
        Http.request({
          method: "POST",
          path: "/livez",
          headers: { ...noHandshake, "Content-Length": "1000" }
        })
      )
    )
}

/** Stops the program while a peer is in this state. */
const expectNotHeldUp = (
  program: Program.Listening,
  opening: Effect.Effect<RawClient.RawClient, unknown, Scope.Scope>,
  isSecure = false
) =>
  Effect.gen(function* () {
    const peer = yield* opening
    // Connections are accepted in order: when this one is answered, the peer's has been accepted too.
    yield* Effect.scoped(isSeen(program.port, isSecure))
    const exit = yield* Program.stop(program)
    expect(exit).toMatchObject({ code: 0, signal: null })
    expect(exit.elapsed).toBeLessThan(AT_ONCE)
    yield* peer.ended
    expect(program.stderr()).toBe("")
  })

describe("a shutdown isn't held up", () => {
  for (const [state, open] of Object.entries(peers)) {
    liveUnless(undefined, `by ${state}`, () =>
      Effect.gen(function* () {
        const program = yield* Program.start()
        yield* expectNotHeldUp(program, open(program.port, false))
      })
    )
  }
})

describe("a shutdown with TLS isn't held up", () => {
  for (const [state, open] of Object.entries(peers)) {
    liveWithTool(noOpenssl, `by ${state}`, () =>
      Effect.gen(function* () {
        const { args } = yield* selfSigned
        const program = yield* Program.start({ args })
        yield* expectNotHeldUp(program, open(program.port, true), true)
      })
    )
  }

  const notYetSecure = {
    "a TCP connection on which TLS never begins": "",
    // The header of a TLS record with a ClientHello (RFC 8446 section 5.1), and no more of it.
    "a TLS handshake that is half sent": Buffer.from("1603010200010001fc", "hex")
  }
  for (const [state, bytes] of Object.entries(notYetSecure)) {
    liveWithTool(noOpenssl, `by ${state}`, () =>
      Effect.gen(function* () {
        const { args } = yield* selfSigned
        const program = yield* Program.start({ args })
        const opening = Effect.tap(RawClient.open({ port: program.port }), (client) => client.write(bytes))
        yield* expectNotHeldUp(program, opening, true)
      })
    )
  }
})

describe("a shutdown waits for an answer that is under way", () => {
  live("half a second at most", () =>
    Effect.gen(function* () {
      const program = yield* Program.start()
      const peer = yield* RawClient.open({ port: program.port })
      yield* peer.write(
        Http.request({
          method: "POST",
          path: "/connections/nobody/faults",
          headers: { ...noHandshake, "Content-Length": "1000" }
        })
      )
      // Requests are taken in order.
      yield* Effect.scoped(isSeen(program.port, false))
      const exit = yield* Program.stop(program)
      expect(exit).toMatchObject({ code: 0, signal: null })
      expect(exit.elapsed).toBeGreaterThanOrEqual(500)
      expect(exit.elapsed).toBeLessThan(500 + AT_ONCE)
    })
  )
})
