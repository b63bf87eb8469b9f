/**
 * A transport on which something goes wrong, as somebody has asked. Those who use it don't know.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type { Message } from "../protocol/Message.js"
import type { TransportListener } from "../connection/Transport.js"
import * as Frame from "../protocol/Frame.js"
import { type Farewell, StopReason } from "../protocol/StopReason.js"
import type { ConnectionPlan } from "./FaultPlan.js"
import { Fuse, isAtOnce } from "./Fuse.js"
import { isRandom, outletOf } from "./outletOf.js"
import { OutletTransport } from "./OutletTransport.js"
import { PeerEnding } from "./PeerEnding.js"
import { Silence } from "./Silence.js"
import { type Tools, whenFlushed, whenOrdered } from "./Tools.js"

export class FaultyTransport extends OutletTransport implements TransportListener {
  #listener: TransportListener | undefined = undefined
  /** What is to go wrong, or does. */
  #plan: ConnectionPlan | undefined = undefined
  #seed: number | undefined = undefined
  readonly #fuse: Fuse
  readonly #silence: Silence
  #next: "truncate" | "corrupt" | undefined = undefined
  readonly #peerEnding = new PeerEnding((reason) => this.#listener?.onEnding(reason))
  /** The connection ends now, or is about to. */
  #isEnding = false
  #isSealed = false

  constructor(tools: Tools) {
    super(tools)
    this.#fuse = new Fuse(tools)
    this.#silence = new Silence(tools, this.onLess, () =>
      this.#peerEnding.onEnding(StopReason.PeerVanished(), true, false)
    )
  }

  /** Starts to report what it is told by whoever is attached to the inner transport. */
  override attach(listener: TransportListener): void {
    this.#listener = listener
    if (this.#plan !== undefined) this.#light(this.#plan)
  }

  onPing(payload: Buffer): void {
    this.#listener?.onPing(payload)
  }

  onPong(payload: string): void {
    this.#listener?.onPong(payload)
  }

  onEnding(reason: StopReason): void {
    this.#peerEnding.onEnding(reason, this.#silence.isSilent, this.#isOwing)
  }

  onClosed(): void {
    this.isGone = true
    this.#peerEnding.tellWithheld()
    this.#cease()
    this.#listener?.onClosed()
  }

  /** Lets this go wrong from now on; what went wrong before doesn't any more. */
  apply(plan: ConnectionPlan): void {
    if (this.#isEnding || this.#isSealed) return
    this.#cease()
    if (this.#peerEnding.tellWithheld()) return
    this.#plan = plan
    this.#seed = undefined
    if (this.#listener !== undefined) this.#light(plan)
  }

  /** Who comes for more has answered what it took before, or never will. */
  override get take(): Effect.Effect<ReadonlyArray<Message>> {
    return Effect.suspend(() => {
      this.#catchUp()
      return this.inner.take
    })
  }

  override hasMessages(): boolean {
    // What a stalled side doesn't hand out doesn't keep it from being idle.
    return !this.isStalled() && this.inner.hasMessages()
  }

  override isHeard(): boolean {
    return !this.#silence.isSilent && this.outlet?.isMidFrame() !== true && this.inner.isHeard()
  }

  override isStalled(): boolean {
    return this.#silence.isStalled
  }

  override get remarks(): Readonly<Record<string, unknown>> {
    if (this.#plan === undefined) return this.inner.remarks
    return { fault: this.#plan.fault, ...(this.#seed === undefined ? {} : { seed: this.#seed }) }
  }

  override write(messages: Chunk.Chunk<Message>): boolean {
    // What is about to end sends nothing more, and doesn't say why before it does.
    if (this.#isEnding) return !this.#isSealed
    const left = this.#fuse.left
    if (left > messages.length) {
      this.#fuse.shorten(messages.length)
      return this.inner.write(messages)
    }
    if (left > 0) {
      const isSent = this.inner.write(Chunk.take(messages, left))
      this.#fuse.shorten(left)
      return left === messages.length ? isSent : this.write(Chunk.drop(messages, left))
    }
    const [first] = messages
    if (this.#next !== undefined && first !== undefined) {
      this.#mangle(this.#next, first)
      return this.write(Chunk.drop(messages, 1))
    }
    if (this.outlet === undefined) return messages.length === 0 || this.inner.write(messages)
    this.outlet.write(messages)
    return true
  }

  override seal(): void {
    this.#isSealed = true
    // What a silent side hasn't handed out counts as not read, and so does what is yet to be inflated.
    const isUnread = this.isStalled() || this.#isEnding
    const { outlet } = this
    this.#cease()
    if (outlet?.isLasting === true) this.outlet = outlet
    if (isUnread) {
      this.inner.inbox.clear()
      this.inner.inbox.finish()
    }
    this.inner.seal()
  }

  override close(code: number | undefined, reason: string): boolean {
    // Who is mute doesn't answer a Close frame either.
    if (!this.#peerEnding.isUnanswered) return this.inner.close(code, reason)
    this.inner.end()
    return false
  }

  override ping(payload: string): void {
    if (!this.#silence.isSilent) this.control("ping", () => this.inner.ping(payload))
  }

  override pong(payload: Buffer): void {
    if (!this.#silence.isSilent) this.control("pong", () => this.inner.pong(payload))
  }

  #light(plan: ConnectionPlan): void {
    const begin = (): void => {
      this.#begin(plan)
      this.#catchUp()
    }
    // An ending waits a turn: those who are to hear of it may have only begun to listen.
    const isEnding = plan.fault === "close" || plan.fault === "reset" || plan.fault === "vanish"
    if (isAtOnce(plan.after) && !isEnding) begin()
    else this.#fuse.light(plan.after, begin)
  }

  /** Whether the messages that have been read, once they are answered, bring the fault about. */
  get #isOwing(): boolean {
    const { size } = this.inner.inbox
    return size > 0 && (this.#next !== undefined || (this.#fuse.left > 0 && size >= this.#fuse.left))
  }

  /** How the peer has ended the connection counts now, if nothing is to come before. */
  #catchUp(): void {
    if (!this.#isOwing && !this.#isEnding && !this.#silence.isSilent) this.#peerEnding.tellWithheld()
  }

  #begin(plan: ConnectionPlan): void {
    const { inner } = this
    switch (plan.fault) {
      case "close":
        return this.#end(plan.fault, { _tag: "Close", code: plan.code, reason: plan.reason })
      case "reset":
        return this.#end(plan.fault, { _tag: "Reset" })
      case "vanish":
        return this.#end(plan.fault, { _tag: "End" })
      case "stall":
      case "mute":
        this.outlet = this.#silence.begin(plan.fault)
        return
      case "truncate":
      case "corrupt":
        // Written past the queue of what is yet to be compressed, and alone.
        inner.inbox.limit(0)
        return whenOrdered(this.tools, () => {
          if (this.#plan !== plan || this.#isSealed) return
          this.#next = plan.fault
          inner.inbox.limit(1)
        })
      default:
        this.#seed = isRandom(plan) ? (plan.seed ?? this.tools.newSeed()) : undefined
        this.outlet = outletOf(plan, this.tools, this.onLess, this.#seed)
    }
  }

  /** Ends the connection, in order behind what was echoed. */
  #end(kind: ConnectionPlan["fault"], last: Farewell): void {
    this.#isEnding = true
    this.inner.inbox.limit(0)
    const end = (): void => {
      if (this.#isSealed) return
      if (last._tag === "End") this.inner.end()
      this.#listener?.onEnding(StopReason.Fault({ kind, last }))
    }
    // A reset takes along what the kernel has not been given.
    if (last._tag === "Reset") whenFlushed(this.tools, end)
    else end()
  }

  /** Sends a message as no message may be sent. */
  #mangle(how: "truncate" | "corrupt", message: Message): void {
    this.#next = undefined
    const frame = Frame.whole(message, how === "corrupt" ? Frame.RSV2 : 0)
    if (how === "truncate") {
      this.inner.writeRaw(frame.subarray(0, Math.floor(frame.length / 2)))
      return this.#end(how, { _tag: "End" })
    }
    if (!this.inner.writeRaw(frame)) return
    this.#peerEnding.hasCorrupted = true
    this.sentPast({ messages: 1, bytes: message.size })
    this.inner.inbox.limit(Number.POSITIVE_INFINITY)
    this.#catchUp()
  }

  /** Nothing goes wrong any more: what was held back goes out. */
  #cease(): void {
    this.#fuse.quench()
    this.#next = undefined
    this.releaseOutlet()
    if (this.#silence.isStalled && !this.#isSealed) this.inner.hold(false)
    this.#silence.end()
    this.inner.inbox.limit(Number.POSITIVE_INFINITY)
  }
}
