/**
 * What a WebSocket client can do, whichever it is.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Frames from "../support/frames.js"

/** A message: text, or bytes. */
export type Message = string | Uint8Array

/** What is compared instead of a message that may be long. */
export const describeMessage = (message: Message): string =>
  typeof message === "string"
    ? Frames.describe({ opcode: Frames.TEXT, payload: Buffer.from(message) })
    : Frames.describe({ opcode: Frames.BINARY, payload: Buffer.from(message) })

/** How a connection ended, as the client tells it. */
export interface Closing {
  readonly code: number
  readonly reason: string
  /** Whether Close frames were exchanged. */
  readonly wasClean: boolean
}

/** How a connection ended, and what else the client had to say about it. */
export interface Ending extends Closing {
  /** What it reported as an error (nothing but that there was one: ""), if it did. */
  readonly error?: string | undefined
  /** How many messages came that nobody had waited for. */
  readonly unread: number
}

/** The client could not connect, or didn't do in time what was asked of it. */
export class ClientFailed extends Data.TaggedError("ClientFailed")<{ readonly message: string }> {}

/** A connection of the client. */
export interface Session {
  /** The subprotocol that was agreed on, else nothing. */
  readonly subprotocol: string
  /** The extensions that were agreed on, else nothing. */
  readonly extensions: string
  /** Sends messages without waiting in between, and then waits for so many, by default for as many. */
  readonly exchange: (
    messages: ReadonlyArray<Message>,
    count?: number
  ) => Effect.Effect<ReadonlyArray<Message>, ClientFailed>
  /** Sends a ping, if the client can, and tells what comes within so many milliseconds: "" for nothing at all. */
  readonly hear: (millis: number) => Effect.Effect<string, ClientFailed>
  /** Sends a binary message of so many bytes, and doesn't care whether it arrives. */
  readonly sendBytes: (size: number) => Effect.Effect<void, ClientFailed>
  /** Starts to close. */
  readonly close: (code: number, reason: string) => Effect.Effect<void, ClientFailed>
  /** Waits for the end of the connection. */
  readonly closed: Effect.Effect<Ending, ClientFailed>
}

/** Connects; the connection ends with the scope. */
export type Open = (
  url: string,
  subprotocols?: ReadonlyArray<string>
) => Effect.Effect<Session, ClientFailed, Scope.Scope>

/** A client. */
export interface Client {
  readonly open: Open
  /** The origin from which it connects, if it is a browser. */
  readonly origin?: string
}

/** How long anything may take, in milliseconds. */
const PATIENCE = 15_000

/** Fails when it takes too long. */
export const inTime =
  (what: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | ClientFailed, R> =>
    Effect.timeoutFail(effect, {
      duration: PATIENCE,
      onTimeout: () => new ClientFailed({ message: `waited ${PATIENCE} ms for ${what}` })
    })
