/**
 * A transport around another, to which it leaves everything.
 */
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import type { Inbox } from "../connection/Inbox.js"
import type { Transport, TransportListener } from "../connection/Transport.js"
import type { Wire } from "../connection/Wire.js"
import type { Message } from "../protocol/Message.js"

export class PassThrough<Inner extends Transport> implements Transport {
  protected inner: Inner

  constructor(inner: Inner) {
    this.inner = inner
  }

  get remote(): string {
    return this.inner.remote
  }

  get wire(): Wire {
    return this.inner.wire
  }

  get remarks(): Readonly<Record<string, unknown>> {
    return this.inner.remarks
  }

  get messagesOut(): number {
    return this.inner.messagesOut
  }

  get bytesOut(): number {
    return this.inner.bytesOut
  }

  get inbox(): Inbox {
    return this.inner.inbox
  }

  get take(): Effect.Effect<ReadonlyArray<Message>> {
    return this.inner.take
  }

  get drained(): Effect.Effect<void> {
    return this.inner.drained
  }

  get closed(): Effect.Effect<void> {
    return this.inner.closed
  }

  attach(listener: TransportListener): void {
    this.inner.attach(listener)
  }

  hasMessages(): boolean {
    return this.inner.hasMessages()
  }

  isHeard(): boolean {
    return this.inner.isHeard()
  }

  isStalled(): boolean {
    return this.inner.isStalled()
  }

  isClosed(): boolean {
    return this.inner.isClosed()
  }

  bufferedBytes(): number {
    return this.inner.bufferedBytes()
  }

  untakenBytes(): number {
    return this.inner.untakenBytes()
  }

  outboundCost(): number {
    return this.inner.outboundCost()
  }

  write(messages: Chunk.Chunk<Message>): boolean {
    return this.inner.write(messages)
  }

  ping(payload: string): void {
    this.inner.ping(payload)
  }

  pong(payload: Buffer): void {
    this.inner.pong(payload)
  }

  seal(): void {
    this.inner.seal()
  }

  close(code: number | undefined, reason: string): boolean {
    return this.inner.close(code, reason)
  }

  end(): void {
    this.inner.end()
  }

  destroy(): void {
    this.inner.destroy()
  }

  reset(): void {
    this.inner.reset()
  }
}
