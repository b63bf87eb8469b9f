/**
 * What the soak does, and what it expects of the program that it does it to.
 */
import * as Frames from "../support/frames.js"

/** How the program is started, beside the address and the format of its log. */
export const PROGRAM_ARGS: ReadonlyArray<string> = [
  ["--heartbeat-interval", "2s"],
  ["--max-lifetime", "20s"],
  ["--send-timeout", "10s"]
].flat()

/** How the server ends a connection by itself, as its log and the peer's Close frame tell it. */
export interface ServerEnding {
  readonly reason: string
  readonly code: number
  /** Of the Close frame; not looked at if it isn't given. */
  readonly text?: string
}

/** Of a server that is stopped. */
export const SHUTDOWN: ServerEnding = {
  reason: "ServerShutdown",
  code: 1001,
  text: "server shutting down"
}

/** Of a connection that the operator stops. */
export const OPERATOR: ServerEnding = { reason: "StopSignal", code: 4010, text: "operator" }

/** What may end any connection at any time, with the arguments above; such as `LifetimeReached` with 1012. */
export const SERVER_ENDINGS: ReadonlyArray<ServerEnding> = [
  { reason: "LifetimeReached", code: 1012, text: "lifetime reached" }
]

/**
 * What becomes of a connection: it closes after all echoes, right after its messages, ends only its side of TCP, resets
 * TCP, sends a bad frame, doesn't read for a while and then closes or resets, or stays until it is told to go.
 */
export type Fate =
  | "polite"
  | "hasty"
  | "halfClose"
  | "vanish"
  | "violate"
  | "stall"
  | "stallAndVanish"
  | "stay"

/** How often what becomes of a connection. */
export const FATES: Readonly<Record<Fate, number>> = {
  polite: 25,
  hasty: 15,
  halfClose: 12,
  vanish: 12,
  violate: 12,
  stall: 8,
  stallAndVanish: 4,
  stay: 12
}

/** How often a message has how many bytes. */
export const SIZES = { tiny: 1400, small: 550, medium: 45, large: 4, largest: 1 } as const

/** The least and the most bytes of each. */
export const SIZE_RANGES: Readonly<Record<keyof typeof SIZES, readonly [number, number]>> = {
  tiny: [16, 125],
  small: [126, 4096],
  medium: [4096, 32 * 1024],
  large: [32 * 1024, 256 * 1024],
  // As much as the program takes.
  largest: [1024 * 1024, 1024 * 1024]
}

/** How many messages are sent without waiting for an echo in between. */
export const MOST_PIPELINED = 8

/** After how many of such bursts a connection ends. */
export const BURSTS: readonly [number, number] = [1, 10]

/** How long, in milliseconds, a peer has nothing to say between them. */
export const THINKING: readonly [number, number] = [0, 1000]

/** How long, in milliseconds, a peer doesn't read: well within the time that the server gives to a close handshake. */
export const STALL: readonly [number, number] = [100, 1000]

/** What such a peer sends meanwhile, in bytes: as much as the kernel keeps for it, or so much that the server must wait. */
export const STALLED = { short: 128 * 1024, long: 8 * 1024 * 1024 } as const

/** One stall in so many is a long one: they cost the most. */
export const LONG_STALLS = 50

/** Handshakes under way at once: more would overflow the queue of the listening socket, and be tried again a second later. */
export const HANDSHAKES = 100

/** Bad frames, and the codes that they ask for (RFC 6455 section 7.4.1). */
export const VIOLATIONS: readonly [readonly [number, Buffer], ...ReadonlyArray<readonly [number, Buffer]>] = [
  [1002, Frames.frame({ opcode: 3 })],
  [1002, Frames.frame({ opcode: Frames.TEXT, payload: "not masked", mask: false })],
  [1002, Frames.frame({ opcode: Frames.BINARY, payload: "reserved bit", rsv2: true })],
  [1002, Frames.frame({ opcode: Frames.CONTINUATION, payload: "of nothing" })],
  [1007, Frames.frame({ opcode: Frames.TEXT, payload: Uint8Array.of(0xc3, 0x28) })],
  [1009, Frames.frame({ opcode: Frames.BINARY, declaredLength: 60 * 1024 ** 2 })]
]
