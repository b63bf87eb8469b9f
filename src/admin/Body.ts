/**
 * The body of a request, which may not be large.
 */
import * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"

/** The largest body of a request, in bytes. */
export const MAX_BODY = 16 * 1024

/**
 * Reads all of a body as UTF-8; `undefined` if it is larger than `MAX_BODY`. What is left of one that is too large is
 * not read here, so that it can still be answered: the platform's own reader destroys the socket.
 */
export const read = (request: IncomingMessage): Effect.Effect<string | undefined> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      size += chunk.length
      if (size > MAX_BODY) finish(undefined)
    }
    const onEnd = (): void => finish(Buffer.concat(chunks).toString())
    const stop = (): void => void request.off("data", onData).off("end", onEnd)
    const finish = (text: string | undefined): void => {
      stop()
      resume(Effect.succeed(text))
    }
    // Of one that never ends nothing comes here: its connection is dropped, and this interrupted.
    request.on("data", onData).on("end", onEnd)
    return Effect.sync(stop)
  })
