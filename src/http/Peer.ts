/**
 * Who is on the other side of a TCP connection: the peer itself, or the client for whom a trusted proxy speaks.
 */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import * as Network from "../config/Network.js"

/** Who a connection is with. */
export interface Peer {
  /** What the limits count: an IPv4 address or an IPv6 network. */
  readonly host: string
  /** `address:port` of a TCP peer; the address alone of a client behind a trusted proxy, whose port isn't known. */
  readonly remote: string
}

/** Tells who is on the other side, as far as the request tells; of one that can't be read, it is the TCP peer. */
export const make = (proxies: ReadonlyArray<Network.Network>) => {
  const isTrusted = Network.among(proxies)
  return (socket: Socket, request?: IncomingMessage): Peer => {
    // Node has no address for a peer that is gone already.
    const address = Network.unmapped(socket.remoteAddress ?? "unknown")
    const header = request?.headers["x-forwarded-for"]
    const client = Network.forwardedFor(isTrusted, address, Array.isArray(header) ? header.join(",") : header)
    return client === undefined
      ? { host: Network.hostOf(address), remote: Network.withPort(address, socket.remotePort ?? 0) }
      : { host: Network.hostOf(client), remote: client }
  }
}
