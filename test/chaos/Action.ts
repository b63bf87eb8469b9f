/**
 * What may happen to a server and its peers, in any order.
 */
import type { ConnectionPlan, FaultPlan } from "../../src/faults/FaultPlan.js"
import type * as Arbitrary from "../support/arbitrary.js"
import * as Frames from "../support/frames.js"
import * as FaultPlans from "./FaultPlans.js"

/**
 * How a peer takes part in the end of a connection: it answers a Close frame and ends TCP, or does neither, nor ever
 * reads again once it has stopped to.
 */
export type Manner = "polite" | "silent"

/** What a peer does of itself that shows that it lives: it answers pings, or sends some, again and again. */
export type Signs = "pongs" | "pings" | "none"

/** What a Close frame says; an empty one has no code. */
export interface Close {
  readonly code: number | undefined
  readonly reason: string
}

/** Whichever peer came last. */
export const LATEST = -1

/** Something that a peer does, or that is done to its connection. Which one: any number, modulo how many there are to choose from. */
export type PeerAction = { readonly peer: number } & (
  | { readonly _tag: "send"; readonly message: Arbitrary.Outgoing; readonly pings: ReadonlyArray<string> }
  /** Many large messages at once: when nobody reads, more than the kernel takes. */
  | { readonly _tag: "flood"; readonly count: number; readonly isReading: boolean }
  | { readonly _tag: "ping"; readonly text: string }
  /** From now on it gives no sign of life by itself. */
  | { readonly _tag: "dieAway" }
  | { readonly _tag: "pause" }
  | { readonly _tag: "resume" }
  | { readonly _tag: "close"; readonly close: Close }
  | { readonly _tag: "bad"; readonly what: string; readonly code: number; readonly frame: Buffer }
  /** Ends this side of TCP, perhaps in the middle of something. */
  | { readonly _tag: "halfClose"; readonly unfinished: Buffer }
  | { readonly _tag: "reset" }
)

/** A peer connects. Unless the handshake is awaited, what comes next happens while it goes on. */
export interface Open {
  readonly _tag: "open"
  readonly manner: Manner
  readonly signs: Signs
  /** Where it comes from, as far as a proxy tells. */
  readonly network: number
  /** What it asks to go wrong. */
  readonly fault: FaultPlan | undefined
  readonly isAwaited: boolean
}

export type Action =
  | PeerAction
  | Open
  /** What comes next happens when a connection that is to end has ended: of this peer, or of the next one that has such. */
  | { readonly _tag: "await"; readonly peer: number }
  | { readonly _tag: "stop"; readonly peer: number; readonly close: Close }
  /** Something goes wrong with an open connection from now on. */
  | { readonly _tag: "spoil"; readonly peer: number; readonly plan: ConnectionPlan }
  | { readonly _tag: "stopAll"; readonly close: Close }
  | { readonly _tag: "shutdown" }
  /** Milliseconds; none is a turn of the event loop. */
  | { readonly _tag: "time"; readonly millis: number }

const signs: Readonly<Record<Signs, string>> = {
  pongs: "that answers pings",
  pings: "that pings again and again",
  none: "that answers no pings"
}

/** Writes an action in one line. */
export const describe = (action: Action): string => {
  switch (action._tag) {
    case "open":
      return [
        `open a ${action.manner} peer in network ${action.network} ${signs[action.signs]}`,
        ...(action.fault === undefined ? [] : [`that asks for ${FaultPlans.describe(action.fault)}`]),
        ...(action.isAwaited ? [] : ["without waiting for it"])
      ].join(", ")
    case "await":
      return `wait for the end of ${action.peer}, or of the next that is to end`
    case "send": {
      const { cuts, opcode, payload } = action.message
      const what = `${opcode === Frames.TEXT ? "text" : "binary"} of ${payload.length} bytes`
      const pings = action.pings.length === 0 ? "" : `, pings ${JSON.stringify(action.pings)} between`
      return `${action.peer} sends ${what} in ${cuts.length + 1} fragments${pings}`
    }
    case "flood":
      return `${action.peer} ${action.isReading ? "floods" : "stops reading and floods"}: ${action.count} times 64 KiB`
    case "ping":
      return `${action.peer} pings ${JSON.stringify(action.text)}`
    case "close":
      return `${action.peer} closes ${JSON.stringify(action.close)}`
    case "bad":
      return `${action.peer} sends ${action.what}`
    case "halfClose":
      return `${action.peer} ends its side of TCP, after ${action.unfinished.length} bytes of something unfinished`
    case "dieAway":
      return `${action.peer} gives no sign of life any more`
    case "pause":
    case "resume":
    case "reset":
      return `${action.peer} ${action._tag}s`
    case "stop":
      return `stop ${action.peer} ${JSON.stringify(action.close)}`
    case "spoil":
      return `spoil ${action.peer}: ${FaultPlans.describe(action.plan)}`
    case "stopAll":
      return `stop all ${JSON.stringify(action.close)}`
    case "shutdown":
      return "shut down"
    case "time":
      return action.millis === 0 ? "a turn" : `${action.millis} ms`
  }
}
