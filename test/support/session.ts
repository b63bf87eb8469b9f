/**
 * What most tests of the protocol do: send bytes on a connection of their own, and look at everything that comes back.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import type { ServerOptions } from "../../src/index.js"
import * as Frames from "./frames.js"
import type * as Inbox from "./Inbox.js"
import * as RawClient from "./RawClient.js"
import { testServer } from "./server.js"

/**
 * Longer than any client waits: where the server is to end TCP, it must do so by itself, and not because the close
 * handshake took too long.
 */
export const PATIENT = { closeTimeout: "30 seconds" } as const

/** A connection to a server of its own. */
export const session = (
  options: ServerOptions = {},
  client: Omit<RawClient.ConnectOptions, "port"> = {}
): Effect.Effect<RawClient.RawClient, unknown, Scope.Scope> =>
  Effect.flatMap(testServer({ ...PATIENT, ...options }), ({ port }) => RawClient.connect({ ...client, port }))

/** Joins frames, so that they are sent in one TCP segment. */
export const together = (...frames: ReadonlyArray<Uint8Array>): Buffer => Buffer.concat(frames)

/** Takes as many frames, one line each. */
export const take = (
  peer: RawClient.RawClient,
  count: number
): Effect.Effect<ReadonlyArray<string>, Inbox.WaitError> =>
  Effect.map(Effect.replicateEffect(peer.nextFrame, count), (frames) => frames.map(Frames.describe))

/** Closes the connection, and expects that nothing else comes any more: nothing was answered twice, or late. */
export const expectNothingMore = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.close(1000))
    const { end, frames, rest } = yield* peer.allUntilEnd
    expect(frames.map(Frames.describe)).toEqual(["close 1000"])
    expect(rest).toHaveLength(0)
    expect(end).toBe("fin")
  })

/** Sends bytes in one write, and expects exactly these frames in answer. */
export const expectAnswers = (
  peer: RawClient.RawClient,
  bytes: Uint8Array,
  expected: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    yield* peer.write(bytes)
    expect(yield* take(peer, expected.length)).toEqual(expected)
    yield* expectNothingMore(peer)
  })

/** Expects that the server says these things, then closes with this code, and then ends its side of TCP. */
export const expectClose = (
  peer: RawClient.RawClient,
  code: number | undefined,
  before: ReadonlyArray<string> = []
) =>
  Effect.gen(function* () {
    const { end, frames, rest } = yield* peer.allUntilEnd
    expect(frames.slice(0, -1).map(Frames.describe)).toEqual(before)
    const last = frames.at(-1)
    const close = last && Frames.closeOf(last)
    expect(close, Frames.describe(last)).toBeDefined()
    expect(close?.code).toBe(code)
    expect(rest).toHaveLength(0)
    expect(end).toBe("fin")
    return close?.reason ?? ""
  })

/** Sends bytes in one write, and expects that the server fails the connection with this code, and says why. */
export const expectFailure = (
  peer: RawClient.RawClient,
  bytes: Uint8Array,
  code: number,
  before: ReadonlyArray<string> = []
) =>
  Effect.gen(function* () {
    yield* peer.write(bytes)
    expect(yield* expectClose(peer, code, before)).not.toBe("")
  })

/**
 * Everything that still comes, one line a frame, with the Close frame answered as a client does, and how TCP ends. A
 * server that has sent a Close frame of its own waits for that answer.
 */
export const lastWords = (peer: RawClient.RawClient) =>
  Effect.gen(function* () {
    const frames: Array<Frames.ServerFrame> = []
    while (frames.at(-1)?.opcode !== Frames.CLOSE) frames.push(yield* peer.nextFrame)
    yield* peer.answerClose(frames)
    const { end, frames: late } = yield* peer.allUntilEnd
    return { end, frames: [...frames, ...late] }
  })
