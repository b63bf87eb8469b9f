/**
 * How many connections may be open, in all and from one address.
 *
 * A place is taken by a handshake before it is answered, and given back when its TCP connection has closed, whatever
 * became of it. One process keeps count, in steps between which nothing else runs, so the limits are exact.
 */
import type { Socket } from "node:net"
import { refusal, type Refusal } from "../protocol/Handshake.js"

/** Infinite for no limit. */
export interface Limits {
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
}

/** How soon to come back, in seconds: places are given back at any time, and everybody comes back at once. */
const RETRY_AFTER = { "retry-after": "5" }

/** Lets connections in. */
export interface Admission {
  /** Takes a place for a host until the socket has closed; or tells why there is none. Calls back now or later. */
  readonly enter: (host: string, socket: Socket, decided: (full: Refusal | undefined) => void) => void
}

/** Counts those who are in. */
export class Places {
  readonly #limits: Limits
  readonly #what: string
  readonly #otherwise: (option: string) => string
  readonly #byHost = new Map<string, number>()
  #count = 0

  /**
   * @param what they are places of.
   * @param otherwise what to do, beside coming back, with the name of the option.
   */
  constructor(
    limits: Limits,
    what = "the server",
    otherwise = (option: string) => `start the server with another --${option}`
  ) {
    this.#limits = limits
    this.#what = what
    this.#otherwise = otherwise
  }

  /** Takes a place for a host; or tells why there is none. */
  take(host: string): Refusal | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.#limits
    const ofHost = this.#byHost.get(host) ?? 0
    if (ofHost >= maxConnectionsPerAddress) {
      return refusal(
        429,
        "TooManyConnectionsFromAddress",
        `${host} has ${ofHost} connections open, as many as one address may have: close one, or ${this.#otherwise("max-connections-per-address")}`,
        RETRY_AFTER
      )
    }
    if (this.#count >= maxConnections) {
      return refusal(
        503,
        "TooManyConnections",
        `${this.#what} has ${this.#count} connections open, as many as it may have: try again later, or ${this.#otherwise("max-connections")}`,
        RETRY_AFTER
      )
    }
    this.#count++
    this.#byHost.set(host, ofHost + 1)
    return undefined
  }

  /** Gives back places of a host. */
  giveBack(host: string, places = 1): void {
    this.#count -= places
    const left = (this.#byHost.get(host) ?? 0) - places
    // Addresses that have gone must not stay behind, one by one.
    if (left > 0) this.#byHost.set(host, left)
    else this.#byHost.delete(host)
  }
}

/** Lets in those whom both let in, the first being asked first. */
export const both = (first: Admission, second: Admission): Admission => ({
  enter: (host, socket, decided) => {
    first.enter(host, socket, (full) => {
      if (full === undefined) second.enter(host, socket, decided)
      else decided(full)
    })
  }
})

/** Lets in those for whom this process has a place. */
export const ofPlaces = (places: Places): Admission => ({
  enter: (host, socket, decided) => {
    const full = places.take(host)
    if (full === undefined) {
      // One that has closed already won't say so again.
      if (socket.closed) places.giveBack(host)
      else socket.on("close", () => places.giveBack(host))
    }
    decided(full)
  }
})
