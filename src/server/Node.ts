/**
 * Endpoints on a server of `node:http` or `node:https` that the program already has.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { IncomingMessage, Server } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Detached from "../http/Detached.js"
import { notFound } from "../protocol/Handshake.js"
import { pathOf } from "../protocol/Target.js"
import * as Dispatch from "./Dispatch.js"
import type { Engine, Served } from "./Engine.js"

/** What is attached to each server: somebody has to answer for paths that none of them knows. */
const attached = new WeakMap<Server, Set<ReadonlyMap<string, unknown>>>()

/** Takes the upgrades to these paths, until the scope closes; those to others are left to others, if there are any. */
export const attach = <R>(
  engine: Engine,
  server: Server,
  endpoints: ReadonlyMap<string, Served<R>>
): Effect.Effect<void, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const dispatch = Dispatch.make({
      endpoints,
      surroundings: yield* engine.registry.surroundings<R>(),
      onRequest: (request, response) => void server.emit("request", request, response),
      onLost: (request) => {
        const refusal = notFound(pathOf(request.url ?? ""), [...endpoints.keys()])
        engine.onRefused(engine.peerOf(request.socket, request), refusal)
      }
    })
    /** Answers nothing until its time is over. */
    const hang = (socket: Socket): void => {
      engine.log(
        Effect.delay(
          Effect.sync(() => socket.destroy()),
          engine.timeout
        )
      )
      // Read on, to see when the peer has had enough.
      socket.resume()
      socket.once("end", () => socket.destroy())
    }
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      // It is one, unless the program feeds its server with other streams.
      if (!Detached.isSocket(socket)) return
      const path = pathOf(request.url ?? "")
      // One of the program's own, beside those here and the guard, may know what to do.
      const isForeign = server.listenerCount("upgrade") > together.size + 1
      const first = [...together].find((one) => one.has(path)) ?? (isForeign ? undefined : [...together][0])
      if (first !== endpoints) return
      Detached.whenItsTurn(socket, () => {
        dispatch({
          request,
          socket,
          tcp: Detached.tcpOf(socket),
          head,
          response: () => Detached.responseOn(socket, request),
          hang: () => hang(socket)
        })
      })
    }
    const together = attached.get(server) ?? new Set()
    attached.set(server, together)
    Detached.guard(server)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        together.add(endpoints)
        server.on("upgrade", onUpgrade)
      }),
      () =>
        // Those who come meanwhile are told that they come too late.
        Effect.map(engine.drain, () => {
          together.delete(endpoints)
          server.off("upgrade", onUpgrade)
        })
    )
  })
