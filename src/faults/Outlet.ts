/**
 * What becomes of echoes while a fault has them: each kind of fault has an outlet of its own.
 */
import * as Chunk from "effect/Chunk"
import type { RawTransport } from "../connection/Transport.js"
import type { Message } from "../protocol/Message.js"
import { later, type Tools } from "./Tools.js"

/** Messages, and bytes of their payloads. */
export interface Count {
  readonly messages: number
  readonly bytes: number
}

/** Where echoes go. */
export interface Outlet {
  /** Takes messages that are to be sent. */
  readonly write: (messages: Chunk.Chunk<Message>) => void
  /** Sends a control frame as soon as there may be one. Of those of a kind that wait for that, the last. */
  readonly control: (kind: "ping" | "pong", send: () => void) => void
  /** Whether there may be none now. */
  readonly isMidFrame: () => boolean
  /** Whether it has all echoes to the last, rather than be over with a stop. */
  readonly isLasting: boolean
  /** What is held back. */
  readonly held: () => Count
  /** What went past the transport's own count. */
  readonly counted: () => Count
  /** The fault is over: what is held back goes out now. */
  readonly release: () => void
}

/** None of them. */
export const NOTHING: Count = { messages: 0, bytes: 0 }

const passing = {
  control: (_: "ping" | "pong", send: () => void): void => send(),
  isMidFrame: () => false,
  isLasting: true,
  held: () => NOTHING,
  counted: () => NOTHING,
  release: (): void => {}
}

/** Swallows everything. */
export const nowhere: Outlet = { ...passing, write: () => {} }

/** Sends each message as many times as `times` says. */
export const repeating = (inner: RawTransport, times: () => number): Outlet => ({
  ...passing,
  write: (messages) => {
    const sent = Chunk.flatMap(messages, (message) =>
      Chunk.fromIterable(Array<Message>(times()).fill(message))
    )
    if (sent.length > 0) inner.write(sent)
  }
})

/** Sends each message so many milliseconds later, in order. With an infinite delay it holds them until it is released. */
export const late = (tools: Tools, onLess: () => void, delay: () => number): Outlet => {
  const { elapsed, inner } = tools
  let held: Array<{ readonly due: number; readonly message: Message }> = []
  let bytes = 0
  let cancel: (() => void) | undefined

  const send = (count: number): void => {
    const going = held.slice(0, count)
    held = held.slice(count)
    for (const { message } of going) bytes -= message.size
    if (going.length > 0) inner.write(Chunk.unsafeFromArray(going.map(({ message }) => message)))
    onLess()
  }

  const wait = (): void => {
    const [next] = held
    if (next === undefined || !Number.isFinite(next.due)) return
    cancel = later(tools, next.due - elapsed(), () => {
      cancel = undefined
      const now = elapsed()
      const first = held.findIndex(({ due }) => due > now)
      send(first < 0 ? held.length : first)
      wait()
    })
  }

  return {
    ...passing,
    isLasting: false,
    write: (messages) => {
      const now = elapsed()
      for (const message of messages) {
        // Order is kept: nobody overtakes.
        const due = Math.max(held.at(-1)?.due ?? 0, now + Math.max(0, delay()))
        held.push({ due, message })
        bytes += message.size
      }
      if (cancel === undefined) wait()
    },
    held: () => ({ messages: held.length, bytes }),
    release: () => {
      cancel?.()
      cancel = undefined
      send(held.length)
    }
  }
}
