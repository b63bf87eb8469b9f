/**
 * The negotiation of permessage-deflate (RFC 7692 sections 5 and 7.1; RFC 6455 section 9.1).
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { ServerOptions } from "../../src/index.js"
import { EXTENSION, paramsOf, type Params } from "../support/deflateSession.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { testServer } from "../support/server.js"
import { expectClose } from "../support/session.js"

const ask = (offer: string | ReadonlyArray<string>, options: ServerOptions = { compression: true }) =>
  Effect.gen(function* () {
    const server = yield* testServer(options)
    const peer = yield* RawClient.open({ port: server.port })
    yield* peer.write(Http.request({ headers: { "Sec-WebSocket-Extensions": offer } }))
    return { peer, response: yield* peer.response }
  })

/** An offer, and what becomes of it; `undefined` if nothing does. */
const answered = (
  name: string,
  offer: string | ReadonlyArray<string>,
  expected: Params | undefined,
  options?: ServerOptions
) =>
  live(name, () =>
    Effect.gen(function* () {
      const { peer, response } = yield* ask(offer, options)
      expect(response.status).toBe(101)
      expect(paramsOf(response.headers["sec-websocket-extensions"])).toEqual(expected)
      yield* peer.write(Frames.text("uncompressed is always allowed"))
      const echo = yield* peer.nextMessage
      if (expected === undefined) expect(echo.rsv1).toBe(false)
    })
  )

describe("7692 7.1: an offer is accepted", () => {
  answered("7692 7.1: without parameters", EXTENSION, {})
  answered(
    "7692 7.1.1.1: with server_no_context_takeover, which must be in the answer",
    `${EXTENSION}; server_no_context_takeover`,
    {
      server_no_context_takeover: true
    }
  )
  answered(
    "7692 7.1.1.2: with client_no_context_takeover, a promise of the client",
    `${EXTENSION}; client_no_context_takeover`,
    {
      client_no_context_takeover: true
    }
  )
  for (let bits = 8; bits <= 15; bits++) {
    answered(
      `7692 7.1.2.1: with server_max_window_bits=${bits}, which must be in the answer`,
      `${EXTENSION}; server_max_window_bits=${bits}`,
      {
        server_max_window_bits: `${bits}`
      }
    )
    answered(
      `7692 7.1.2.2: with client_max_window_bits=${bits}, a hint`,
      `${EXTENSION}; client_max_window_bits=${bits}`,
      {
        client_max_window_bits: `${bits}`
      }
    )
  }
  answered(
    "7692 7.1.2.2: with client_max_window_bits without a value, which asks nothing",
    `${EXTENSION}; client_max_window_bits`,
    {}
  )
  answered(
    "7692 7.1: with all parameters, in any order",
    `${EXTENSION}; client_max_window_bits=12; server_no_context_takeover; server_max_window_bits=10; client_no_context_takeover`,
    {
      server_no_context_takeover: true,
      client_no_context_takeover: true,
      server_max_window_bits: "10",
      client_max_window_bits: "12"
    }
  )
  answered("6455 9.1: with a value in quotes", `${EXTENSION}; server_max_window_bits="10"`, {
    server_max_window_bits: "10"
  })
  answered(
    "6455 9.1: without space, or with much of it",
    `${EXTENSION};server_no_context_takeover  ;\tserver_max_window_bits=9`,
    {
      server_no_context_takeover: true,
      server_max_window_bits: "9"
    }
  )
  answered(
    "7692 5.1: the first of several, which is the client's favourite",
    `${EXTENSION}; server_max_window_bits=9, ${EXTENSION}`,
    {
      server_max_window_bits: "9"
    }
  )
  answered("6455 9.1: in the second of two header lines", ["x-unheard-of", EXTENSION], {})
  answered(
    "6455 9.1: beside extensions that nobody knows",
    `x-unheard-of; a=1; b="c", ${EXTENSION}, x-other`,
    {}
  )
})

describe("7692 5.1: an offer is declined, and the connection goes on without", () => {
  answered("7692 5.1: when compression is off, as it is by default", EXTENSION, undefined, {})
  answered(
    "7692 5.1: when compression is off, whatever the parameters",
    `${EXTENSION}; server_max_window_bits=9`,
    undefined,
    { compression: false }
  )
  answered("6455 9.1: when nobody knows it", "x-unheard-of; a=1", undefined)
  answered("7692 9: when it is the old name", "x-webkit-deflate-frame", undefined)
  answered("6455 9.1: when its name is in another case: names are tokens", "Permessage-Deflate", undefined)

  live("7692 6: then a compressed message closes with 1002", () =>
    Effect.gen(function* () {
      const { peer } = yield* ask(EXTENSION, {})
      yield* peer.write(
        Frames.frame({ opcode: Frames.TEXT, rsv1: true, payload: Buffer.from("f248cdc9c90700", "hex") })
      )
      yield* expectClose(peer, 1002)
    })
  )
})

describe("an offer that can't be accepted is refused with 400", () => {
  // RFC 7692 section 7.1 has the server decline such an offer. `ws` refuses the handshake: the client is told that it
  // is wrong, rather than left to wonder why nothing is compressed.
  const invalid: ReadonlyArray<readonly [string, string]> = [
    ["a parameter that nobody knows", "; unheard_of"],
    ["a parameter twice", "; server_no_context_takeover; server_no_context_takeover"],
    ["a parameter twice with different values", "; server_max_window_bits=9; server_max_window_bits=10"],
    ["server_max_window_bits without a value", "; server_max_window_bits"],
    ["server_max_window_bits=7", "; server_max_window_bits=7"],
    ["server_max_window_bits=16", "; server_max_window_bits=16"],
    ["server_max_window_bits=9.5", "; server_max_window_bits=9.5"],
    ["server_max_window_bits=ten", "; server_max_window_bits=ten"],
    ["client_max_window_bits=7", "; client_max_window_bits=7"],
    ["client_max_window_bits=16", "; client_max_window_bits=16"],
    ["server_no_context_takeover with a value", "; server_no_context_takeover=1"],
    ["client_no_context_takeover with a value", "; client_no_context_takeover=true"]
  ]
  // What can't be read fails the connection (RFC 6455 section 9.1).
  const malformed: ReadonlyArray<readonly [string, string]> = [
    ["a semicolon at the end", ";"],
    ["a comma at the end", ","],
    ["a parameter without a name", "; =1"],
    ["a quote that is never closed", '; server_max_window_bits="10'],
    ["a value without a token", "; server_max_window_bits="]
  ]
  for (const [name, params] of [
    ...invalid.map(([name, params]) => [`7692 7.1: ${name}`, params] as const),
    ...malformed.map(([name, params]) => [`6455 9.1: ${name}`, params] as const)
  ]) {
    live(name, () =>
      Effect.gen(function* () {
        const { peer, response } = yield* ask(`${EXTENSION}${params}`)
        expect(response.status).toBe(400)
        expect(yield* peer.ended).toBe("fin")
      })
    )
  }
})
