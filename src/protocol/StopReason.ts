/**
 * Why a connection ended. Every connection ends for exactly one reason: the first to arrive.
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as CloseCode from "./CloseCode.js"

/**
 * Why a connection ended.
 *
 * - `PeerClosed`: the peer sent a Close frame; `code` is 1005 when it was empty.
 * - `PeerVanished`: TCP ended, or was reset, without a Close frame.
 * - `ProtocolError`: the peer sent what RFC 6455 doesn't allow, or a message that is too big.
 * - `HeartbeatTimeout`: the peer gave no sign of life.
 * - `SlowConsumer`: the peer took none of the outbound data.
 * - `IdleTimeout`: no message came or went.
 * - `LifetimeReached`: the connection became too old.
 * - `StopSignal`: a program or an operator stopped it; `code` is 1006 when a program gave it up with a TCP reset.
 * - `ServerShutdown`: the server stops.
 * - `HandlerFailed`: the handler failed or died; `cause` is for the log and never reaches the peer.
 * - `Fault`: it went wrong as somebody had asked; `kind` names the fault, `last` is what the peer sees.
 *
 * @example
 * ```ts
 * import type { ConnectionEvent, StopReason } from "answerback"
 *
 * // Whether somebody should look at it.
 * const alarming: ReadonlySet<StopReason["_tag"]> = new Set(["HandlerFailed", "SlowConsumer"])
 * export const isAlarming = (event: ConnectionEvent): boolean =>
 *   event._tag === "closed" && alarming.has(event.reason._tag)
 * ```
 */
export type StopReason = Data.TaggedEnum<{
  PeerClosed: { readonly code: number; readonly reason: string }
  PeerVanished: {}
  ProtocolError: { readonly code: number; readonly reason: string }
  HeartbeatTimeout: {}
  SlowConsumer: {}
  IdleTimeout: {}
  LifetimeReached: {}
  StopSignal: { readonly code: number; readonly reason: string }
  ServerShutdown: { readonly code: number }
  HandlerFailed: { readonly cause: Cause.Cause<unknown> }
  Fault: { readonly kind: string; readonly last: Farewell }
}>

/**
 * The constructors and matchers of the cases.
 *
 * @example
 * ```ts
 * import { type Connection, StopReason } from "answerback"
 * import { Effect } from "effect"
 *
 * // A handler that pushes says which way it ended.
 * const words = StopReason.$match({
 *   PeerClosed: ({ code, reason }) => `the peer left with ${code} ${reason}`,
 *   PeerVanished: () => "the peer is gone",
 *   ProtocolError: ({ reason }) => `the peer broke the protocol: ${reason}`,
 *   HeartbeatTimeout: () => "the peer gave no sign of life",
 *   SlowConsumer: () => "the peer took nothing",
 *   IdleTimeout: () => "nobody said anything",
 *   LifetimeReached: () => "it was time",
 *   StopSignal: ({ reason }) => `it was stopped: ${reason}`,
 *   ServerShutdown: () => "the server shuts down",
 *   HandlerFailed: () => "the handler failed",
 *   Fault: ({ kind }) => `somebody had asked for a ${kind}`
 * })
 *
 * export const logEnd = (connection: Connection) =>
 *   Effect.flatMap(connection.stopSignal.await, (reason) => Effect.log(words(reason)))
 * ```
 */
export const StopReason: Data.TaggedEnum.Constructor<StopReason> = Data.taggedEnum<StopReason>()

// A record, so that a case that is missing here is an error.
const named: Readonly<Record<StopReason["_tag"], true>> = {
  PeerClosed: true,
  PeerVanished: true,
  ProtocolError: true,
  HeartbeatTimeout: true,
  SlowConsumer: true,
  IdleTimeout: true,
  LifetimeReached: true,
  StopSignal: true,
  ServerShutdown: true,
  HandlerFailed: true,
  Fault: true
}

/** The names of all cases. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a record that has just these
export const tags = Object.keys(named) as ReadonlyArray<StopReason["_tag"]>

/** What the peer sees of an ending: a Close frame (an empty one without a code), or only the end or a reset of TCP. */
export type Farewell =
  | { readonly _tag: "Close"; readonly code: number | undefined; readonly reason: string }
  | { readonly _tag: "End" }
  | { readonly _tag: "Reset" }

const close = (code: number | undefined, reason: string): Farewell => ({ _tag: "Close", code, reason })

/**
 * What the peer sees of each reason. A Close frame is answered with its own code, and an empty one with an empty
 * one (RFC 6455 section 5.5.1).
 */
export const farewell: (reason: StopReason) => Farewell = StopReason.$match({
  PeerClosed: ({ code, reason }) => close(code === CloseCode.NO_STATUS ? undefined : code, reason),
  PeerVanished: (): Farewell => ({ _tag: "End" }),
  ProtocolError: ({ code, reason }) => close(code, reason),
  // Nobody is there to read a Close frame, and nothing that is buffered may be kept for it.
  HeartbeatTimeout: (): Farewell => ({ _tag: "Reset" }),
  SlowConsumer: (): Farewell => ({ _tag: "Reset" }),
  IdleTimeout: () => close(CloseCode.IDLE_TIMEOUT, "idle timeout"),
  LifetimeReached: () => close(CloseCode.SERVICE_RESTART, "lifetime reached"),
  StopSignal: ({ code, reason }): Farewell =>
    code === CloseCode.ABNORMAL ? { _tag: "Reset" } : close(code, reason),
  ServerShutdown: ({ code }) => close(code, "server shutting down"),
  HandlerFailed: () => close(CloseCode.INTERNAL_ERROR, "internal error"),
  Fault: ({ last }) => last
})

/** The close code that was sent or received: 1005 after an empty Close frame, `null` where TCP ended without one. */
export const codeOf = (reason: StopReason): number | null => {
  const seen = farewell(reason)
  return seen._tag === "Close" ? (seen.code ?? CloseCode.NO_STATUS) : null
}

/** Whether it was the server or an operator who ended the connection. */
export const isInterruption = (reason: StopReason): boolean =>
  reason._tag === "StopSignal" || reason._tag === "ServerShutdown"
