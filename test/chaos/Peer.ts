/**
 * One end of a connection, in the hands of the test.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { StopReason } from "../../src/protocol/StopReason.js"
import * as Arbitrary from "../support/arbitrary.js"
import * as Frames from "../support/frames.js"
import type { End } from "../support/Inbox.js"
import * as RawClient from "../support/RawClient.js"
import type { Manner, PeerAction } from "./Action.js"
import * as Story from "./Story.js"

/** How long to wait for anything, in milliseconds: longer than any run takes. */
export const PATIENCE = 8000

const FLOOD_SIZE = 64 * 1024

/** The frames of a message, with a ping after each as long as there are some. */
const withPings = (frames: ReadonlyArray<Buffer>, pings: ReadonlyArray<string>): Buffer =>
  Buffer.concat(
    frames.flatMap((frame, i) => {
      const ping = pings[i]
      return ping === undefined ? [frame] : [frame, Frames.ping(ping)]
    })
  )

/** Whether a frame is a message: no server is asked for fragments. */
export const isData = ({ opcode }: Frames.ServerFrame): boolean =>
  opcode === Frames.TEXT || opcode === Frames.BINARY

/** A peer that does as it is told, and writes down what it saw. */
export class Peer {
  readonly story = Story.begin()
  /** What the server sent. */
  readonly frames: Array<Frames.ServerFrame> = []
  /** What came after the last whole frame, in bytes. */
  unparsed = 0
  /** How TCP ended, as this side saw it. */
  end: End | undefined
  /** `address:port` of this side, once the handshake is done. */
  remote: string | undefined
  isPaused = false
  readonly manner: Manner
  readonly #fork: <A>(effect: Effect.Effect<A>) => Fiber.RuntimeFiber<A>
  #client: RawClient.RawClient | undefined
  /** What it is to do once the handshake is done. */
  #pending: Array<PeerAction> = []
  /** Both sides of TCP have ended. */
  #hasLeft = false

  constructor(manner: Manner, fork: <A>(effect: Effect.Effect<A>) => Fiber.RuntimeFiber<A>) {
    this.manner = manner
    this.#fork = fork
  }

  /** Connects, and then does what it has been told until then. Fails if there is no handshake. */
  connect(port: number) {
    return Effect.map(RawClient.connect({ port, patience: PATIENCE }), (client) => {
      this.#client = client
      this.remote = `127.0.0.1:${Effect.runSync(client.localPort)}`
      for (const action of this.#pending) this.#do(client, action)
    })
  }

  /** Reads until TCP ends, if there was a handshake. */
  readonly read = Effect.suspend(() => (this.#client === undefined ? Effect.void : this.#read(this.#client)))

  /** Does something now, or as soon as the handshake is done. Synchronous: what is written waits for nothing. */
  do(action: PeerAction): void {
    if (this.#client === undefined) this.#pending.push(action)
    else this.#do(this.#client, action)
  }

  #do(client: RawClient.RawClient, action: PeerAction): void {
    const { story } = this
    switch (action._tag) {
      case "send":
        return this.#send(client, action.message, action.pings)
      case "flood":
        if (!action.isReading) this.#pause(client)
        for (let i = 0; i < action.count; i++) {
          const payload = Buffer.alloc(FLOOD_SIZE)
          payload.writeUInt32BE(story.sent.length)
          this.#send(client, { opcode: Frames.BINARY, payload, cuts: [] }, [])
        }
        return
      case "ping":
        if (this.#write(client, Frames.ping(action.text)) && story.lastWord === undefined)
          story.pings.push(action.text)
        return
      case "pause":
        return this.#pause(client)
      case "resume":
        this.isPaused = false
        return Effect.runSync(client.resume)
      case "close": {
        const { code = 1005, reason } = action.close
        if (this.#write(client, Frames.close(action.close.code, reason)))
          this.#ends(StopReason.PeerClosed({ code, reason }))
        return
      }
      case "bad":
        if (this.#write(client, action.frame))
          this.#ends(StopReason.ProtocolError({ code: action.code, reason: "" }))
        return
      case "halfClose":
        if (this.#write(client, action.unfinished)) this.#ends(StopReason.PeerVanished())
        return Effect.runSync(client.end)
      case "reset":
        if (!this.#hasLeft) {
          this.#marksTheEnd()
          story.isReset = true
        }
        return Effect.runSync(client.reset)
    }
  }

  #send(client: RawClient.RawClient, message: Arbitrary.Outgoing, pings: ReadonlyArray<string>): void {
    const frames = Arbitrary.framesOf(message)
    if (!this.#write(client, withPings(frames, pings)) || this.story.lastWord !== undefined) return
    this.story.sent.push(message)
    this.story.pings.push(...pings.slice(0, frames.length))
  }

  /** Whether it could be written, as far as this side can tell. */
  #write(client: RawClient.RawClient, bytes: Buffer): boolean {
    return this.#fork(Effect.ignore(client.write(bytes))).unsafePoll() === null
  }

  #pause(client: RawClient.RawClient): void {
    this.isPaused = true
    Effect.runSync(client.pause)
  }

  #ends(reason: StopReason): void {
    this.#marksTheEnd()
    this.story.lastWord ??= reason
  }

  #marksTheEnd(): void {
    this.story.endingAt = Math.min(this.story.endingAt, performance.now())
  }

  #read(client: RawClient.RawClient) {
    return Effect.gen(this, function* () {
      while (this.frames.at(-1)?.opcode !== Frames.CLOSE) this.frames.push(yield* client.nextFrame)
      if (this.manner === "polite") yield* client.answerClose(this.frames)
    }).pipe(
      Effect.catchTag("ConnectionEnded", () => Effect.void),
      Effect.zipRight(client.allUntilEnd),
      Effect.tap(({ end, frames, rest }) => {
        this.frames.push(...frames)
        this.unparsed = rest.length
        this.end = end
        if (this.manner === "silent") return Effect.void
        this.#hasLeft = true
        return client.end
      })
    )
  }
}
