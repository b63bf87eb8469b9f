/**
 * What becomes of a request that wants to leave HTTP: a connection, or an answer that says why not.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Acceptor, WsSocket } from "../connection/WsSocket.js"
import * as Handshake from "../protocol/Handshake.js"
import type { Admission } from "./Admission.js"
import type { Upgrade } from "./Listener.js"
import type * as Peer from "./Peer.js"
import * as Respond from "./Respond.js"
import { pathOf } from "./Routes.js"

/** A handshake that has been completed. */
export interface Opened {
  readonly ws: WsSocket
  readonly upgrade: Upgrade
  readonly peer: Peer.Peer
  readonly path: string
  readonly subprotocol: string | undefined
}

/** What handshakes are decided by, and what becomes of them. */
export interface HandshakeOptions {
  /** The path of the endpoint. */
  readonly endpoint: string
  readonly policy: Handshake.Policy
  readonly admission: Admission
  readonly acceptor: Acceptor
  readonly peerOf: ReturnType<typeof Peer.make>
  readonly isClosing: () => boolean
  /** An upgrade that leads elsewhere: it is a plain request. */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  readonly onOpen: (opened: Opened) => void
  readonly onRefused: (peer: Peer.Peer, refusal: Handshake.Refusal) => void
}

/** Makes what handles upgrades. */
export const make =
  (options: HandshakeOptions) =>
  (upgrade: Upgrade): void => {
    const { head, request, response, socket } = upgrade
    const path = pathOf(request.url ?? "")
    // To go on in HTTP is the right answer to an Upgrade that is not wanted (RFC 9110 section 7.8).
    if (path !== options.endpoint) return options.onRequest(request, response())
    const peer = options.peerOf(socket, request)
    const refuse = (refusal: Handshake.Refusal): void => {
      options.onRefused(peer, refusal)
      Respond.send(response(), refusal)
    }
    if (options.isClosing()) return refuse(Handshake.draining)
    const { headers, httpVersion, method = "" } = request
    const decision = Handshake.decide({ method, httpVersion, headers }, options.policy)
    if (decision._tag === "Refusal") return refuse(decision)
    // Last, so that nobody takes a place who may not have it.
    const full = options.admission.enter(peer.host, socket)
    if (full !== undefined) return refuse(full)
    const { subprotocol } = decision
    options.acceptor.accept(request, socket, head, {
      subprotocol,
      onOpen: (ws) => options.onOpen({ ws, upgrade, peer, path, subprotocol }),
      onRefused: (message) => refuse(Handshake.refusal(400, "InvalidExtensions", message))
    })
  }
