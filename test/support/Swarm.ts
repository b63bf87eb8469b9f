/**
 * Many WebSocket connections with as little as possible behind each: the server is what a test measures, not its client.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import * as net from "node:net"
import * as Frames from "./frames.js"
import * as Http from "./http.js"
import { ProgramFailed } from "./Program.js"

/** How a connection ended, as its client sees it. */
export interface Ending {
  /** Of the server's Close frame; `undefined` if there was none, or none with a code. */
  readonly code: number | undefined
  readonly reason: string
  /** When the Close frame came, as `performance.now` tells it. */
  readonly at: number
}

export interface Swarm {
  /** Waits until the server has ended TCP on all of them; in the order in which they were opened. */
  readonly endings: Effect.Effect<ReadonlyArray<Ending>, ProgramFailed>
}

/** Why so many connections can't be had here. */
export const tooFewFiles = (needed: number): string | undefined => {
  const limit = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim()
  return limit === "unlimited" || Number(limit) >= needed
    ? undefined
    : `ulimit -n is ${limit}, and must be at least ${needed}`
}

/** Handshakes under way at once: more would overflow the queue of the listening socket, and be tried again a second later. */
const HANDSHAKES = 100

/** How long to wait for all endings, in milliseconds. */
const PATIENCE = 30_000

interface Member {
  readonly socket: net.Socket
  ending: Ending | undefined
  hasEnded: boolean
}

const join = (port: number, onEnded: () => void) =>
  Effect.async<Member, ProgramFailed>((resume) => {
    const parser = new Frames.FrameParser()
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true })
    const member: Member = { socket, ending: undefined, hasEnded: false }
    let head: Buffer | undefined = Buffer.alloc(0)
    const fail = (message: string): void => resume(Effect.fail(new ProgramFailed({ message })))

    const readHead = (bytes: Buffer, head: Buffer): Buffer | undefined => {
      const all = Buffer.concat([head, bytes])
      const found = Http.parseHead(all)
      if (found === undefined) return all
      if (found.head.status !== 101) fail(`the handshake was answered ${found.head.status}`)
      parser.push(all.subarray(found.length))
      resume(Effect.succeed(member))
      return undefined
    }
    socket.on("data", (bytes) => {
      if (head !== undefined) head = readHead(bytes, head)
      else parser.push(bytes)
      for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
        const close = Frames.closeOf(frame)
        if (close === undefined || member.ending !== undefined) continue
        member.ending = { ...close, at: performance.now() }
        socket.write(Frames.close(close.code))
      }
    })
    socket.on("connect", () => socket.write(Http.request()))
    socket.on("error", (error) => fail(error.message))
    socket.on("close", () => {
      member.hasEnded = true
      fail("TCP ended within the handshake")
      onEnded()
    })
  })

/** Opens so many connections, which end with the scope. */
export const open = (port: number, count: number): Effect.Effect<Swarm, ProgramFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const members: Array<Member> = []
    const waiting = new Set<() => void>()
    const allEnded = Effect.async<void>((resume) => {
      const look = (): void => {
        if (members.some(({ hasEnded }) => !hasEnded)) return
        waiting.delete(look)
        resume(Effect.void)
      }
      waiting.add(look)
      look()
      return Effect.sync(() => waiting.delete(look))
    })
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        for (const { socket } of members) socket.destroy()
        return allEnded
      })
    )
    let left = count
    const onEnded = (): void => {
      left--
      // Not at each: to look at all of them takes time.
      if (left <= 0) for (const look of waiting) look()
    }
    yield* Effect.forEach(
      Array.from({ length: count }),
      (_, i) =>
        Effect.map(join(port, onEnded), (member) => {
          members[i] = member
        }),
      { concurrency: HANDSHAKES, discard: true }
    )
    return {
      endings: allEnded.pipe(
        Effect.map(() =>
          members.map(({ ending }) => ending ?? { code: undefined, reason: "", at: Number.NaN })
        ),
        Effect.timeoutFail({
          duration: PATIENCE,
          onTimeout: () =>
            new ProgramFailed({
              message: `${left} of ${count} connections had not ended after ${PATIENCE} ms`
            })
        })
      )
    }
  })
