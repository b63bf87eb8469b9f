/**
 * One end of a connection, in the hands of the test.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FaultPlan from "../../src/faults/FaultPlan.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import * as Arbitrary from "../support/arbitrary.js"
import * as Frames from "../support/frames.js"
import type { End } from "../support/Inbox.js"
import type * as Http from "../support/http.js"
import * as RawClient from "../support/RawClient.js"
import type { Manner, Open, PeerAction, Signs } from "./Action.js"
import * as Story from "./Story.js"

/** How long to wait for anything, in milliseconds: longer than any run takes. */
export const PATIENCE = 8000

const FLOOD_SIZE = 64 * 1024

/** How often a peer pings that does so by itself, in milliseconds: more often than the server may ask for. */
const PING_EVERY = 20

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
  /** When each of them came, of those that were not left over when TCP ended. */
  readonly cameAt: Array<number> = []
  /** What came after the last whole frame. */
  unparsed: Buffer = Buffer.alloc(0)
  /** How TCP ended, as this side saw it: an end may have been a reset if this side had no way to find out. */
  end: End | undefined
  canTellEnd = true
  /** Whom the server takes this side for, once the handshake is done. */
  remote: string | undefined
  /** The answer to a handshake that failed. */
  refusal: Http.ResponseHead | undefined
  isPaused = false
  readonly manner: Manner
  signs: Signs
  /** What it asks to go wrong. */
  readonly fault: FaultPlan.FaultPlan | undefined
  /** The address that the proxy tells of it, if there is one. */
  readonly #address: string | undefined
  readonly #fork: <A>(effect: Effect.Effect<A>) => Fiber.RuntimeFiber<A>
  #client: RawClient.RawClient | undefined
  /** What it is to do once the handshake is done. */
  #pending: Array<PeerAction> = []
  /** Both sides of TCP have ended. */
  #hasLeft = false

  constructor(
    { fault, manner, signs }: Pick<Open, "fault" | "manner" | "signs">,
    address: string | undefined,
    fork: <A>(effect: Effect.Effect<A>) => Fiber.RuntimeFiber<A>
  ) {
    this.fault = fault
    this.manner = manner
    this.signs = signs
    this.#address = address
    this.#fork = fork
  }

  /** Whether there is to be no connection. */
  get isShutOut(): boolean {
    return this.refusal !== undefined || (this.fault !== undefined && FaultPlan.isOfHandshake(this.fault))
  }

  /** How many messages have come back. */
  get echoes(): number {
    return this.frames.filter(isData).length
  }

  /** Connects, and then does what it has been told until then. Fails if there is no handshake. */
  connect(port: number) {
    const headers = this.#address === undefined ? {} : { "X-Forwarded-For": this.#address }
    return Effect.suspend(() => {
      this.story.askedAt = performance.now()
      const path = this.fault === undefined ? "/echo" : `/echo?${String(FaultPlan.toQuery(this.fault))}`
      return RawClient.connect({ port, path, patience: PATIENCE, headers })
    }).pipe(
      Effect.tapBoth({
        onFailure: (error) =>
          Effect.sync(() => {
            this.story.answeredAt = performance.now()
            if (error._tag === "ConnectFailed") this.refusal = error.response
          }),
        onSuccess: (client) =>
          Effect.sync(() => {
            this.story.answeredAt = performance.now()
            this.#client = client
            this.remote = this.#address ?? `127.0.0.1:${Effect.runSync(client.localPort)}`
            for (const action of this.#pending) this.#do(client, action)
          })
      }),
      Effect.asVoid
    )
  }

  /** Pings as long as it has something to say, if it does so by itself. */
  readonly pingOnAndOn: Effect.Effect<void> = Effect.suspend(() => {
    const isOver = this.end !== undefined || this.story.isReset || this.story.lastWord !== undefined
    if (this.signs !== "pings" || this.#client === undefined || isOver) return Effect.void
    this.do({ _tag: "ping", peer: 0, text: "" })
    return Effect.zipRight(Effect.sleep(PING_EVERY), this.pingOnAndOn)
  })

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
      case "dieAway":
        this.signs = "none"
        return
      case "pause":
        return this.#pause(client)
      case "resume":
        if (this.isPaused) {
          const pause = this.story.pauses.at(-1)
          if (pause !== undefined) pause.to = performance.now()
        }
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
        this.story.hasEndedTcp = true
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
    this.story.sentAt.push(performance.now())
    this.story.pings.push(...pings.slice(0, frames.length))
  }

  /** Whether it could be written, as far as this side can tell. */
  #write(client: RawClient.RawClient, bytes: Buffer): boolean {
    const isWritten = this.#fork(Effect.ignore(client.write(bytes))).unsafePoll() === null
    if (isWritten) this.story.spokeAt.push(performance.now())
    return isWritten
  }

  #pause(client: RawClient.RawClient): void {
    if (!this.isPaused) this.story.pauses.push({ from: performance.now(), to: Number.POSITIVE_INFINITY })
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

  #see(client: RawClient.RawClient, frame: Frames.ServerFrame): void {
    this.frames.push(frame)
    this.cameAt.push(performance.now())
    // As anybody does who is told what no frame may say (RFC 6455 section 7.1.7).
    if (frame.rsv2 && this.manner === "polite" && this.story.lastWord === undefined)
      this.#do(client, { _tag: "close", peer: 0, close: { code: 1002, reason: "RSV2" } })
    if (isData(frame)) this.story.echoedAt = performance.now()
    const isAnswered = this.signs === "pongs" && this.story.lastWord === undefined
    if (frame.opcode === Frames.PING && isAnswered) this.#write(client, Frames.pong(frame.payload))
  }

  #read(client: RawClient.RawClient) {
    return Effect.gen(this, function* () {
      while (this.frames.at(-1)?.opcode !== Frames.CLOSE) this.#see(client, yield* client.nextFrame)
      if (this.manner === "polite") yield* client.answerClose(this.frames)
    }).pipe(
      Effect.catchTag("ConnectionEnded", () => Effect.void),
      Effect.zipRight(client.allUntilEnd),
      Effect.tap(({ frames, rest }) => {
        this.frames.push(...frames)
        this.unparsed = rest
      }),
      Effect.flatMap(({ end }) => this.#howItEnded(client, end)),
      Effect.tap((end) => {
        this.end = end
        if (this.manner === "silent") return Effect.void
        this.#hasLeft = true
        return client.end
      })
    )
  }

  /** After a reset Node may report an end, if there was something left to read; but then nothing can be written. */
  #howItEnded(client: RawClient.RawClient, seen: End): Effect.Effect<End> {
    const isClosed = this.frames.some(({ opcode }) => opcode === Frames.CLOSE)
    if (seen === "reset" || isClosed) return Effect.succeed(seen)
    this.canTellEnd = !this.story.hasEndedTcp
    if (this.story.hasEndedTcp) return Effect.succeed(seen)
    return Effect.match(client.write(Buffer.alloc(0)), {
      onFailure: (): End => "reset",
      onSuccess: () => seen
    })
  }
}
