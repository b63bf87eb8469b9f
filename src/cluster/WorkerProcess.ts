/**
 * One of the processes that share the connections of a server, seen from the primary.
 */
import * as Effect from "effect/Effect"
import cluster from "node:cluster"
import type { Socket } from "node:net"
import type { Places } from "../http/Admission.js"
import type { Refusal } from "../protocol/Handshake.js"
import { lasting } from "../telemetry/Merge.js"
import type { Family } from "../telemetry/Prometheus.js"
import type { NoAnswer } from "./Fleet.js"
import type { Member } from "./Gather.js"
import {
  type Birth,
  type FromPrimary,
  type FromWorker,
  type Question,
  trust,
  type Urls,
  VARIABLE
} from "./Ipc.js"
import { linesOf } from "./Lines.js"
import { Link, type Packet } from "./Link.js"
import * as Message from "./Message.js"

/** Within which time, in milliseconds, a worker takes a connection that it is given, or never. */
const TAKEN_WITHIN = 1000

/** When it goes to another, in milliseconds: what it has told in time has come by then. */
const TAKEN_BACK_AFTER = 2000

/** How a process has ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

/** What the primary does for its workers. */
export interface Hub {
  readonly places: Places
  readonly run: (effect: Effect.Effect<void>) => void
  readonly answer: (question: Question) => Effect.Effect<unknown>
  /** One of them has told something that isn't only about itself. */
  readonly onTell: (worker: WorkerProcess, it: FromWorker) => void
  /** One of them has written a line of log. */
  readonly onLine: (line: string) => void
  /** A connection that one of them was given, and has not taken. */
  readonly onGivenBack: (socket: Socket) => void
  readonly onExit: (worker: WorkerProcess) => void
}

/** A worker. */
export class WorkerProcess {
  readonly pid: number
  readonly bornAt = performance.now()
  /** Where it is to be found, once it can be given connections. */
  urls: Urls | undefined = undefined
  /** Whether it can be given connections now. */
  isOpen = false
  /** Whether it is told what happens to the connections of all. */
  isFollowing = false
  /** Why it could not start, in words for a person. */
  problem: string | undefined = undefined
  exit: Exit | undefined = undefined
  readonly #worker: ReturnType<typeof cluster.fork>
  readonly #link: Link
  readonly #hub: Hub
  /** Connections that it hasn't taken yet. */
  readonly #given = new Map<number, { readonly socket: Socket; readonly at: number }>()
  #last = 0
  /** Whether nothing was heard of it since one was given to another. */
  #isSilent = false
  #tags: ReadonlyArray<string> = []
  /** How many places each host has here. */
  readonly #byHost = new Map<string, number>()
  /** What it counted when it was last asked. */
  #families: ReadonlyArray<Family> = []

  constructor(birth: Birth, hub: Hub) {
    this.#hub = hub
    const worker = cluster.fork({ [VARIABLE]: JSON.stringify(birth) })
    this.#worker = worker
    this.pid = worker.process.pid ?? 0
    this.#link = new Link({
      name: this.name,
      send: (packet) => {
        if (!worker.isConnected()) return false
        worker.process.send(packet, undefined, undefined, () => {})
        return true
      },
      run: hub.run,
      onAsk: (it) => hub.answer(trust(it)),
      onTell: (it) => this.#onTell(trust(it))
    })
    worker.on("message", (packet: Packet) => {
      this.#isSilent = false
      this.#link.receive(packet)
    })
    worker.on("error", () => {})
    worker.process.on("error", ({ message }) => {
      this.problem ??= message
      // It was never there.
      if (this.pid === 0) this.#onExit({ code: null, signal: null })
    })
    // Whatever the types say: there is none where there was no process.
    worker.process.stdout?.setEncoding("utf8").on("data", linesOf(hub.onLine))
    // Not "exit": what it has logged may still be on its way.
    worker.process.once("close", (code: number | null, signal: string | null) =>
      this.#onExit({ code, signal })
    )
  }

  get name(): string {
    return `worker ${this.pid}`
  }

  /** What others see of it, once it is about to listen. */
  get member(): Member | undefined {
    if (this.#tags.length === 0 || this.exit !== undefined) return undefined
    return {
      name: this.name,
      tags: this.#tags,
      fleet: Message.remote(this.name, (request) => this.#ask(request))
    }
  }

  /** How many connections it has. */
  get connections(): number {
    return [...this.#byHost.values()].reduce((sum, places) => sum + places, 0)
  }

  /** What it has counted; if it doesn't answer, by when it last did. */
  get families(): Effect.Effect<ReadonlyArray<Family>> {
    return this.#ask<ReadonlyArray<Family>>({ _tag: "Families" }).pipe(
      Effect.tap((families) => Effect.sync(() => (this.#families = families))),
      Effect.orElseSucceed(() => this.#families)
    )
  }

  /** What of that stays true now that it has ended. Nobody has been told more. */
  get lasting(): ReadonlyArray<Family> {
    return lasting(this.#families)
  }

  /** Gives it a connection; it comes back to the hub if the worker ends before it has taken it. */
  give(socket: Socket): void {
    const number = ++this.#last
    this.#given.set(number, { socket, at: performance.now() })
    const until = Date.now() + TAKEN_WITHIN
    const packet: Packet = { tell: { _tag: "Connection", number, until } satisfies FromPrimary }
    this.#worker.process.send(packet, socket, { keepOpen: true }, () => {})
  }

  /** Whether it was given a connection a while ago, and hasn't taken it. */
  get isHeldUp(): boolean {
    const [first] = this.#given.values()
    return this.#isSilent || (first !== undefined && performance.now() - first.at > TAKEN_WITHIN)
  }

  /** Gives back what it hasn't taken for so long that it won't any more. */
  takeBack(): void {
    for (const [number, { at }] of this.#given) {
      if (performance.now() - at < TAKEN_BACK_AFTER) return
      // A question gets there even where no connection does: any answer tells that it is to be given some again.
      if (!this.#isSilent) this.#hub.run(Effect.ignore(this.#ask({ _tag: "Get", id: "" })))
      this.#isSilent = true
      this.#giveBack(number)
    }
  }

  tell(it: FromPrimary): void {
    this.#link.tell(it)
  }

  kill(signal: NodeJS.Signals): void {
    this.#worker.process.kill(signal)
  }

  #ask<A = Message.Answer>(question: Question): Effect.Effect<A, NoAnswer> {
    return Effect.map(this.#link.ask(question), trust<A>)
  }

  #onTell(it: FromWorker): void {
    switch (it._tag) {
      case "Hello":
        this.#tags = it.tags
        break
      case "Listening":
        this.urls = it.urls
        this.isOpen = true
        break
      case "Closed":
        this.isOpen = false
        break
      case "Taken":
        // The other process has it: what is closed here is only this one's part.
        this.#given.get(it.number)?.socket.destroy()
        this.#given.delete(it.number)
        return
      case "Failed":
        this.problem = it.message
        break
      case "Places":
        for (const host of it.left) this.#leave(host)
        if (it.asked.length === 0) return
        return this.tell({
          _tag: "Entered",
          all: it.asked.map(([number, host]) => [number, this.#enter(host) ?? null])
        })
      case "Declined":
        return this.#giveBack(it.number)
      case "Counted":
        this.#families = it.families
        return
      case "Follow":
      case "Happened":
    }
    this.#hub.onTell(this, it)
  }

  #enter(host: string): Refusal | undefined {
    const full = this.#hub.places.take(host)
    if (full === undefined) this.#byHost.set(host, (this.#byHost.get(host) ?? 0) + 1)
    return full
  }

  #leave(host: string): void {
    this.#hub.places.giveBack(host)
    const left = (this.#byHost.get(host) ?? 0) - 1
    if (left > 0) this.#byHost.set(host, left)
    else this.#byHost.delete(host)
  }

  #giveBack(number: number): void {
    const given = this.#given.get(number)
    this.#given.delete(number)
    if (given !== undefined) this.#hub.onGivenBack(given.socket)
  }

  #onExit(exit: Exit): void {
    if (this.exit !== undefined) return
    this.exit = exit
    this.isOpen = false
    // What it told has come by now. (Node doesn't always say that there is no way to it any more: not where a connection
    // was on its way.)
    for (const { socket } of this.#given.values()) this.#hub.onGivenBack(socket)
    this.#given.clear()
    this.#link.close()
    for (const [host, places] of this.#byHost) this.#hub.places.giveBack(host, places)
    this.#hub.onExit(this)
  }
}
