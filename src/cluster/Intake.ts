/**
 * The socket on which a server of many processes listens: the primary accepts its TCP connections, and gives each to the
 * next worker.
 *
 * `node:cluster` would share a socket itself, but a connection that it hands to a worker which ends at that moment is
 * then nobody's: it stays open, and its peer waits for ever (seen with Node 20 to 26). Here it goes to another worker. And
 * the socket is there as long as the primary is, also while there is no worker at all.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import * as HttpServer from "../http/HttpServer.js"
import type { StartError } from "../http/StartError.js"

/** Who takes connections. */
export interface Taker {
  readonly isOpen: boolean
  /** Whether it is given none for now. */
  readonly isHeldUp: boolean
  readonly give: (socket: net.Socket) => void
}

/** Where to listen. */
export interface IntakeOptions {
  readonly host: string
  readonly port: number
  /** How long a connection may wait for somebody to take it, in milliseconds. */
  readonly patience: number
}

/** A socket that listens. */
export interface Intake {
  readonly bound: HttpServer.Bound
  /** Gives a connection to the next who takes any; while nobody does it waits. */
  readonly give: (socket: net.Socket) => void
  /** Looks whether somebody takes those that wait, and drops those that have waited for too long. */
  readonly look: () => void
  /** Listens no more. */
  readonly close: () => void
}

/** Connections that wait while nobody takes any. More are refused, as they are where nobody listens. */
const MOST_WAITING = 1000

/** Starts to listen, until the scope closes. */
export const make = (
  { host, patience, port }: IntakeOptions,
  takers: () => ReadonlyArray<Taker>
): Effect.Effect<Intake, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    /** Since when each waits. */
    const waiting = new Map<net.Socket, number>()
    let turn = 0
    const give = (socket: net.Socket): void => {
      if (socket.destroyed) return
      const able = takers().filter(({ isHeldUp, isOpen }) => isOpen && !isHeldUp)
      const next = able[turn++ % able.length]
      if (next !== undefined) next.give(socket)
      else if (waiting.size < MOST_WAITING) waiting.set(socket, waiting.get(socket) ?? performance.now())
      else socket.destroy()
    }
    const server = yield* Effect.acquireRelease(
      Effect.sync(() =>
        // What comes is for the worker to read.
        net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
          // A reset at any moment must find a listener.
          socket.on("error", () => {})
          socket.once("close", () => waiting.delete(socket))
          give(socket)
        })
      ),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const socket of waiting.keys()) socket.destroy()
        })
    )
    const bound = yield* HttpServer.listen(server, host, port)
    // It listens on.
    server.on("error", () => {})
    return {
      bound,
      give,
      look: () => {
        const now = performance.now()
        for (const [socket, since] of waiting) {
          if (now - since > patience) socket.destroy()
          else if (takers().some(({ isHeldUp, isOpen }) => isOpen && !isHeldUp)) {
            waiting.delete(socket)
            give(socket)
          }
        }
      },
      close: () => server.close()
    }
  })
