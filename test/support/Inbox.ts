/**
 * What has come from a server, and waiting for more of it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Frames from "./frames.js"
import * as Http from "./http.js"

/** How TCP ended, as the client sees it: the server ended its side, or the connection is gone. */
export type End = "fin" | "reset"

/** TCP ended while the client was waiting for something, or wanted to send. */
export class ConnectionEnded extends Data.TaggedError("ConnectionEnded")<{
  readonly end: End
  readonly message: string
}> {}

/** What was awaited did not come in time. */
export class WaitedTooLong extends Data.TaggedError("WaitedTooLong")<{ readonly message: string }> {}

/** What came was not what was awaited: a Close frame where a message was due, for one. */
export class Unexpected extends Data.TaggedError("Unexpected")<{
  readonly frame: Frames.ServerFrame
  readonly message: string
}> {}

export type WaitError = ConnectionEnded | WaitedTooLong

/** A message, put together from its frames. */
export interface RawMessage {
  readonly opcode: number
  readonly payload: Buffer
  /** The payload as a string. */
  readonly text: string
  /** Whether it is marked as compressed (RFC 7692 section 6). */
  readonly rsv1: boolean
}

/** All that was left to read. */
export interface UntilEnd {
  readonly frames: ReadonlyArray<Frames.ServerFrame>
  readonly end: End
  /** Bytes after the last whole frame; in HTTP, all that is left. */
  readonly rest: Buffer
}

/** What can be waited for. */
export interface Inbox {
  /** Waits for a frame. */
  readonly nextFrame: Effect.Effect<Frames.ServerFrame, WaitError>
  /** Waits for a message; pings and pongs before its end are passed over. */
  readonly nextMessage: Effect.Effect<RawMessage, WaitError | Unexpected>
  /** Waits for the server to end TCP, and gives all that came until then and was not taken yet. */
  readonly allUntilEnd: Effect.Effect<UntilEnd, WaitedTooLong>
  /** Waits for TCP to end. */
  readonly ended: Effect.Effect<End, WaitedTooLong>
  /** How TCP has ended, if it has. */
  readonly hasEnded: Effect.Effect<End | undefined>
  /** Waits for the head of an HTTP response, and leaves it for `response`; the one of the handshake once that is done. */
  readonly responseHead: Effect.Effect<Http.ResponseHead, WaitError>
  /** Waits for an HTTP response with its body. */
  readonly response: Effect.Effect<Http.Response, WaitError>
  /** Waits for so many bytes more than have come by now, whatever they are, and leaves them. */
  readonly moreBytes: (count: number) => Effect.Effect<void, WaitError>
}

/** The side of the inbox where things come in. */
export interface Source {
  readonly onBytes: (bytes: Buffer) => void
  readonly onEnd: (end: End) => void
  /** Says that TCP ended before something could be done. */
  readonly gone: (what: string) => ConnectionEnded
}

/** Makes an inbox where every wait ends after so many milliseconds. */
export const make = (patience: number): Inbox & Source => {
  const parser = new Frames.FrameParser()
  /** What has come and is HTTP, in pieces that are put together when somebody wants to read it. */
  let pieces: Array<Buffer> = []
  let handshake: Http.ResponseHead | undefined
  let bytesIn = 0
  let taken: ReadonlyArray<Frames.ServerFrame> = []
  let ended: End | undefined
  const waiting = new Set<() => void>()

  const http = (): Buffer => {
    const all = Buffer.concat(pieces)
    pieces = [all]
    return all
  }
  const unread = (): Buffer => (handshake === undefined ? http() : parser.rest)
  const wake = (): void => {
    for (const look of waiting) look()
  }

  const story = (): string => {
    const open = ended === undefined ? "TCP is open" : `TCP has ended (${ended})`
    const rest = unread()
    const left =
      rest.length === 0
        ? "nothing is left unread"
        : `unread are ${rest.length} bytes: ${JSON.stringify(rest.subarray(0, 200).toString("latin1"))}`
    return `${bytesIn} bytes had come, the last frames were [${taken.map(Frames.describe).join("; ")}], ${left}, ${open}`
  }
  const gone = (what: string): ConnectionEnded =>
    new ConnectionEnded({ end: ended ?? "reset", message: `TCP ended before ${what}: ${story()}` })

  const until = <A>(what: string, poll: () => A | undefined): Effect.Effect<A, WaitError> => {
    const outcome = (): Effect.Effect<A, ConnectionEnded> | undefined => {
      try {
        const found = poll()
        if (found !== undefined) return Effect.succeed(found)
      } catch (error) {
        return Effect.die(error)
      }
      return ended === undefined ? undefined : Effect.fail(gone(what))
    }
    const wait = Effect.async<A, ConnectionEnded>((resume) => {
      const look = (): void => {
        const result = outcome()
        if (result === undefined) return
        waiting.delete(look)
        resume(result)
      }
      waiting.add(look)
      // Something may have come while this fiber was being started.
      look()
      return Effect.sync(() => waiting.delete(look))
    })
    return Effect.suspend(
      () =>
        outcome() ??
        Effect.timeoutFail(wait, {
          duration: patience,
          onTimeout: () => new WaitedTooLong({ message: `waited ${patience} ms for ${what}: ${story()}` })
        })
    )
  }

  const peekHead = (): { readonly head: Http.ResponseHead; readonly length: number } | undefined => {
    if (handshake !== undefined) return { head: handshake, length: 0 }
    const found = Http.parseHead(http())
    if (found?.head.status === 101) {
      handshake = found.head
      parser.push(http().subarray(found.length))
      pieces = []
    }
    return found
  }

  const takeFrame = (): Frames.ServerFrame | undefined => {
    const frame = parser.next()
    if (frame === undefined) return undefined
    taken = [...taken.slice(-9), frame]
    const problem = Frames.violation(frame)
    // No test needs to look for it: it fails them all.
    if (problem !== undefined) throw new Error(`${problem}; but came: ${Frames.describe(frame)}`)
    return frame
  }

  const takeFrames = (): ReadonlyArray<Frames.ServerFrame> => {
    const frames: Array<Frames.ServerFrame> = []
    for (let frame = takeFrame(); frame !== undefined; frame = takeFrame()) frames.push(frame)
    return frames
  }

  const takeResponse = (): Http.Response | undefined => {
    if (peekHead()?.head === handshake && handshake !== undefined) return { ...handshake, body: "" }
    const found = Http.parseResponse(http(), ended !== undefined)
    if (found === undefined) return undefined
    pieces = [http().subarray(found.length)]
    return found.response
  }

  const nextMessage: Inbox["nextMessage"] = Effect.gen(function* () {
    const fragments: Array<Frames.ServerFrame> = []
    for (;;) {
      const frame = yield* until("a message", takeFrame)
      if (frame.opcode === Frames.PING || frame.opcode === Frames.PONG) continue
      const isStart = frame.opcode === Frames.TEXT || frame.opcode === Frames.BINARY
      const isNext = fragments.length === 0 ? isStart : frame.opcode === Frames.CONTINUATION
      if (!isNext) {
        const message = `expected a message, but ${Frames.describe(frame)} came: ${story()}`
        return yield* Effect.fail(new Unexpected({ frame, message }))
      }
      fragments.push(frame)
      if (!frame.fin) continue
      const payload = Buffer.concat(fragments.map((fragment) => fragment.payload))
      const [first = frame] = fragments
      return { opcode: first.opcode, rsv1: first.rsv1, payload, text: payload.toString("utf8") }
    }
  })

  return {
    onBytes: (bytes) => {
      bytesIn += bytes.length
      if (handshake === undefined) pieces.push(bytes)
      else parser.push(bytes)
      wake()
    },
    onEnd: (end) => {
      ended ??= end
      wake()
    },
    gone,
    nextFrame: until("a frame", takeFrame),
    nextMessage,
    // Nothing but time can keep it from coming.
    allUntilEnd: until("the end of TCP", () =>
      ended === undefined ? undefined : { frames: takeFrames(), end: ended, rest: unread() }
    ).pipe(Effect.catchTag("ConnectionEnded", Effect.die)),
    ended: until("the end of TCP", () => ended).pipe(Effect.catchTag("ConnectionEnded", Effect.die)),
    hasEnded: Effect.sync(() => ended),
    responseHead: until("the head of an HTTP response", () => peekHead()?.head),
    response: until("an HTTP response", takeResponse),
    moreBytes: (count) =>
      Effect.suspend(() => {
        const most = bytesIn + count
        return Effect.asVoid(until(`${count} bytes more`, () => (bytesIn >= most ? true : undefined)))
      })
  }
}
