/**
 * Messages that are encoded once, on connections on which something goes wrong: they fare like any other.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import { type ConnectionClosed, Faults, type Handler, Message } from "../../src/index.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { serverWith } from "../support/server.js"

/** Echoes, so or so. */
const echoAs =
  (prepare: (message: Message.Message) => Message.Message): Handler<ConnectionClosed> =>
  (connection) =>
    Stream.runForEach(connection.messages, (message) => connection.send(prepare(message)))

const texts = Array.from({ length: 6 }, (_, i) => `message ${i} `.repeat(20))

/** All that comes until the server has ended, and what it counts. */
const seen = (handler: Handler<ConnectionClosed>, query: string) =>
  Effect.gen(function* () {
    const server = yield* serverWith(handler, {}, Faults.layerUrl())
    const peer = yield* RawClient.connect({ port: server.port, path: `/echo?${query}` })
    yield* peer.writeAndEnd(Buffer.concat([...texts.map(Frames.text), Frames.close(1000)]))
    const { frames, rest } = yield* peer.allUntilEnd
    const { bytesOut, messagesOut, reason } = yield* server.logged("connection closed")
    return { frames: frames.map(Frames.describe), rest: rest.toString(), bytesOut, messagesOut, reason }
  })

describe("a prepared message", () => {
  for (const query of [
    "",
    "fault=corrupt&after=2msg",
    "fault=truncate&after=2msg",
    "fault=reset&after=2msg",
    "fault=vanish&after=2msg",
    "fault=mute&after=2msg",
    "fault=close&code=4000&after=2msg",
    "fault=delay&time=20ms",
    "fault=drop&rate=0.5&seed=7",
    "fault=duplicate&rate=0.5&seed=7",
    "fault=throttle&rate=10KiB&after=1msg"
  ])
    live(`fares like any other with ${query === "" ? "no fault" : query}`, () =>
      Effect.gen(function* () {
        const ordinary = yield* seen(
          echoAs((message) => message),
          query
        )
        expect(yield* seen(echoAs(Message.prepare), query)).toEqual(ordinary)
        expect(ordinary.frames.length).toBeGreaterThan(1)
      })
    )
})
