/**
 * What may happen to a server and its peers, in any order.
 */
import * as FC from "effect/FastCheck"
import * as Arbitrary from "../support/arbitrary.js"
import { badFrames } from "../support/badFrames.js"
import * as Frames from "../support/frames.js"

/**
 * How a peer takes part in the end of a connection: it answers a Close frame and ends TCP, or does neither, nor ever
 * reads again once it has stopped to.
 */
export type Manner = "polite" | "silent"

/** What a Close frame says; an empty one has no code. */
export interface Close {
  readonly code: number | undefined
  readonly reason: string
}

/** Something that a peer does, or that is done to its connection. Which one: any number, modulo how many there are. */
export type PeerAction = { readonly peer: number } & (
  | { readonly _tag: "send"; readonly message: Arbitrary.Outgoing; readonly pings: ReadonlyArray<string> }
  /** Many large messages at once: when nobody reads, more than the kernel takes. */
  | { readonly _tag: "flood"; readonly count: number; readonly isReading: boolean }
  | { readonly _tag: "ping"; readonly text: string }
  | { readonly _tag: "pause" }
  | { readonly _tag: "resume" }
  | { readonly _tag: "close"; readonly close: Close }
  | { readonly _tag: "bad"; readonly what: string; readonly code: number; readonly frame: Buffer }
  /** Ends this side of TCP, perhaps in the middle of something. */
  | { readonly _tag: "halfClose"; readonly unfinished: Buffer }
  | { readonly _tag: "reset" }
)

export type Action =
  | PeerAction
  /** Unless the handshake is awaited, what comes next happens while it goes on. */
  | { readonly _tag: "open"; readonly manner: Manner; readonly isAwaited: boolean }
  | { readonly _tag: "stop"; readonly peer: number; readonly close: Close }
  | { readonly _tag: "stopAll"; readonly close: Close }
  | { readonly _tag: "shutdown" }
  /** Milliseconds; none is a turn of the event loop. */
  | { readonly _tag: "time"; readonly millis: number }

/** The largest message: more than may pile up before reading pauses. */
const MAX_SIZE = 65_537

/** The most peers of a run. */
export const MAX_PEERS = 8

const peer = FC.nat({ max: MAX_PEERS - 1 })

/** Those at the ends of what may be sent, and others. */
const validCode = FC.oneof(
  FC.constantFrom(1000, 1001, 1003, 1007, 1014, 3000, 4999),
  FC.integer({ min: 4000, max: 4999 })
)

const reason = FC.oneof(FC.constant(""), FC.string({ unit: "grapheme", maxLength: 12 }))

const tagged = <T extends string, R>(_tag: T, fields: { [K in keyof R]: FC.Arbitrary<R[K]> }) =>
  FC.record({ _tag: FC.constant(_tag), ...fields })

const open: FC.Arbitrary<Action> = tagged("open", {
  manner: FC.constantFrom<Manner>("polite", "polite", "polite", "polite", "silent"),
  isAwaited: FC.boolean()
})

/** Now and then with a code that can't be sent: then nothing is stopped. */
const stopClose: FC.Arbitrary<Close> = FC.record({
  code: FC.oneof(
    { weight: 8, arbitrary: validCode },
    { weight: 1, arbitrary: FC.constantFrom(1005, 2999, undefined) }
  ),
  reason
})

const bad = FC.oneof(
  FC.constantFrom(...badFrames),
  FC.constantFrom(0, 999, 1004, 1006, 1015, 2999, 5000, 65_535).map(
    (code) => [`a Close frame with the code ${code}`, 1002, Frames.close(code)] as const
  )
)

/** How often each happens, against the others. */
const any: FC.Arbitrary<Action> = FC.oneof(
  {
    weight: 30,
    arbitrary: tagged("send", {
      peer,
      message: Arbitrary.message(MAX_SIZE),
      pings: FC.oneof(FC.constant([]), FC.array(FC.string({ maxLength: 10 }), { maxLength: 3 }))
    })
  },
  { weight: 24, arbitrary: tagged("time", { millis: FC.constantFrom(0, 0, 0, 1, 5, 20) }) },
  {
    weight: 6,
    arbitrary: tagged("flood", {
      peer,
      count: FC.oneof(FC.integer({ min: 1, max: 16 }), FC.integer({ min: 96, max: 128 })),
      isReading: FC.boolean()
    })
  },
  { weight: 6, arbitrary: tagged("ping", { peer, text: FC.string({ maxLength: 10 }) }) },
  { weight: 4, arbitrary: tagged("pause", { peer }) },
  { weight: 8, arbitrary: tagged("resume", { peer }) },
  {
    weight: 4,
    arbitrary: tagged("close", {
      peer,
      close: FC.oneof(
        { weight: 3, arbitrary: FC.record({ code: validCode, reason }) },
        { weight: 1, arbitrary: FC.constant({ code: undefined, reason: "" }) }
      )
    })
  },
  {
    weight: 3,
    arbitrary: FC.tuple(peer, bad).map(([peer, [what, code, frame]]): Action => ({
      _tag: "bad",
      peer,
      what,
      code,
      frame
    }))
  },
  {
    weight: 2,
    arbitrary: tagged("halfClose", {
      peer,
      unfinished: FC.constantFrom(
        Buffer.alloc(0),
        Frames.text("half").subarray(0, 8),
        Frames.frame({ opcode: Frames.TEXT, payload: "half", fin: false })
      )
    })
  },
  { weight: 2, arbitrary: tagged("reset", { peer }) },
  { weight: 3, arbitrary: tagged("stop", { peer, close: stopClose }) },
  { weight: 1, arbitrary: tagged("stopAll", { close: stopClose }) },
  { weight: 1, arbitrary: FC.constant<Action>({ _tag: "shutdown" }) },
  { weight: 4, arbitrary: open }
)

/** What a run is about. */
export interface Script {
  /** Milliseconds that the handler takes for a message; none is the echo of the product. */
  readonly handlerTime: number
  /** Whether a shutdown is cut short, by a deadline that comes before that of any close handshake. */
  readonly isHurried: boolean
  readonly actions: ReadonlyArray<Action>
}

/** Some peers are there from the start. */
export const script: FC.Arbitrary<Script> = FC.record({
  handlerTime: FC.constantFrom(0, 0, 0, 1, 10),
  isHurried: FC.constantFrom(false, false, false, true),
  actions: FC.tuple(
    FC.array(open, { minLength: 1, maxLength: MAX_PEERS - 2, size: "max" }),
    FC.array(any, { maxLength: 80, size: "max" })
  ).map(([first, others]) => first.concat(others))
})

/** Writes an action in one line. */
export const describe = (action: Action): string => {
  switch (action._tag) {
    case "open":
      return `open a ${action.manner} peer${action.isAwaited ? "" : ", without waiting for it"}`
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
    case "pause":
    case "resume":
    case "reset":
      return `${action.peer} ${action._tag}s`
    case "stop":
      return `stop ${action.peer} ${JSON.stringify(action.close)}`
    case "stopAll":
      return `stop all ${JSON.stringify(action.close)}`
    case "shutdown":
      return "shut down"
    case "time":
      return action.millis === 0 ? "a turn" : `${action.millis} ms`
  }
}
