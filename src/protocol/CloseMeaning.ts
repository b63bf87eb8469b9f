/**
 * What close codes mean, in the words of their registration, and what to do about them.
 *
 * The source is IANA's "WebSocket Close Code Number Registry"
 * (https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number), which began with RFC 6455
 * section 7.4. What it says of 1012 and 1013 stands in the messages that it refers to: come back after 5 to 30
 * seconds, or only to another address.
 */

/** What a close code says. */
export interface Meaning {
  /** The name under which it is registered, or that of its range. */
  readonly name: string
  /** What it means when a server sends it. */
  readonly meaning: string
  /** What a client does. */
  readonly advice: string
}

const later = "Connect again after a random wait, with back-off."
const never = "Connecting again changes nothing until the cause is gone."
const notOnWire = "It may not stand in a Close frame: the server, or something on the way, breaks RFC 6455."

/** Every code that is registered, and no other. */
export const registered: Readonly<Record<number, Meaning>> = {
  1000: {
    name: "Normal Closure",
    meaning: "the server has done what the connection was for",
    advice: "Nothing is wrong; connect again only if there is more to do."
  },
  1001: {
    name: "Going Away",
    meaning: "the server shuts down or moves away",
    advice: later
  },
  1002: {
    name: "Protocol error",
    meaning: "the server says that it was sent what RFC 6455 doesn't allow",
    advice: "Look at what stands between client and server, and changes frames."
  },
  1003: {
    name: "Unsupported Data",
    meaning: "the server doesn't take this type of message",
    advice: "Send text where it was binary (--binary), or the other way round."
  },
  1004: { name: "Reserved", meaning: "it has no meaning yet", advice: notOnWire },
  1005: {
    name: "No Status Rcvd",
    meaning: "the Close frame was empty: the server gives no reason",
    advice: "Nothing says that something is wrong; the server's log may know."
  },
  1006: {
    name: "Abnormal Closure",
    meaning: "there was no Close frame",
    advice: notOnWire
  },
  1007: {
    name: "Invalid frame payload data",
    meaning: "the server says that a message didn't fit its type, such as text that isn't UTF-8",
    advice: "Look at what stands between client and server, and changes messages."
  },
  1008: {
    name: "Policy Violation",
    meaning: "what it got is against a rule of the server, which may not want to say which",
    advice: never
  },
  1009: {
    name: "Message Too Big",
    meaning: "a message was larger than the server takes",
    advice: "Send smaller ones (--size), or raise the server's limit."
  },
  1010: {
    name: "Mandatory Ext.",
    meaning: "an extension was missing; it is for clients to say, not for servers",
    advice: "A server should refuse the handshake instead."
  },
  1011: {
    name: "Internal Error",
    meaning: "the server met something that it didn't expect",
    advice: `Look into the server's log. ${later}`
  },
  1012: {
    name: "Service Restart",
    meaning: "the server restarts",
    advice: "Connect again after a random wait of 5 to 30 seconds."
  },
  1013: {
    name: "Try Again Later",
    meaning: "the server has too much to do",
    advice: "Connect to another address of it, if there is one; to this one only when a person asks for it."
  },
  1014: {
    name: "Bad Gateway",
    meaning: "a gateway or proxy got an invalid answer from the server behind it, as with HTTP's 502",
    advice: "Look at the server behind the gateway."
  },
  1015: {
    name: "TLS handshake",
    meaning: "the TLS handshake failed",
    advice: notOnWire
  },
  3000: {
    name: "Unauthorized",
    meaning: "the server wants credentials, as with HTTP's 401",
    advice: "Give some, for instance with --header 'Authorization: …'."
  },
  3003: {
    name: "Forbidden",
    meaning: "the credentials don't allow it, as with HTTP's 403",
    advice: never
  },
  3008: {
    name: "Timeout",
    meaning: "the server has waited too long for something, as with HTTP's 408",
    advice: "Send something more often (--interval), or raise the server's limit."
  }
}

/** What a close code means; those that aren't registered, by their range (RFC 6455 section 7.4.2). */
export const meaningOf = (code: number): Meaning => {
  const known = Object.hasOwn(registered, code) ? registered[code] : undefined
  if (known !== undefined) return known
  if (code >= 4000 && code <= 4999) {
    return {
      name: "Private Use",
      meaning: "it means what server and client have agreed on",
      advice: "Look it up in the server's documentation."
    }
  }
  if (code >= 3000 && code <= 3999) {
    return {
      name: "Unassigned",
      meaning: "it is from the range of libraries, frameworks and applications, and not registered",
      advice: "Look it up in the documentation of what the server is built with."
    }
  }
  return { name: "Unassigned", meaning: "it has no meaning that RFC 6455 or IANA knows", advice: notOnWire }
}
