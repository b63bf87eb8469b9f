/**
 * Clients in this process that have the WebSocket interface of browsers (the WebSockets standard of the WHATWG).
 */
import * as Effect from "effect/Effect"
import {
  type Client,
  ClientFailed,
  type Closing,
  type Ending,
  inTime,
  type Message,
  type Session
} from "./client.js"

/** What all of them have, whatever types they give to events. */
export interface Socket {
  binaryType: string
  readonly protocol: string
  readonly extensions: string
  readonly send: (data: Message) => void
  readonly close: (code?: number, reason?: string) => void
  /** Browsers have none. */
  readonly ping?: () => void
}

interface Listener {
  readonly onOpen: () => void
  readonly onMessage: (data: unknown) => void
  readonly onPong: () => void
  readonly onError: (message: string) => void
  readonly onClose: (closing: Closing) => void
}

/** Makes a socket that tells this listener. */
export type Connect = (url: string, subprotocols: Array<string>, listener: Listener) => Socket

const messageOf = (data: unknown): Message => {
  if (typeof data === "string") return data
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  throw new Error(`a message is neither text nor an ArrayBuffer: ${String(data)}`)
}

/** A client of this kind. */
export const client = (connect: Connect): Client => ({
  open: (url, subprotocols = []) =>
    Effect.gen(function* () {
      const received: Array<Message> = []
      const errors: Array<string> = []
      const waiting = new Set<() => void>()
      let isOpen = false
      let pongs = 0
      let closing: Ending | undefined
      /** Node 22 leaves it at an error, and tells of no close. */
      let isRefused = false

      const wake = (): void => {
        for (const look of waiting) look()
      }
      /** Waits until a look finds something, or there will be nothing more to find. */
      const until = <A>(what: string, find: () => A | undefined): Effect.Effect<A, ClientFailed> =>
        Effect.async<A, ClientFailed>((resume) => {
          const look = (): void => {
            const found = find()
            if (found === undefined && closing === undefined && !isRefused) return
            waiting.delete(look)
            const message = `it closed before ${what}: ${JSON.stringify(closing)} ${errors.join("; ")}`
            resume(found === undefined ? Effect.fail(new ClientFailed({ message })) : Effect.succeed(found))
          }
          waiting.add(look)
          look()
          return Effect.sync(() => waiting.delete(look))
        }).pipe(inTime(what))
      const closed = until("it closed", () => closing)

      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const socket = connect(url, [...subprotocols], {
            onOpen: () => {
              isOpen = true
              wake()
            },
            onMessage: (data) => {
              received.push(messageOf(data))
              wake()
            },
            onPong: () => pongs++,
            onError: (message) => {
              errors.push(message)
              isRefused = !isOpen
              wake()
            },
            onClose: ({ code, reason, wasClean }) => {
              closing = { code, reason, wasClean, error: errors[0], unread: received.length }
              wake()
            }
          })
          socket.binaryType = "arraybuffer"
          return socket
        }),
        (socket) =>
          Effect.suspend(() => {
            if (closing === undefined) socket.close()
            return isRefused ? Effect.void : Effect.ignore(closed)
          })
      )
      yield* until("it opened", () => (isOpen ? true : undefined))

      const session: Session = {
        subprotocol: socket.protocol,
        extensions: socket.extensions,
        exchange: (messages, count = messages.length) =>
          Effect.suspend(() => {
            for (const message of messages) socket.send(message)
            return until(`${count} messages had come`, () =>
              received.length < count ? undefined : received.splice(0, count)
            )
          }),
        hear: (millis) =>
          Effect.suspend(() => {
            const before = pongs
            socket.ping?.()
            // Nothing tells that nothing comes.
            return Effect.map(Effect.sleep(millis), () =>
              closing === undefined && received.length === 0 && pongs === before
                ? ""
                : JSON.stringify({ closing, received, pongs })
            )
          }),
        sendBytes: (size) => Effect.sync(() => socket.send(new Uint8Array(size))),
        close: (code, reason) => Effect.sync(() => socket.close(code, reason)),
        closed
      }
      return session
    })
})
