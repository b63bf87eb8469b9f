/**
 * A connection with permessage-deflate (RFC 7692), and its two directions.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { expect } from "vitest"
import type { ServerOptions } from "../../src/index.js"
import * as Deflate from "./deflate.js"
import * as Frames from "./frames.js"
import * as RawClient from "./RawClient.js"
import { testServer } from "./server.js"
import { PATIENT } from "./session.js"

export const EXTENSION = "permessage-deflate"

/** Parameters by name; `true` for one without a value. */
export type Params = Readonly<Record<string, string | true>>

/** Reads the extensions of a response; `undefined` if there are none. Fails the test unless it is this one, once. */
export const paramsOf = (header: string | undefined): Params | undefined => {
  if (header === undefined) return undefined
  const [name, ...params] = header.split(";").map((part) => part.trim())
  expect(name).toBe(EXTENSION)
  expect(header).not.toContain(",")
  return Object.fromEntries(
    params.map((param) => {
      const [name = "", value] = param.split("=")
      return [name, value ?? true]
    })
  )
}

const bitsOf = (value: string | true | undefined): number => (typeof value === "string" ? Number(value) : 15)

export interface DeflateSession {
  readonly peer: RawClient.RawClient
  readonly params: Params
  /** Compresses a message and frames it, cut at these offsets of what is compressed. */
  readonly frames: (
    opcode: number,
    payload: Frames.Payload,
    offsets?: ReadonlyArray<number>
  ) => ReadonlyArray<Buffer>
  /** The same in one frame. */
  readonly frame: (opcode: number, payload: Frames.Payload) => Buffer
  /** Undoes the compression of what the server has sent. To be called for every frame, in order. */
  readonly inflated: (frame: Frames.ServerFrame) => Frames.ServerFrame
}

/** Connects to this port with this offer. The client keeps to what the server answers. */
export const deflateConnection = (
  port: number,
  offer: string,
  path?: string
): Effect.Effect<DeflateSession, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const peer = yield* RawClient.connect({
      port,
      ...(path === undefined ? {} : { path }),
      headers: { "Sec-WebSocket-Extensions": offer }
    })
    const { headers } = yield* peer.responseHead
    const params = paramsOf(headers["sec-websocket-extensions"])
    if (params === undefined) return yield* Effect.fail(new Error(`the server didn't take ${offer}`))
    const deflate = Deflate.deflater({
      windowBits: bitsOf(params["client_max_window_bits"]),
      contextTakeover: params["client_no_context_takeover"] === undefined
    })
    const inflate = Deflate.inflater({
      windowBits: bitsOf(params["server_max_window_bits"]),
      contextTakeover: params["server_no_context_takeover"] === undefined
    })
    const frames: DeflateSession["frames"] = (opcode, payload, offsets = []) =>
      Frames.fragments(opcode, deflate(Frames.bytesOf(payload)), offsets, { rsv1: true })
    return {
      peer,
      params,
      frames,
      frame: (opcode, payload) => Buffer.concat(frames(opcode, payload)),
      inflated: (frame) => {
        if (!frame.rsv1) return frame
        // The echo is one frame: a fragment could not be inflated by itself.
        expect(frame.fin, Frames.describe(frame)).toBe(true)
        return { ...frame, rsv1: false, payload: inflate(frame.payload) }
      }
    }
  })

/** Connects to a server of its own with this offer. */
export const deflateSession = (
  options: ServerOptions = {},
  offer: string = EXTENSION
): Effect.Effect<DeflateSession, unknown, Scope.Scope> =>
  Effect.flatMap(testServer({ ...PATIENT, compression: true, ...options }), ({ port }) =>
    deflateConnection(port, offer)
  )

/** Takes as many frames, inflated, one line each. */
export const takeInflated = ({ inflated, peer }: DeflateSession, count: number) =>
  Effect.map(Effect.replicateEffect(peer.nextFrame, count), (frames) =>
    frames.map((frame) => Frames.describe(inflated(frame)))
  )

/** Waits for the end of TCP, and expects these frames, inflated, one line each. */
export const expectUntilEnd = ({ inflated, peer }: DeflateSession, expected: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { end, frames, rest } = yield* peer.allUntilEnd
    expect(frames.map((frame) => Frames.describe(inflated(frame)))).toEqual(expected)
    expect(rest).toHaveLength(0)
    expect(end).toBe("fin")
  })

/** Closes the connection, and expects that nothing else comes any more. */
export const expectNothingMoreInflated = (session: DeflateSession) =>
  Effect.zipRight(session.peer.write(Frames.close(1000)), expectUntilEnd(session, ["close 1000"]))
