/**
 * Requests that want to leave HTTP, each to the endpoint at its path.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Upgrade } from "../http/Listener.js"
import * as Respond from "../http/Respond.js"
import { pathOf } from "../protocol/Target.js"
import type { Surroundings } from "../registry/Registry.js"
import type { Served } from "./Engine.js"

/** Where upgrades lead. */
export interface DispatchOptions<R> {
  /** By their paths. */
  readonly endpoints: ReadonlyMap<string, Served<R>>
  readonly surroundings: Surroundings<R>
  /** An upgrade that leads elsewhere: it is a plain request. */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
  /** A handshake came to a path where there is nothing. */
  readonly onLost: (request: IncomingMessage) => void
}

/** Makes what handles upgrades. */
export const make =
  <R>({ endpoints, onLost, onRequest, surroundings }: DispatchOptions<R>) =>
  (upgrade: Upgrade): void => {
    const { request } = upgrade
    const served = endpoints.get(pathOf(request.url ?? ""))
    if (served !== undefined) {
      const refuse = (refusal: Parameters<typeof Respond.send>[1]): void =>
        Respond.send(upgrade.response(), refusal)
      return served.take({ ...upgrade, refuse }, { surroundings })
    }
    const answer = upgrade.response()
    answer.once("finish", () => {
      // A handshake that came to the wrong place is one that was refused; what else wants to upgrade is none.
      if (answer.statusCode === 404 && [...endpoints.values()].some((one) => one.isHandshake(request)))
        onLost(request)
    })
    // To go on in HTTP is the right answer to an Upgrade that is not wanted (RFC 9110 section 7.8).
    onRequest(request, answer)
  }
