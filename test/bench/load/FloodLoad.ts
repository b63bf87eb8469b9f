/**
 * A peer that sends and never reads.
 */
import * as Frames from "../../support/frames.js"
import * as Load from "./socket.js"
import { sleep, type Target } from "./Target.js"

/** A peer that sends and never reads. */
export interface FloodJob extends Target {
  /** In milliseconds. */
  readonly time: number
}

export interface FloodResult {
  /** Bytes that the server has taken. */
  readonly sent: number
}

/** What waits on this side, in bytes. */
const MOST_WAITING = 1024 * 1024

/** Does it. */
export const run = async (job: FloodJob): Promise<FloodResult> => {
  const socket = await Load.open(job.port)
  socket.pause()
  const frame = Frames.frame({ opcode: Frames.BINARY, payload: Buffer.alloc(64 * 1024) })
  let isOver = false
  const write = (): void => {
    if (isOver) return
    while (socket.writableLength < MOST_WAITING) socket.write(frame)
  }
  socket.on("drain", write)
  write()
  await sleep(job.time)
  isOver = true
  const sent = socket.bytesWritten - socket.writableLength
  await Load.resetAll([socket])
  return { sent }
}
