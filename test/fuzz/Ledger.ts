/**
 * What a server says about its connections, kept to be balanced: each that was opened ends once, for one reason, and
 * the events and the log agree about it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionEvent, StopReason } from "../../src/index.js"
import { eventually } from "../support/eventually.js"
import type { TestServer } from "../support/server.js"

/** How a connection ended. */
export interface Ending {
  readonly reason: StopReason
  readonly messagesIn: number
  readonly messagesOut: number
}

/** A ledger that is being kept. */
export interface Ledger {
  /** Forgets about a peer: another now has its address. */
  readonly forget: (remote: string) => void
  /** The ending of the connection of a peer, once; `undefined` if no handshake of it was accepted, as far as is known. */
  readonly taken: (remote: string) => Ending | undefined
  /** Waits for the ending of a connection. */
  readonly ending: (remote: string) => Effect.Effect<Ending, Error>
  /** Waits until all that were opened have ended but for so many, and complains of what isn't in order. */
  readonly balanced: (open: number) => Effect.Effect<{ readonly opened: number }, Error>
}

interface Entry {
  readonly remote: string
  stopping: StopReason | undefined
}

/** Begins to keep one. */
export const keep = (server: TestServer): Effect.Effect<Ledger, never, Scope.Scope> =>
  Effect.gen(function* () {
    const live = new Map<string, Entry>()
    const endings = new Map<string, Ending>()
    /** Those that have ended, and why, as long as the log wasn't seen to say so too. */
    const closed = new Map<string, string>()
    const problems: Array<string> = []
    const waiting = new Map<string, () => void>()
    const ids = new Set<string>()
    let logged = 0
    let linesRead = 0

    const complain = (id: string, problem: string): void => {
      problems.push(`connection ${id} ${problem}`)
    }
    const onEvent = (event: ConnectionEvent): void => {
      const { id, messagesIn, messagesOut, remote } = event.connection
      const entry = live.get(id)
      if (event._tag === "opened") {
        if (ids.has(id)) complain(id, "was opened twice")
        ids.add(id)
        live.set(id, { remote, stopping: undefined })
        return
      }
      if (entry === undefined) return complain(id, `had a ${event._tag} event, and was not open`)
      if (event._tag === "stopping") {
        if (entry.stopping !== undefined) complain(id, "began to end twice")
        entry.stopping = event.reason
        return
      }
      if (entry.stopping !== event.reason) {
        complain(id, `began to end with ${entry.stopping?._tag}, and ended with ${event.reason._tag}`)
      }
      live.delete(id)
      closed.set(id, event.reason._tag)
      endings.set(remote, { reason: event.reason, messagesIn, messagesOut })
      waiting.get(remote)?.()
    }
    // A subscription begins when the stream is run: the events of this one begin before anybody can connect.
    yield* server.connections.events.pipe(
      Stream.runForEachChunk((events) =>
        Effect.sync(() => {
          for (const event of events) onEvent(event)
        })
      ),
      Effect.forkScoped
    )
    yield* Effect.yieldNow()

    /** Reads on in the log. */
    const readLog = (): void => {
      for (; linesRead < server.logs.length; linesRead++) {
        const line = server.logs[linesRead] ?? {}
        if (line["message"] === "connection closed") {
          logged++
          const id = String(line["connection"])
          const reason = closed.get(id)
          if (reason === undefined) complain(id, "was logged as closed twice, or without an event")
          else if (line["reason"] !== reason) {
            complain(id, `was closed for ${reason}, and logged as ${String(line["reason"])}`)
          }
          closed.delete(id)
        } else if (line["level"] !== "info" && line["message"] !== "handshake refused")
          problems.push(`logged: ${JSON.stringify(line)}`)
      }
    }

    const taken: Ledger["taken"] = (remote) => {
      const ending = endings.get(remote)
      endings.delete(remote)
      return ending
    }
    const known = (remote: string) =>
      Effect.async<void>((resume) => {
        if (endings.has(remote)) return resume(Effect.void)
        waiting.set(remote, () => resume(Effect.void))
        return Effect.sync(() => waiting.delete(remote))
      }).pipe(Effect.ensuring(Effect.sync(() => waiting.delete(remote))))

    return {
      forget: (remote) => endings.delete(remote),
      taken,
      ending: (remote) =>
        known(remote).pipe(
          Effect.zipRight(Effect.sync(() => taken(remote))),
          Effect.flatMap((ending) =>
            ending === undefined ? Effect.die("the ending was there") : Effect.succeed(ending)
          ),
          Effect.timeoutFail({
            duration: "10 seconds",
            onTimeout: () =>
              new Error("the handshake was accepted, and no ending was counted within 10 seconds")
          })
        ),
      balanced: (open) =>
        Effect.gen(function* () {
          const what = `${open} connections were open, and all others closed`
          yield* eventually(
            what,
            Effect.map(server.connections.count, (count) => count === open)
          )
          yield* eventually(
            what,
            Effect.sync(() => live.size === open)
          )
          yield* eventually(
            "each connection that was closed had a line in the log",
            Effect.sync(() => {
              readLog()
              return closed.size === 0
            })
          )
          if (logged !== ids.size - open) {
            problems.push(
              `${ids.size} were opened, ${open} of them are open, and ${logged} were logged as closed`
            )
          }
          if (problems.length > 0) return yield* Effect.fail(new Error(problems.slice(0, 5).join("\n")))
          return { opened: ids.size }
        })
    }
  })
