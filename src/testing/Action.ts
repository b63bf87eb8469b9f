/**
 * What a server does to a connection, as its transport is told.
 */
import * as Frame from "../protocol/Frame.js"
import type { Message } from "../protocol/Message.js"

/** Something that is done to the connection. */
export type Action =
  | { readonly _tag: "write"; readonly messages: ReadonlyArray<Message> }
  | { readonly _tag: "seal" }
  | { readonly _tag: "close"; readonly code: number | undefined; readonly reason: string }
  | { readonly _tag: "end" }
  | { readonly _tag: "ping"; readonly payload: string }
  | { readonly _tag: "pong"; readonly payload: string }
  | { readonly _tag: "raw"; readonly bytes: Buffer }
  | { readonly _tag: "destroy" }
  | { readonly _tag: "reset" }

/** What the header of a control frame takes, and that of a client's frame more, for its mask (RFC 6455 section 5.2). */
const HEADER = 2
const MASK = 4

/** How many bytes a control frame of a client takes, with so many of payload. */
export const sizeOfControl = (payload: number): number => HEADER + MASK + payload

/** How many bytes messages of a client take. */
export const sizeOfMessages = (messages: ReadonlyArray<Message>): number =>
  Frame.sizeOf(messages) + MASK * messages.length

/** How many bytes something takes that is done. */
export const sizeOf = (action: Action): number => {
  switch (action._tag) {
    case "write":
      return Frame.sizeOf(action.messages)
    case "close":
      return action.code === undefined ? HEADER : HEADER + 2 + Buffer.byteLength(action.reason)
    case "ping":
    case "pong":
      return HEADER + action.payload.length
    case "raw":
      return action.bytes.length
    case "seal":
    case "end":
    case "destroy":
    case "reset":
      return 0
  }
}
