/**
 * Echoes at a rate: frames go out piece by piece, as over a slow network.
 */
import * as Frame from "../protocol/Frame.js"
import type { Outlet } from "./Outlet.js"
import { later, type Tools, whenFlushed } from "./Tools.js"

/** How often a piece goes out, in milliseconds. */
const TICK = 20

/** A frame that waits, or what is left of one. */
interface Waiting {
  readonly pieces: Array<Uint8Array>
  /** The size of the payload. */
  readonly size: number
  /** Whether some of it has been sent: nothing else may be sent before the rest (RFC 6455 section 5.4). */
  isBegun: boolean
}

/** Sends so many bytes a second, headers included. Control frames go out between two frames. */
export const trickle = (tools: Tools, onLess: () => void, rate: number): Outlet => {
  const { elapsed, inner } = tools
  const waiting: Array<Waiting> = []
  const controls = new Map<"ping" | "pong", () => void>()
  let held = 0
  let messages = 0
  let bytes = 0
  let cancel: (() => void) | undefined
  /** Since when bytes are counted, and how many have been sent since. */
  let since = 0
  let sent = 0

  const isMidFrame = (): boolean => waiting[0]?.isBegun === true

  const sendControls = (): void => {
    const ready = [...controls.values()]
    controls.clear()
    for (const send of ready) send()
  }

  /** It is too late. */
  const drop = (): void => {
    waiting.length = 0
    held = 0
    onLess()
  }

  /** Sends so many bytes at most. */
  const send = (most: number): void => {
    let left = most
    for (let frame = waiting[0]; frame !== undefined && left > 0; frame = waiting[0]) {
      frame.isBegun = true
      const piece = frame.pieces[0]
      if (piece !== undefined) {
        if (!inner.writeRaw(piece.subarray(0, left))) return drop()
        if (piece.length > left) frame.pieces[0] = piece.subarray(left)
        else frame.pieces.shift()
        sent += Math.min(left, piece.length)
        left -= Math.min(left, piece.length)
      }
      if (frame.pieces.length > 0) continue
      waiting.shift()
      held -= frame.size
      messages++
      bytes += frame.size
      sendControls()
    }
    onLess()
  }

  const start = (): void => {
    since = elapsed()
    sent = 0
    tick()
  }

  const tick = (): void => {
    cancel = later(tools, TICK, () => {
      cancel = undefined
      // A peer that takes nothing gets nothing on top of it, and not all at once afterwards.
      if (inner.untakenBytes() > 0) return whenFlushed(tools, restart)
      send(Math.floor(((elapsed() - since) * rate) / 1000) - sent)
      if (waiting.length > 0) tick()
    })
  }

  const restart = (): void => {
    if (cancel === undefined && waiting.length > 0) start()
  }

  return {
    write: (chunk) => {
      for (const { _tag, bytes: payload } of chunk) {
        const pieces = [Frame.header(_tag, payload.length), payload].filter(({ length }) => length > 0)
        waiting.push({ pieces, size: payload.length, isBegun: false })
        held += payload.length
      }
      if (cancel === undefined) whenFlushed(tools, restart)
    },
    control: (kind, sendNow) => {
      if (!isMidFrame()) return sendNow()
      // A peer may ask a thousand times within a frame: to answer the last is enough (RFC 6455 section 5.5.3).
      controls.delete(kind)
      controls.set(kind, sendNow)
    },
    isMidFrame,
    isLasting: false,
    held: () => ({ messages: waiting.length, bytes: held }),
    counted: () => ({ messages, bytes }),
    release: () => {
      cancel?.()
      cancel = undefined
      send(Number.POSITIVE_INFINITY)
      sendControls()
    }
  }
}
