/**
 * Where the connection of this page stands, and how it ended.
 */

/** Where the connection stands. */
export type State =
  | { readonly is: "idle" }
  | { readonly is: "connecting" | "closing"; readonly since: number }
  | {
      readonly is: "open"
      readonly since: number
      /** The query that asked for a fault, to be read by a person. */
      readonly asked: string
      readonly subprotocol: string
    }
  | { readonly is: "ended"; readonly ending: Ending }
  | {
      readonly is: "waiting"
      readonly ending: Ending
      readonly attempt: number
      readonly wait: number
      readonly until: number
    }

/** How a connection ended. */
export interface Ending {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
  /** Whether it had been open: a handshake that failed looks like an end, too. */
  readonly wasOpen: boolean
  readonly lasted: number
  readonly unanswered: number
  /** The fault that was asked for. */
  readonly fault: string | undefined
  /** Whether subprotocols were asked for: one of them must be chosen then. */
  readonly hadSubprotocols: boolean
}
