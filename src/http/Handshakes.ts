/**
 * What becomes of a request that wants to leave HTTP: a connection, or an answer that says why not.
 */
import type * as Context from "effect/Context"
import * as Either from "effect/Either"
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import type { About } from "../connection/About.js"
import type { Acceptor, WsSocket } from "../connection/WsSocket.js"
import type * as FaultPlan from "../faults/FaultPlan.js"
import type { Faults } from "../faults/Faults.js"
import * as Handshake from "../protocol/Handshake.js"
import type { Admission } from "./Admission.js"
import { ignore } from "./Detached.js"
import type { Upgrade } from "./Listener.js"
import type * as Peer from "./Peer.js"
import { pathOf } from "../protocol/Target.js"

/** A request for an endpoint that wants to leave HTTP, and how it is answered if it may not. */
export interface Arrival extends Pick<Upgrade, "head" | "request" | "socket" | "tcp"> {
  readonly refuse: (refusal: Handshake.Refusal) => void
  /** Answers nothing until its time is over. */
  readonly hang: () => void
  /** Whether somebody else has answered it meanwhile: then nothing becomes of it. */
  readonly isAnswered?: () => boolean
}

/** A handshake that is right, as far as RFC 6455 and the policy go. */
export interface Asked extends Required<About> {
  readonly peer: Peer.Peer
  /** On which it came; nothing is to be read from it. */
  readonly socket: Socket
}

/** A handshake that has been completed. */
export interface Opened {
  readonly ws: WsSocket
  readonly asked: Asked
  /** The TCP connection under the socket. */
  readonly tcp: Socket
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

/** What an endpoint asks of handshakes. */
export interface Terms {
  readonly policy: Omit<Handshake.Policy, "scheme">
  readonly admission: Admission
  readonly acceptor: Acceptor
}

/** What handshakes are decided by, at all endpoints of a server. */
export interface HandshakeOptions {
  readonly peerOf: ReturnType<typeof Peer.make>
  readonly isClosing: () => boolean
  /** What is to go wrong with a connection; without it, nothing. */
  readonly faults: Context.Tag.Service<Faults> | undefined
  readonly onRefused: (peer: Peer.Peer, refusal: Handshake.Refusal) => void
}

/** What the program makes of a handshake. */
export interface Deciding<A> {
  /** Lets it in, with what is known of the peer then, or not. Calls back now or later. */
  readonly authorize: (asked: Asked, decided: (result: Either.Either<A, Handshake.Refusal>) => void) => void
  readonly onOpen: (opened: Opened, authorized: A) => void
}

/** A refusal that was asked for. */
const onDemand = ({ status, ...plan }: FaultPlan.PlanOf<"refuse">): Handshake.Refusal =>
  Handshake.refusal(
    status,
    "Fault",
    "the handshake is refused, as was asked for",
    plan["retry-after"] === undefined ? {} : { "retry-after": String(plan["retry-after"]) }
  )

/** What the decision on a request rests on. With TLS, Node marks the socket. */
const factsOf = ({ headers, httpVersion, method = "" }: IncomingMessage): Handshake.Request => ({
  method,
  httpVersion,
  headers
})

/** Whether a request is the handshake of a WebSocket, right or wrong. */
export const isHandshake = (request: IncomingMessage, policy: Omit<Handshake.Policy, "scheme">): boolean =>
  Handshake.decide(factsOf(request), { ...policy, scheme: "http" }) !== Handshake.upgradeRequired

/** Makes what decides on the handshakes of an endpoint. */
export const make =
  (terms: Terms, options: HandshakeOptions) =>
  <A>({ head, request, socket, tcp, ...answers }: Arrival, { authorize, onOpen }: Deciding<A>): void => {
    const { headers, url = "" } = request
    const peer = options.peerOf(socket, request)
    const refuse = (refusal: Handshake.Refusal): void => {
      options.onRefused(peer, refusal)
      answers.refuse(refusal)
    }
    if (options.isClosing()) return refuse(Handshake.draining)
    const facts = factsOf(request)
    const scheme = "encrypted" in socket ? "https" : "http"
    const decision = Handshake.decide(facts, { ...terms.policy, scheme })
    if (decision._tag === "Refusal") return refuse(decision)
    const planned = options.faults?.decide({ ...facts, target: url })
    if (planned !== undefined && Either.isLeft(planned)) return refuse(planned.left)
    const plan = planned?.right
    if (plan?.fault === "hang") return answers.hang()
    if (plan?.fault === "refuse") return refuse(onDemand(plan))
    const { subprotocol } = decision
    const asked: Asked = { peer, socket, path: pathOf(url), target: url, headers, subprotocol }
    let held: (() => Buffer) | undefined
    let isDecided = false
    const decide = (refusal: Handshake.Refusal | undefined, accept: (rest: Buffer) => void): void => {
      isDecided = true
      const rest = held?.() ?? head
      if (answers.isAnswered?.() === true) return
      if (refusal !== undefined) return refuse(refusal)
      // It may be later than it was.
      if (options.isClosing()) return refuse(Handshake.draining)
      accept(rest)
    }
    const accept = (authorized: A) => (rest: Buffer) => {
      terms.acceptor.accept(request, socket, rest, {
        subprotocol,
        onOpen: (ws) => {
          // `ws` listens to them now; of three listeners Node keeps a list with room for nineteen.
          socket.off("error", ignore)
          onOpen({ ws, asked, tcp, plan }, authorized)
        },
        onRefused: (message) => refuse(Handshake.refusal(400, "InvalidExtensions", message))
      })
    }
    // After the rest, so that nobody takes a place who may not have it.
    terms.admission.enter(peer.host, socket, (full) => {
      if (full !== undefined || options.isClosing()) return decide(full ?? Handshake.draining, () => {})
      authorize(asked, (result) =>
        Either.isLeft(result) ? decide(result.left, () => {}) : decide(undefined, accept(result.right))
      )
    })
    if (!isDecided) held = hold(socket, head)
  }
