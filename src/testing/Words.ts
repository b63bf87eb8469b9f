/**
 * How the test kit tells what was sent, and why a connection ended.
 */
import * as Cause from "effect/Cause"
import type { Message } from "../protocol/Message.js"
import type { StopReason } from "../protocol/StopReason.js"

/** What is shown of a message, in characters or bytes. */
const LONGEST = 60

const quoted = (text: string): string => JSON.stringify(text)

/** Tells a message: its type, and how it begins. */
export const ofMessage = ({ _tag, bytes, text }: Message): string => {
  if (_tag === "Binary") {
    const hex = Buffer.from(bytes.subarray(0, LONGEST / 2)).toString("hex")
    return `binary ${hex}${bytes.length > LONGEST / 2 ? `… (${bytes.length} bytes)` : ""}`
  }
  return text.length > LONGEST
    ? `text ${quoted(text.slice(0, LONGEST))}… (${bytes.length} bytes)`
    : `text ${quoted(text)}`
}

/** Tells a Close frame, by its code and its reason. */
export const ofClose = (code: number, reason: string): string =>
  `close ${code}${reason === "" ? "" : ` ${quoted(reason)}`}`

/** Tells why a connection ended. */
export const ofReason = (reason: StopReason): string => {
  switch (reason._tag) {
    case "PeerClosed":
    case "ProtocolError":
    case "StopSignal":
      return `${reason._tag} ${reason.code}${reason.reason === "" ? "" : ` ${quoted(reason.reason)}`}`
    case "ServerShutdown":
      return `${reason._tag} ${reason.code}`
    case "HandlerFailed": {
      const [first] = Cause.prettyErrors(reason.cause)
      return `${reason._tag}: ${first === undefined ? Cause.pretty(reason.cause) : `${first.name}: ${first.message}`}`
    }
    case "Fault":
      return `${reason._tag} ${reason.kind}`
    case "HeartbeatTimeout":
    case "IdleTimeout":
    case "LifetimeReached":
    case "PeerVanished":
    case "SlowConsumer":
      return reason._tag
  }
}
