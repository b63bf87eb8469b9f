/**
 * A peer that follows a script on a TCP connection of its own, with as little as possible behind it: most of the time
 * is to go into the server.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as net from "node:net"

/** What a peer does. Everything that it sends is fixed from the beginning; only when depends on the server. */
export interface Script {
  /** What it sends, each in a turn of the event loop of its own: a TCP segment, as far as the kernel agrees. */
  readonly segments: ReadonlyArray<Buffer>
  /**
   * The segments that begin an input, by their place, where one is only sent if the one before has left the connection
   * open. Some turns pass before it, in which the server in the same process can end it.
   */
  readonly inputs?: ReadonlySet<number>
  /** After so many segments it waits until something comes back, once. */
  readonly pausesAfter: number | undefined
  /** Turns of the event loop that pass before it ends. */
  readonly linger: number
  /**
   * How it ends: it ends its side of TCP, or resets, or leaves it to the server, whose end it then answers. `fin` with
   * a `linger` of 0 comes with the last segment.
   */
  readonly ending: "fin" | "reset" | "server"
}

/** What it saw. */
export interface Outcome {
  readonly bytes: Buffer
  /** How TCP ended: the server ended its side, or reset it, or the peer had reset it itself before either. */
  readonly end: "fin" | "reset" | "own reset"
  /** How many of the inputs of the script were sent on an open connection. */
  readonly inputs: number
}

/** TCP did not end in time. */
export class Hung extends Data.TaggedError("Hung")<{ readonly message: string }> {}

/** How long it may take until TCP has ended, in milliseconds. It takes a few, unless the machine has much else to do. */
const PATIENCE = 15_000
/** Turns before an input: what was sent is read in the next, answered in it or the one after, and the answer read in the third. */
const GAP = 3

/**
 * Follows a script.
 *
 * @param onConnect called with the address of this side, before anything is sent.
 */
export const follow = (
  port: number,
  script: Script,
  onConnect: (local: string) => void
): Effect.Effect<Outcome, Hung> =>
  Effect.async<Outcome, Hung>((resume) => {
    const received: Array<Buffer> = []
    const last = script.segments.length - 1
    let end: Outcome["end"] | undefined
    let isPausing = false
    let sent = 0
    let inputs = 0
    let gap = 0
    let linger = script.linger

    const finish = (): void => {
      if (script.ending === "reset") {
        end ??= "own reset"
        socket.resetAndDestroy()
      } else if (script.ending === "fin" || socket.readableEnded) socket.end()
    }
    const next = (): void => {
      if (socket.destroyed) return
      if (sent > last) {
        if (linger-- > 0) setImmediate(next)
        else finish()
        return
      }
      if (script.inputs?.has(sent) === true) {
        if (gap++ < GAP && sent > 0) {
          setImmediate(next)
          return
        }
        gap = 0
        if (end !== undefined) {
          sent = last + 1
          setImmediate(next)
          return
        }
        inputs++
      }
      const segment = script.segments[sent++] ?? Buffer.alloc(0)
      if (sent > last && script.linger === 0 && script.ending === "fin") {
        socket.end(segment)
        return
      }
      socket.write(segment)
      isPausing = sent === script.pausesAfter && received.length === 0 && !socket.readableEnded
      if (!isPausing) setImmediate(next)
    }
    const wake = (): void => {
      if (!isPausing) return
      isPausing = false
      next()
    }

    const socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true })
    const timer = setTimeout(() => {
      const sofar = JSON.stringify(Buffer.concat(received).toString("latin1").slice(0, 500))
      resume(
        Effect.fail(
          new Hung({
            message: `TCP had not ended after ${PATIENCE} ms (${end ?? "no end came"}, received ${sofar})`
          })
        )
      )
      socket.destroy()
    }, PATIENCE)
    socket.on("connect", () => {
      onConnect(`127.0.0.1:${socket.localPort}`)
      next()
    })
    socket.on("data", (bytes) => {
      received.push(bytes)
      wake()
    })
    socket.on("end", () => {
      end ??= "fin"
      wake()
      if (sent > last) socket.end()
    })
    socket.on("error", () => {
      end ??= "reset"
    })
    socket.on("close", () => {
      clearTimeout(timer)
      // Some resets come without an error.
      resume(Effect.succeed({ bytes: Buffer.concat(received), end: end ?? "reset", inputs }))
    })
    return Effect.async<void>((released) => {
      clearTimeout(timer)
      if (socket.closed) return released(Effect.void)
      socket.once("close", () => released(Effect.void))
      socket.destroy()
    })
  })
