/**
 * A span a connection, for those who trace: from the handshake to the end of TCP, with how it ended.
 *
 * Attributes have the names of OpenTelemetry's conventions where there are any, else names of our own.
 */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { StopReason } from "../protocol/StopReason.js"
import type { Counted } from "./Metrics.js"

/** What a span tells of a connection. */
export interface Traced extends Counted {
  readonly id: string
  readonly remote: string
  readonly path: string
  readonly subprotocol: string | undefined
  readonly remarks: Readonly<Record<string, unknown>>
}

/** When a handshake was read, and the span around it. */
export interface Received {
  readonly at: bigint
  readonly parent: Option.Option<Tracer.AnySpan>
}

/** What traces the connections of a server. */
export interface Tracing {
  /** A handshake has been read, within a span of the program's if it has one there. */
  readonly handshake: (parent?: Tracer.AnySpan) => Received
  /** A connection is about to be opened. What follows, up to `opened`, is synchronous. */
  readonly opening: (received: Received) => void
  readonly opened: (connection: Traced) => void
  readonly stopping: (connection: Traced, reason: StopReason) => void
  readonly closed: (
    connection: Traced,
    ending: { readonly reason: StopReason; readonly code: number | null }
  ) => void
  /** Makes spans of an effect children of the connection's. */
  readonly within: <A, E, R>(id: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Who the peer is: a TCP peer has a port, and a client for whom a proxy speaks has none. */
const peer = (remote: string): Readonly<Record<string, unknown>> => {
  const found = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(remote)
  return found === null
    ? { "client.address": remote }
    : { "network.peer.address": found[1] ?? found[2], "network.peer.port": Number(found[3]) }
}

/** What stands in the log for whatever a connection has to add, as tracers take it. */
const remark = (value: unknown): unknown =>
  typeof value === "number" || typeof value === "boolean" ? value : Inspectable.toStringUnknown(value, 0)

/**
 * Whether the program traces here: it has a tracer, and hasn't switched it off with `Effect.withTracerEnabled`. Effect's own,
 * which every program has by default, keeps its spans to itself, and they would only cost memory and time.
 */
export const isOn: Effect.Effect<boolean> = Effect.zipWith(
  Effect.tracer,
  FiberRef.get(FiberRef.currentTracerEnabled),
  (tracer, isEnabled) => isEnabled && tracer !== Context.get(DefaultServices.liveServices, Tracer.Tracer)
)

/** Traces with the tracer of the program, if it traces. */
export const make: Effect.Effect<Tracing | undefined> = Effect.gen(function* () {
  if (!(yield* isOn)) return undefined
  const tracer = yield* Effect.tracer
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeNanos()
  const spans = new Map<string, Tracer.Span>()
  let received: Received = { at: now(), parent: Option.none() }
  const set = (span: Tracer.Span, attributes: Readonly<Record<string, unknown>>): void => {
    for (const [name, value] of Object.entries(attributes))
      if (value !== undefined && value !== null) span.attribute(name, value)
  }
  return {
    handshake: (parent) => ({ at: now(), parent: Option.fromNullable(parent) }),
    opening: (one) => {
      received = one
    },
    opened: (connection) => {
      const span = tracer.span("connection", received.parent, Context.empty(), [], received.at, "server")
      set(span, {
        "network.transport": "tcp",
        "network.protocol.name": "websocket",
        ...peer(connection.remote),
        "url.path": connection.path,
        "answerback.connection": connection.id,
        "answerback.subprotocol": connection.subprotocol
      })
      const handshake = tracer.span(
        "handshake",
        Option.some(span),
        Context.empty(),
        [],
        received.at,
        "internal"
      )
      set(handshake, { "http.request.method": "GET", "http.response.status_code": 101 })
      handshake.end(now(), Exit.void)
      spans.set(connection.id, span)
    },
    stopping: ({ id }, reason) => spans.get(id)?.event("stop", now(), { "answerback.reason": reason._tag }),
    closed: (connection, { code, reason }) => {
      const span = spans.get(connection.id)
      if (span === undefined) return
      spans.delete(connection.id)
      set(span, {
        "answerback.reason": reason._tag,
        "answerback.code": code,
        "answerback.messages_in": connection.messagesIn,
        "answerback.messages_out": connection.messagesOut,
        "answerback.bytes_in": connection.bytesIn,
        "answerback.bytes_out": connection.bytesOut
      })
      for (const [name, value] of Object.entries(connection.remarks))
        span.attribute(`answerback.${name}`, remark(value))
      // Only this one is a failure of the server: all others are endings as they come.
      span.end(now(), reason._tag === "HandlerFailed" ? Exit.failCause(reason.cause) : Exit.void)
    },
    within: (id, effect) =>
      Effect.suspend(() => {
        const span = spans.get(id)
        return span === undefined ? effect : Effect.withParentSpan(effect, span)
      })
  }
})
