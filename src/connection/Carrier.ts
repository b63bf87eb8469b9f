/**
 * What happens to a socket, told to whoever it carries. The listeners are the same functions for all sockets: there are
 * many, and each would have three of its own.
 */
import type { Socket } from "node:net"

/** Who is told. */
export interface Carried {
  /** TCP has failed. */
  readonly onFailed: () => void
  /** The peer has ended its side. */
  readonly onEnd: () => void
  /** The socket has closed. */
  readonly onClosed: () => void
}

const CARRIED = Symbol("carried")

interface Carrier extends Socket {
  [CARRIED]?: Carried
}

function onError(this: Carrier): void {
  this[CARRIED]?.onFailed()
}

function onClose(this: Carrier): void {
  this[CARRIED]?.onClosed()
}

function onEnd(this: Carrier): void {
  this[CARRIED]?.onEnd()
}

/** Tells of failure and close before all others who listen by now, and of the end after them. */
export const carry = (socket: Carrier, carried: Carried): void => {
  socket[CARRIED] = carried
  socket.prependListener("error", onError)
  socket.prependListener("close", onClose)
  socket.on("end", onEnd)
}
