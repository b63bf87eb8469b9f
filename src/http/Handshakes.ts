/**
 * What becomes of a request that wants to leave HTTP: a connection, or an answer that says why not.
 */
import type * as Context from "effect/Context"
import * as Either from "effect/Either"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Acceptor, WsSocket } from "../connection/WsSocket.js"
import type * as FaultPlan from "../faults/FaultPlan.js"
import type { Faults } from "../faults/Faults.js"
import * as Handshake from "../protocol/Handshake.js"
import type { Admission } from "./Admission.js"
import type { Upgrade } from "./Listener.js"
import type * as Peer from "./Peer.js"
import * as Respond from "./Respond.js"
import { pathOf } from "../protocol/Target.js"

/** A handshake that has been completed. */
export interface Opened {
  readonly ws: WsSocket
  readonly upgrade: Upgrade
  readonly peer: Peer.Peer
  readonly path: string
  readonly subprotocol: string | undefined
  readonly plan: FaultPlan.ConnectionPlan | undefined
}

/**
 * Keeps what a peer has sent, and sends, until it is taken, and its end behind that: a socket that has nothing to read
 * tells of its end at once, and then is none to be accepted.
 */
const hold = (socket: Socket, head: Buffer): (() => Buffer) => {
  socket.unshift(Buffer.concat([Buffer.alloc(1), head]))
  return () => {
    const all: unknown = socket.read()
    return Buffer.isBuffer(all) ? all.subarray(1) : Buffer.alloc(0)
  }
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
  /** What is to go wrong with a connection; without it, nothing. */
  readonly faults: Context.Tag.Service<Faults> | undefined
  /** An upgrade that leads elsewhere: it is a plain request. */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  readonly onOpen: (opened: Opened) => void
  readonly onRefused: (peer: Peer.Peer, refusal: Handshake.Refusal) => void
}

/** A refusal that was asked for. */
const onDemand = ({ status, ...plan }: FaultPlan.PlanOf<"refuse">): Handshake.Refusal =>
  Handshake.refusal(
    status,
    "Fault",
    "the handshake is refused, as was asked for",
    plan["retry-after"] === undefined ? {} : { "retry-after": String(plan["retry-after"]) }
  )

/** Makes what handles upgrades. */
export const make =
  (options: HandshakeOptions) =>
  (upgrade: Upgrade): void => {
    const { head, request, response, socket } = upgrade
    const { headers, httpVersion, method = "" } = request
    const path = pathOf(request.url ?? "")
    const peer = options.peerOf(socket, request)
    const decide = () => Handshake.decide({ method, httpVersion, headers }, options.policy)
    if (path !== options.endpoint) {
      const answer = response()
      answer.once("finish", () => {
        // A handshake that came to the wrong place is one that was refused; what else wants to upgrade is none.
        if (answer.statusCode === 404 && decide() !== Handshake.upgradeRequired)
          options.onRefused(peer, Handshake.notFound(path, options.endpoint))
      })
      // To go on in HTTP is the right answer to an Upgrade that is not wanted (RFC 9110 section 7.8).
      return options.onRequest(request, answer)
    }
    const refuse = (refusal: Handshake.Refusal): void => {
      options.onRefused(peer, refusal)
      Respond.send(response(), refusal)
    }
    if (options.isClosing()) return refuse(Handshake.draining)
    const decision = decide()
    if (decision._tag === "Refusal") return refuse(decision)
    const planned = options.faults?.decide({ method, headers, httpVersion, target: request.url ?? "" })
    if (planned !== undefined && Either.isLeft(planned)) return refuse(planned.left)
    const plan = planned?.right
    if (plan?.fault === "hang") return upgrade.hang()
    if (plan?.fault === "refuse") return refuse(onDemand(plan))
    const { subprotocol } = decision
    // Last, so that nobody takes a place who may not have it.
    let held: (() => Buffer) | undefined
    let isDecided = false
    options.admission.enter(peer.host, socket, (full) => {
      isDecided = true
      const rest = held?.() ?? head
      if (full !== undefined) return refuse(full)
      // It may be later than it was.
      if (options.isClosing()) return refuse(Handshake.draining)
      options.acceptor.accept(request, socket, rest, {
        subprotocol,
        onOpen: (ws) => options.onOpen({ ws, upgrade, peer, path, subprotocol, plan }),
        onRefused: (message) => refuse(Handshake.refusal(400, "InvalidExtensions", message))
      })
    })
    if (!isDecided) held = hold(socket, head)
  }
