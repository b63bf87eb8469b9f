/**
 * Connections that are there, and have nothing to say.
 */
import * as Frames from "../../support/frames.js"
import * as Load from "./socket.js"
import type { Target } from "./Target.js"

/** Connections that say nothing, until the server ends them. */
export interface IdleJob extends Target {
  readonly connections: number
}

export interface Held {
  readonly opened: number
  /** Done when the server has ended all; with the close codes that it gave, and how many had which. */
  readonly ended: Promise<Readonly<Record<string, number>>>
  readonly release: () => Promise<unknown>
}

/** Opens them. */
export const open = async (job: IdleJob): Promise<Held> => {
  const sockets = await Load.openMany(job.port, job.connections)
  const codes: Record<string, number> = {}
  const ended = Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          const parser = new Frames.FrameParser()
          let code = "none"
          socket.on("data", (bytes) => {
            parser.push(bytes)
            for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
              const close = Frames.closeOf(frame)
              if (close === undefined) continue
              code = String(close.code ?? 1005)
              socket.write(Frames.close(close.code))
            }
          })
          socket.once("close", () => {
            codes[code] = (codes[code] ?? 0) + 1
            resolve()
          })
        })
    )
  )
  return { opened: sockets.length, ended: ended.then(() => codes), release: () => Load.resetAll(sockets) }
}
