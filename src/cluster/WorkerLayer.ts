/**
 * One of the processes that share the connections of a server, seen from inside: it does what the primary asks, and
 * asks the primary about all that isn't its own.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type { Server } from "node:http"
import { Socket } from "node:net"
import type { Admission } from "../http/Admission.js"
import type { Refusal } from "../protocol/Handshake.js"
import { Events } from "../registry/Events.js"
import type { Family } from "../telemetry/Prometheus.js"
import { Cluster, type Health, type Joined, type Own } from "./Cluster.js"
import { type Birth, type FromPrimary, type FromWorker, type Question, trust } from "./Ipc.js"
import { Link, type Packet } from "./Link.js"
import * as Message from "./Message.js"
import { send } from "./Worker.js"

/** Collects what comes in one turn of the event loop. */
const batched = <A>(hand: (all: ReadonlyArray<A>) => void): ((one: A) => void) => {
  let batch: Array<A> = []
  return (one) => {
    if (batch.push(one) > 1) return
    setImmediate(() => {
      const all = batch
      batch = []
      hand(all)
    })
  }
}

/**
 * Asks the primary for places, which has them for all: once a turn of the event loop for all who come in it. A message is
 * what it costs: a tenth of a handshake where each sends its own.
 */
class SharedPlaces implements Admission {
  readonly #asking = new Map<number, (full: Refusal | undefined) => void>()
  readonly #tell: (one: { readonly number?: number; readonly host: string }) => void
  #last = 0

  constructor(tell: (it: FromWorker) => void) {
    this.#tell = batched((all) => {
      const left: Array<string> = []
      const asked: Array<readonly [number, string]> = []
      for (const { host, number } of all) {
        if (number === undefined) left.push(host)
        else asked.push([number, host])
      }
      tell({ _tag: "Places", left, asked })
    })
  }

  enter(host: string, socket: Socket, decided: (full: Refusal | undefined) => void): void {
    const number = ++this.#last
    this.#asking.set(number, (full) => {
      if (full === undefined) {
        const leave = (): void => this.#tell({ host })
        if (socket.closed) leave()
        else socket.once("close", leave)
      }
      decided(full)
    })
    this.#tell({ number, host })
  }

  entered(number: number, full: Refusal | null): void {
    const decided = this.#asking.get(number)
    this.#asking.delete(number)
    decided?.(full ?? undefined)
  }
}

/** JSON has no integers without bound. */
const plain = (family: Family): Family => ({
  ...family,
  samples: family.samples.map((sample) => ({ ...sample, value: Number(sample.value) }))
})

const join = (birth: Birth, own: Own) =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, void>()
    const events = new Events<Message.Event>()
    const isFollowing = yield* Deferred.make<void>()
    let health: Health = "ok"
    const tell = (it: FromWorker): void => link.tell(it)
    const places = new SharedPlaces(tell)

    const onTell = (it: FromPrimary): void => {
      switch (it._tag) {
        // It comes with a socket, and is seen to before.
        case "Connection":
          return
        case "Entered":
          for (const [number, full] of it.all) places.entered(number, full)
          return
        case "Report":
          return own.events.relay(
            batched((events) => tell({ _tag: "Happened", events: events.map(({ event }) => event) }))
          )
        case "Following":
          events.remember()
          for (const event of it.recent) events.receive(event)
          events.lose(it.last - events.last)
          return Deferred.unsafeDone(isFollowing, Effect.void)
        case "Events":
          // What was remembered when this one asked may have been on its way, too.
          for (const event of it.events) if (event.number > events.last) events.receive(event)
          return
        case "Health":
          health = it.health
          return
        case "Drain":
          // As if by a signal, which this process doesn't get alone: `main` does what there is to do.
          process.emit("SIGTERM")
      }
    }
    const families = () => own.families().map(plain)
    const onAsk = (it: Question): Effect.Effect<unknown> =>
      it._tag === "Families" ? Effect.sync(families) : Message.answer(own.fleet, it)

    /** The server that gets connections. */
    let server: Server | undefined
    const take = (number: number, until: number, socket: unknown): void => {
      if (!(socket instanceof Socket)) return
      if (Date.now() > until || server === undefined) {
        // What is closed here is only this process's part.
        socket.destroy()
        return tell({ _tag: "Declined", number })
      }
      // Before a byte of it is read: until it is told, the primary gives it to another if this process ends.
      tell({ _tag: "Taken", number })
      // As Node's server does with those that it has accepted itself.
      socket.allowHalfOpen = true
      socket.setNoDelay(true)
      server.emit("connection", socket)
    }

    const link: Link = new Link({
      name: "the primary",
      send,
      run,
      onAsk: (it) => onAsk(trust(it)),
      onTell: (it) => onTell(trust(it))
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const receive = (packet: Packet, socket: unknown): void => {
          if (!("tell" in packet)) return link.receive(packet)
          const it = trust<FromPrimary>(packet.tell)
          if (it._tag === "Connection") take(it.number, it.until, socket)
          else onTell(it)
        }
        process.on("message", receive)
        return receive
      }),
      (receive) => Effect.sync(() => process.off("message", receive))
    )
    tell({ _tag: "Hello", tags: own.tags() })
    yield* Effect.addFinalizer(() => Effect.sync(() => tell({ _tag: "Counted", families: families() })))

    const ask = (question: Question) => link.ask(question)
    // The primary is there as long as this process is: it may be slow, but it answers.
    const fleet = Message.remote("the primary", (request) => Effect.map(ask(request), trust<Message.Answer>))
    let hasAsked = false
    return {
      fleet: {
        ...fleet,
        page: (options) => Effect.orDie(fleet.page(options)),
        stopAll: (options) => Effect.catchTag(fleet.stopAll(options), "NoAnswer", Effect.die)
      },
      events,
      follow: Effect.suspend(() => {
        if (!hasAsked) tell({ _tag: "Follow" })
        hasAsked = true
        return Deferred.await(isFollowing)
      }),
      epoch: birth.epoch,
      health: () => health,
      admission: places,
      scrape: Effect.map(Effect.orDie(ask({ _tag: "Families" })), trust<ReadonlyArray<Family>>),
      intake: {
        listen: (listening) =>
          Effect.sync(() => {
            server = listening
            server.once("close", () => {
              server = undefined
              tell({ _tag: "Closed" })
            })
            // Only from then on does Node watch over the time that requests take.
            server.emit("listening")
            return birth.bound
          }),
        listening: (urls) => Effect.sync(() => tell({ _tag: "Listening", urls }))
      }
    } satisfies Joined
  })

/** The other workers of the primary that has started this process. */
export const layer = (birth: Birth): Layer.Layer<Cluster> =>
  Layer.succeed(Cluster, { join: (own) => join(birth, own) })
