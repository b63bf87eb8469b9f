/**
 * How a connection ended, as far as a client can see, and what that means in words.
 */
import * as Data from "effect/Data"
import * as CloseMeaning from "../protocol/CloseMeaning.js"

/** Signals that end the probe, and the exit codes that shells give them. */
export const signals = { SIGINT: 130, SIGTERM: 143 } as const

/** A signal that ends the probe. */
export type Signal = keyof typeof signals

/**
 * How a connection ended.
 *
 * - `Open`: the probe was done, said 1000, and the server answered.
 * - `Unanswered`: the probe was done and said 1000, and the server didn't answer; `seen` is what came instead.
 * - `Close`: the server sent a Close frame; `code` is 1005 when it was empty.
 * - `Reset`: TCP was reset, without a Close frame.
 * - `Eof`: TCP ended without a Close frame; `detail` is what the system called it, if not an orderly end.
 * - `Silent`: not a byte came for `millis`, not even the answer to a ping.
 * - `NoEcho`: the server is alive, but echoes nothing within `millis`.
 * - `Invalid`: the server sent what RFC 6455 doesn't allow; `code` is what `ws` calls it.
 * - `TooMuch`: the server sent a message of more than `limit` bytes or in too many pieces, or too many pings.
 * - `Refused`: the handshake was answered with an HTTP status.
 * - `BadHandshake`: it was answered with something that is no answer to a handshake.
 * - `Timeout`: it wasn't answered within `millis`.
 * - `Unreachable`: there was no TCP connection; `code` is the system's name of the error.
 * - `Tls`: there was no agreement on TLS.
 * - `Interrupted`: a `signal` came while there was no connection yet.
 */
export type Ending = Data.TaggedEnum<{
  Open: {}
  Unanswered: { readonly seen: "nothing" | "eof" | "reset"; readonly millis: number }
  Close: { readonly code: number; readonly reason: string }
  Reset: {}
  Eof: { readonly detail: string | undefined }
  Silent: { readonly millis: number }
  NoEcho: { readonly millis: number }
  Invalid: { readonly code: string; readonly message: string }
  TooMuch: { readonly message: string; readonly limit: number }
  Refused: {
    readonly status: number
    readonly message: string
    readonly retryAfter: string | undefined
    readonly location: string | undefined
  }
  BadHandshake: { readonly message: string }
  Timeout: { readonly millis: number }
  Unreachable: { readonly code: string; readonly message: string }
  Tls: { readonly code: string; readonly message: string }
  Interrupted: { readonly signal: Signal }
}>

/** The constructors and matchers of the cases. */
export const Ending = Data.taggedEnum<Ending>()

/** The word for an ending in `--expect` and in JSON. */
export const kinds = {
  Open: "open",
  Unanswered: "unanswered",
  Close: "close",
  Reset: "reset",
  Eof: "eof",
  Silent: "silent",
  NoEcho: "no-echo",
  Invalid: "invalid",
  TooMuch: "too-much",
  Refused: "refused",
  BadHandshake: "bad-handshake",
  Timeout: "timeout",
  Unreachable: "unreachable",
  Tls: "tls",
  Interrupted: "interrupted"
} as const satisfies Record<Ending["_tag"], string>

/** The word for an ending in `--expect` and in JSON. */
export type Kind = (typeof kinds)[Ending["_tag"]]

/** The kind of an ending. */
export const kindOf = (ending: Ending): Kind => kinds[ending._tag]

/** Whether there was a connection that ended, rather than none. */
export const wasConnected = ({ _tag }: Ending): boolean =>
  !["Refused", "BadHandshake", "Timeout", "Unreachable", "Tls", "Interrupted"].includes(_tag)

/** An ending in words. */
export interface Words {
  /** What happened, in one line. */
  readonly what: string
  /** What it means, and what to do. */
  readonly meaning: string
}

/** A length of time, for a person. */
export const inWords = (millis: number): string =>
  millis < 1000 ? `${Number(millis.toFixed(0))} ms` : `${Number((millis / 1000).toFixed(1))} s`

/** A text from the network, so that it can't do anything to a terminal or take more than its line. */
export const quoted = (text: string): string => {
  const MOST = 200
  const short = text.length > MOST ? `${text.slice(0, MOST)}…` : text
  // Beside what JSON escapes: C1 controls, and what turns the direction of text.
  const escape = (character: string): string =>
    `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`
  return JSON.stringify(short).replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escape)
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`

const afterFailure =
  "The process may have died, or a proxy or load balancer between cut it off (an idle timeout, a restart)."

const unreachable: Readonly<Record<string, string>> = {
  ENOTFOUND: "No such host: check the name, and DNS.",
  EAI_AGAIN: "DNS doesn't answer: check the resolver, or the network.",
  ECONNREFUSED: "Nothing listens on that port: check host and port, and that the server runs.",
  ETIMEDOUT: "TCP gets no answer: a firewall may drop it, or the host is down.",
  EHOSTUNREACH: "There is no way to that host: check address and routes.",
  ENETUNREACH: "There is no way to that network: check address and routes.",
  EMFILE: "Too many files are open here: raise `ulimit -n`."
}

const tls: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "The certificate is signed by itself: --insecure takes it nevertheless.",
  SELF_SIGNED_CERT_IN_CHAIN:
    "The certificate comes from an authority that isn't trusted here: give it in NODE_EXTRA_CA_CERTS, or use --insecure.",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "The server doesn't send the certificates between its own and the authority's: give it the whole chain.",
  CERT_HAS_EXPIRED: "The certificate has expired: renew it.",
  ERR_TLS_CERT_ALTNAME_INVALID: "The certificate is for another name than that in the URL.",
  EPROTO: "That port may not speak TLS: try ws:// instead of wss://."
}

const refusal = (status: number): string => {
  if (status >= 300 && status < 400) return "Connect to where it points; the probe doesn't follow."
  switch (status) {
    case 200:
      return "The server took it for an ordinary request: the path isn't a WebSocket endpoint, or a proxy drops the Upgrade header."
    case 401:
      return "The server wants credentials, for instance --header 'Authorization: …'."
    case 403:
      return "The server doesn't allow it: origin (--origin), credentials or address."
    case 404:
      return "There is no WebSocket endpoint at that path."
    case 426:
      return "The server saw no handshake, or wants another version: a proxy may drop the Upgrade header."
    case 429:
      return "Too many connections or attempts from here: wait."
    case 502:
    case 504:
      return "A gateway got no good answer from the server behind it."
    case 503:
      return "The server is full, drains, or has no backend: wait, and try again."
    default:
      return status >= 500 ? "The server failed: look into its log." : "The server doesn't take this request."
  }
}

/** Says what happened, what that means, and what to do. */
export const inWordsOf: (ending: Ending) => Words = Ending.$match({
  Open: (): Words => ({
    what: "closed by the probe with 1000, and answered",
    meaning: "The connection was open to the end."
  }),
  Unanswered: ({ millis, seen }) => ({
    what:
      seen === "nothing"
        ? `closed by the probe with 1000, and not answered within ${inWords(millis)}`
        : `closed by the probe with 1000, and ${seen === "eof" ? "TCP ended" : "TCP was reset"} without an answer`,
    meaning:
      "The server, or a proxy, doesn't finish the close handshake (RFC 6455 section 7.1.2): other clients will wait for it, and report 1006."
  }),
  Close: ({ code, reason }) => {
    const { advice, meaning, name } = CloseMeaning.meaningOf(code)
    const said = reason === "" ? "" : `: ${quoted(reason)}`
    return {
      what:
        code === 1005
          ? "closed by the server without a code (1005)"
          : `closed by the server with ${code} (${name})${said}`,
      meaning: `${sentence(meaning)} ${advice}`
    }
  },
  Reset: (): Words => ({
    what: "TCP reset without a Close frame (1006)",
    meaning: `${afterFailure} What was on its way is lost.`
  }),
  Eof: ({ detail }) => ({
    what: `TCP ended without a Close frame (1006)${detail === undefined ? "" : `: ${quoted(detail)}`}`,
    meaning: `${afterFailure} A reset that comes together with data looks the same.`
  }),
  Silent: ({ millis }) => ({
    what: `silence: not a byte for ${inWords(millis)}, nor an answer to a ping`,
    meaning:
      "TCP is open, and nobody answers: the server hangs, the network is cut, or a NAT or proxy has forgotten the connection."
  }),
  NoEcho: ({ millis }) => ({
    what: `no echo within ${inWords(millis)}, though the server is alive`,
    meaning:
      "It isn't an echo server, or one that is slower. --ping measures any server; --timeout waits longer."
  }),
  Invalid: ({ code, message }) => ({
    what: `the server broke the protocol: ${quoted(message)} (${code})`,
    meaning:
      "The probe failed the connection (RFC 6455 section 7.1.7). Either the server's frames are wrong, or something between changes bytes."
  }),
  TooMuch: ({ limit, message }) => ({
    what: `the server sent more than the probe takes: ${quoted(message)}`,
    meaning: `The probe failed the connection: it takes messages of ${limit} bytes at most, 16 MiB or twice --size, and in 16384 fragments.`
  }),
  Refused: ({ location, message, retryAfter, status }) => ({
    what: `handshake refused with HTTP ${status}${message === "" ? "" : `: ${quoted(message)}`}`,
    meaning: [
      refusal(status),
      ...(location === undefined ? [] : [`Location: ${quoted(location)}.`]),
      ...(retryAfter === undefined ? [] : [`Retry-After: ${quoted(retryAfter)}.`])
    ].join(" ")
  }),
  BadHandshake: ({ message }) => ({
    what: `handshake failed: ${quoted(message)}`,
    meaning: "What answers there doesn't speak WebSocket, or something between spoils the handshake."
  }),
  Timeout: ({ millis }) => ({
    what: `handshake not answered within ${inWords(millis)}`,
    meaning:
      "The host is silent, or the server takes connections and doesn't serve them: it hangs or is overloaded."
  }),
  Unreachable: ({ code, message }) => ({
    what: `could not connect: ${quoted(message)} (${code})`,
    meaning: unreachable[code] ?? "Check host, port and network."
  }),
  Tls: ({ code, message }) => ({
    what: `TLS failed: ${quoted(message)} (${code})`,
    meaning: tls[code] ?? "Check the server's certificate and TLS versions."
  }),
  Interrupted: ({ signal }) => ({
    what: `interrupted by ${signal} before there was a connection`,
    meaning: "Nothing was learnt."
  })
})
