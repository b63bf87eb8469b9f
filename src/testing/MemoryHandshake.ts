/**
 * A handshake without HTTP: decided on as one that came by it.
 */
import * as Effect from "effect/Effect"
import type { About } from "../connection/About.js"
import type { Handle } from "../connection/Handler.js"
import * as Handshake from "../protocol/Handshake.js"
import { pathOf } from "../protocol/Target.js"
import * as Authorize from "../server/Authorize.js"
import type { Endpoint } from "../server/Endpoint.js"
import { HandshakeRefused } from "../server/HandshakeRefused.js"
import type { ServerSettings } from "../ServerConfig.js"
import type { PeerOptions } from "./Peer.js"

/** What every handshake has (RFC 6455 section 4.1). */
const usual = {
  host: "localhost",
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="
}

/** The headers of a handshake, as Node gives them. */
const headersOf = ({ headers = {}, subprotocol }: PeerOptions): Record<string, string> => {
  const offered = typeof subprotocol === "string" ? subprotocol : (subprotocol ?? []).join(", ")
  return {
    ...usual,
    ...(offered === "" ? {} : { "sec-websocket-protocol": offered }),
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  }
}

/** What a handshake is answered with, as a failure. */
export const refused = ({ error, headers, message, status }: Handshake.Refusal): HandshakeRefused =>
  new HandshakeRefused({ error, headers, message, status })

/** The address of a peer, without its port. */
export const hostOf = (remote: string): string => remote.replace(/:\d+$/, "")

/** A handshake that is accepted. */
export interface Shaken<R> {
  readonly about: Required<About>
  readonly handle: Handle<unknown, R>
}

/** Decides on a handshake by the policy of the endpoint, and then asks the program. */
export const shake = <R>(
  { admit }: Endpoint<R>,
  { handshakeTimeout, origins, subprotocols }: ServerSettings,
  options: PeerOptions,
  remote: string
): Effect.Effect<Shaken<R>, HandshakeRefused, R> =>
  Effect.suspend(() => {
    const { target = "/" } = options
    const headers = headersOf(options)
    const decision = Handshake.decide(
      { method: "GET", httpVersion: "1.1", headers },
      { scheme: "http", origins, subprotocols }
    )
    if (decision._tag === "Refusal") return Effect.fail(refused(decision))
    const about = { path: pathOf(target), target, headers, subprotocol: decision.subprotocol }
    if (admit._tag === "All") return Effect.succeed({ about, handle: admit.handle })
    const asked = Effect.suspend(() => admit.authorize(Authorize.requestOf(about, remote)))
    return Effect.map(Authorize.inTime(asked, handshakeTimeout), (handle) => ({ about, handle }))
  })
