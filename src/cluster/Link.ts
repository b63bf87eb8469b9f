/**
 * Questions and answers between two processes, over whatever carries messages between them in their order.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { NoAnswer } from "./Fleet.js"

/** How long, in milliseconds, nothing may be heard from one who was asked. */
export const PATIENCE = 2000

/** How often one who takes long says that it is still at work, in milliseconds. */
const SIGN = 500

/** What is sent: a question or an answer with its number, a sign that the answer takes long, or something to tell. */
export type Packet =
  | { readonly ask: number; readonly it: unknown }
  | { readonly answer: number; readonly it: unknown }
  | { readonly working: number }
  | { readonly tell: unknown }

/** How one side of a link is made. */
export interface LinkOptions {
  /** What the other side is called. */
  readonly name: string
  /** Sends to the other side; tells if it is known that it doesn't get there. */
  readonly send: (packet: Packet) => boolean | Promise<boolean>
  /** Runs an effect, until this side ends. */
  readonly run: (effect: Effect.Effect<void>) => void
  /** Answers a question. One that can't be read has no answer. */
  readonly onAsk: (it: unknown) => Effect.Effect<unknown>
  readonly onTell: (it: unknown) => void
}

interface Waiting {
  /** Called with what was answered, or with nothing if no answer comes. */
  readonly done: (answer: unknown) => void
  /** How often it was heard that the answer takes long. */
  signs: number
}

/** One side of a link. */
export class Link {
  readonly #options: LinkOptions
  readonly #waiting = new Map<number, Waiting>()
  #last = 0
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** Asks the other side. Fails if nothing is heard of it, or it is known that it doesn't get the question. */
  ask(it: unknown): Effect.Effect<unknown, NoAnswer> {
    return Effect.suspend(() => {
      const number = ++this.#last
      const noAnswer = Effect.fail(new NoAnswer({ server: this.#options.name }))
      const answered = Effect.async<unknown, NoAnswer>((resume) => {
        const done = (answer: unknown): void =>
          resume(answer === undefined ? noAnswer : Effect.succeed(answer))
        this.#waiting.set(number, { done, signs: 0 })
        void this.#sendQuestion(number, it)
      })
      const signs = (): number => this.#waiting.get(number)?.signs ?? 0
      const silence: Effect.Effect<void> = Effect.suspend(() => {
        const before = signs()
        return Effect.flatMap(Effect.sleep(PATIENCE), () => (signs() === before ? Effect.void : silence))
      })
      // Also where whoever asks can't be interrupted, as those of a route can't: the one that lost is not waited for.
      return Effect.raceFirst(
        Effect.interruptible(answered),
        Effect.interruptible(Effect.zipRight(silence, noAnswer))
      ).pipe(Effect.ensuring(Effect.sync(() => this.#waiting.delete(number))))
    })
  }

  /** Tells the other side something. */
  tell(it: unknown): void {
    void this.#send({ tell: it })
  }

  /** Takes what the other side has sent. */
  receive(packet: Packet): void {
    if ("answer" in packet) this.#finish(packet.answer, packet.it)
    else if ("working" in packet) {
      const waiting = this.#waiting.get(packet.working)
      if (waiting !== undefined) waiting.signs++
    } else if ("ask" in packet) this.#options.run(this.#answer(packet.ask, packet.it))
    else this.#options.onTell(packet.tell)
  }

  /** The other side is gone: nobody waits for it any more. */
  close(): void {
    this.#isClosed = true
    this.abandon()
  }

  /** What is between both sides has failed: what was asked so far gets no answer. */
  abandon(): void {
    for (const number of this.#waiting.keys()) this.#finish(number, undefined)
  }

  async #send(packet: Packet): Promise<boolean> {
    return !this.#isClosed && (await this.#options.send(packet))
  }

  async #sendQuestion(number: number, it: unknown): Promise<void> {
    if (!(await this.#send({ ask: number, it }))) this.#finish(number, undefined)
  }

  #finish(number: number, answer: unknown): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    waiting?.done(answer)
  }

  #answer(number: number, it: unknown): Effect.Effect<void> {
    const sign = Effect.sync(() => void this.#send({ working: number }))
    return Effect.raceFirst(
      this.#options.onAsk(it),
      Effect.zipRight(Effect.sleep(SIGN), Effect.schedule(sign, Schedule.spaced(SIGN))).pipe(
        Effect.zipRight(Effect.never)
      )
    ).pipe(
      Effect.flatMap((answer) => Effect.sync(() => void this.#send({ answer: number, it: answer }))),
      // It has no answer, then.
      Effect.catchAllDefect((defect) =>
        Effect.logError("a request of another server failed", Cause.die(defect))
      )
    )
  }
}
