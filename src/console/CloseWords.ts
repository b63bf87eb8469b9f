/**
 * Close codes in words: what each says, and what a client makes of it.
 */

/** Whether a client comes back: with back-off, not at all, or as both sides have agreed. */
export type Return = "yes" | "no" | "depends"

export interface Words {
  readonly name: string
  readonly meaning: string
  /** What a good client does. */
  readonly advice: string
  readonly returns: Return
}

const words: Readonly<
  Record<number, readonly [name: string, meaning: string, returns: Return, advice: string]>
> = {
  1000: ["Normal closure", "The purpose of the connection has been fulfilled.", "no", "need not come back."],
  1001: [
    "Going away",
    "The server shuts down or stopped this connection, or a page was left.",
    "yes",
    "comes back after a random wait."
  ],
  1002: [
    "Protocol error",
    "A frame came that RFC 6455 doesn't allow.",
    "no",
    "doesn't come back: one side has a defect, and it would fail again."
  ],
  1003: [
    "Unsupported data",
    "A type of message that the other side doesn't take.",
    "no",
    "sends another type of message."
  ],
  1005: [
    "No status",
    "A Close frame came, without a code.",
    "depends",
    "does what both sides have agreed on."
  ],
  1006: [
    "Abnormal closure",
    "TCP ended without a Close frame. The browser makes this code up: it never stands on the wire.",
    "yes",
    "comes back with back-off, and asks again for what got no answer."
  ],
  1007: [
    "Invalid payload",
    "Data that doesn't fit its type, such as text that isn't UTF-8.",
    "no",
    "mends its data first."
  ],
  1008: [
    "Policy violation",
    "What was sent or who sent it isn't allowed.",
    "no",
    "doesn't come back: it would fail again."
  ],
  1009: [
    "Message too big",
    "A message was larger than the other side takes.",
    "no",
    "sends smaller messages."
  ],
  1010: [
    "Mandatory extension",
    "The client wanted an extension that the server didn't offer.",
    "no",
    "doesn't come back: it would fail again."
  ],
  1011: [
    "Internal error",
    "The server met a condition that it didn't expect.",
    "yes",
    "comes back with back-off."
  ],
  1012: [
    "Service restart",
    "The server restarts, or the connection became too old.",
    "yes",
    "comes back after a random wait."
  ],
  1013: ["Try again later", "The server is overloaded.", "yes", "comes back with a longer back-off."],
  1014: [
    "Bad gateway",
    "A gateway got no good answer from the server behind it.",
    "yes",
    "comes back with back-off."
  ],
  1015: [
    "TLS handshake failed",
    "The browser makes this code up: it never stands on the wire.",
    "no",
    "tells its operator to look at the certificate."
  ],
  3000: ["Unauthorized", "The server wants to know who you are.", "no", "gets credentials first."],
  3003: ["Forbidden", "The server doesn't allow this.", "no", "doesn't come back: it would fail again."],
  3008: ["Timeout", "No message came for too long.", "depends", "comes back when it has something to say."]
}

/** What a close code says. */
export const wordsFor = (code: number): Words => {
  const known = words[code]
  if (known !== undefined) {
    const [name, meaning, returns, advice] = known
    return { name, meaning, returns, advice }
  }
  const kind =
    code >= 4000
      ? "An application's own code: it means what both sides have agreed on."
      : code >= 3000
        ? "A code of a library or framework, registered with IANA."
        : "A code that RFC 6455 keeps for itself."
  return { name: "", meaning: kind, returns: "depends", advice: "does what both sides have agreed on." }
}
