/**
 * The admin API, as the routes know it: the paths that are its own, and who is let in. The rest is loaded when somebody
 * first asks for it, since most of a server's start would go into it.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as Peer from "../http/Peer.js"
import * as Respond from "../http/Respond.js"
import type * as Routes from "../http/Routes.js"
import type { Refusal } from "../protocol/Handshake.js"
import type { Joined } from "../cluster/Cluster.js"
import * as Access from "./Access.js"
import * as EventFeed from "./EventFeed.js"
import type { Steered } from "./Handlers.js"

/** Who is let in, and to what. */
export interface AdminOptions {
  readonly policy: Access.Policy
  readonly cluster: Pick<Joined, "fleet" | "events" | "follow" | "epoch">
  /** Whether anything can be made to go wrong with connections. */
  readonly hasFaults: boolean
  /** How many milliseconds a response may be stuck; infinite for never. */
  readonly sendTimeout: number
  /** Ends the responses that last when it is done. */
  readonly closing: Deferred.Deferred<void>
  /** Somebody was kept out. */
  readonly onRefused: (peer: Peer.Peer, refusal: Refusal) => void
  readonly peerOf: ReturnType<typeof Peer.make>
}

/** The paths of the API, whatever is there: strangers don't learn what isn't. */
const own = /^\/(?:connections(?:\/.*)?|events|openapi\.json|docs)$/s

/** Makes the API. */
export const make = (options: AdminOptions): Effect.Effect<Routes.Admin, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { closing, cluster, hasFaults, onRefused, peerOf, policy, sendTimeout } = options
    const scope = yield* Effect.scope
    const feed = EventFeed.make({
      ...cluster,
      // Sooner than the server would take it for stuck.
      quiet: Math.min(EventFeed.MOST_QUIET, sendTimeout / 2),
      closing
    })
    const steered: Steered = { fleet: cluster.fleet, hasFaults, feed }
    const load = yield* Effect.cached(
      Effect.promise(() => import("./AdminApp.js")).pipe(
        Effect.flatMap(({ make }) => Scope.extend(make(steered), scope)),
        // Whoever asked for it first may have gone.
        Effect.uninterruptible
      )
    )
    let loaded: HttpApp.Default | undefined
    const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const message = NodeHttpServerRequest.toIncomingMessage(request)
      const { httpVersion, rawHeaders, socket, url } = message
      const caller = { address: socket.remoteAddress, target: url ?? "", httpVersion, rawHeaders }
      const refused = Access.decide(caller, policy)
      if (refused === undefined) {
        return loaded ?? Effect.flatMap(load, (app) => (loaded = app))
      }
      onRefused(peerOf(socket, message), refused)
      return Effect.succeed(Respond.toResponse(refused))
    })
    return { hasPath: (path) => own.test(path), app }
  })
