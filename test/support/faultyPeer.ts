/**
 * Clients that ask for faults, on real sockets.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { EXTENSION, deflateConnection } from "./deflateSession.js"
import * as Frames from "./frames.js"
import * as Http from "./http.js"
import * as RawClient from "./RawClient.js"

/** A client with which a test speaks, compressed or not. */
export interface Speaker {
  readonly peer: RawClient.RawClient
  /** The frame that says this. */
  readonly says: (text: string) => Buffer
  /** What was said, in one line. */
  readonly heard: (frame: Frames.ServerFrame) => string
}

/** Connects to the path with this query. */
export const speaker = (
  port: number,
  query: string,
  isCompressed = false
): Effect.Effect<Speaker, unknown, Scope.Scope> =>
  isCompressed
    ? Effect.map(deflateConnection(port, EXTENSION, `/echo?${query}`), ({ frame, inflated, peer }) => ({
        peer,
        says: (text: string) => frame(Frames.TEXT, text),
        // What goes wrong isn't compressed.
        heard: (frame: Frames.ServerFrame) => Frames.describe(frame.rsv2 ? frame : inflated(frame))
      }))
    : Effect.map(RawClient.connect({ port, path: `/echo?${query}` }), (peer) => ({
        peer,
        says: Frames.text,
        heard: Frames.describe
      }))

/** Sends a handshake and, in the same segment, frames: the server reads them together. */
export const atOnce = (
  port: number,
  query: string,
  frames: ReadonlyArray<Buffer> = [],
  options: Omit<RawClient.OpenOptions, "port"> = {}
): Effect.Effect<RawClient.RawClient, unknown, Scope.Scope> =>
  Effect.tap(RawClient.open({ port, ...options }), (peer) =>
    peer.write(Buffer.concat([Buffer.from(Http.request({ path: `/echo?${query}` })), ...frames]))
  )
