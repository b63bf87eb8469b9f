/**
 * Interruptions on demand: what goes wrong with the connections of a server, as its clients or its program ask.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Either from "effect/Either"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { PCGRandom } from "effect/Utils"
import { monotonic } from "../connection/Monotonic.js"
import type { RawTransport, Transport } from "../connection/Transport.js"
import { type ConnectionId, ConnectionNotFound } from "../protocol/ConnectionId.js"
import { type Refusal, refusal, type Request } from "../protocol/Handshake.js"
import { queryOf } from "../protocol/Target.js"
import * as FaultPlan from "./FaultPlan.js"
import { Interruptible, type SharedTools } from "./Interruptible.js"

/**
 * A handshake, for which it is to be decided what goes wrong.
 *
 * @example
 * ```ts
 * import { FaultPlan, Faults } from "answerback"
 *
 * // Only who says that it is a test is spoiled.
 * const planOf = ({ headers, target }: Faults.FaultRequest) =>
 *   headers["x-test"] !== undefined && target.startsWith("/chat")
 *     ? FaultPlan.make({ fault: "reset", after: "3msg" })
 *     : undefined
 * export const ForTests = Faults.layer(planOf)
 * ```
 */
export interface FaultRequest extends Request {
  /** What the request asks for: path and query. */
  readonly target: string
}

/**
 * A transport with which something can go wrong.
 *
 * @internal
 */
export interface Faulty extends Transport {
  /** The connection has got an id, by which faults can be asked for. */
  readonly opened: (id: ConnectionId) => void
}

/**
 * Makes a transport such that something can go wrong with it, and what is planned does.
 *
 * @internal
 */
export type Wrapper = (inner: RawTransport, plan: FaultPlan.ConnectionPlan | undefined) => Faulty

/**
 * Who may ask for faults: clients in the URL and operators by the admin API, operators alone, or nobody.
 *
 * @internal
 */
export type Askers = "clients" | "operators" | "nobody"

/** What is asked of it. */
interface Service {
  /**
   * Who may ask: the console offers no more, and the admin API takes no more.
   *
   * @internal
   */
  readonly askers: Askers
  /** Lets something go wrong with an open connection. A later fault replaces an earlier one. */
  readonly apply: (id: string, plan: FaultPlan.ConnectionPlan) => Effect.Effect<void, ConnectionNotFound>
  /**
   * Decides on a handshake: nothing, a plan, or a refusal to a request for a fault that can't be read.
   *
   * @internal
   */
  readonly decide: (request: FaultRequest) => Either.Either<FaultPlan.FaultPlan | undefined, Refusal>
  /**
   * Reads a fault for an open connection, which is asked for in JSON; or refuses.
   *
   * @internal
   */
  readonly read: (text: string) => Either.Either<FaultPlan.ConnectionPlan, Refusal>
  /**
   * Makes the transports of a server such that something can go wrong with them.
   *
   * @internal
   */
  readonly wrapper: (highWaterMark: number) => Wrapper
}

/**
 * What goes wrong with the connections of a server.
 *
 * @example
 * ```ts
 * import { echo, Connections, FaultPlan, Faults, WebSocketServer } from "answerback"
 * import { Effect, Layer } from "effect"
 *
 * // A test that all peers notice that the server has gone silent.
 * export const silence = Effect.gen(function* () {
 *   const { list } = yield* Connections
 *   const { apply } = yield* Faults.Faults
 *   for (const { id } of yield* list) yield* apply(id, FaultPlan.make({ fault: "mute" }))
 * })
 * export const Server = WebSocketServer.layer(echo, { port: 0 }).pipe(Layer.provideMerge(Faults.layer()))
 * ```
 */
export class Faults extends Context.Tag("answerback/Faults")<Faults, Service>() {}

const planFailed = refusal(500, "FaultPlanFailed", "the program failed to plan a fault: its log says how")

/**
 * Refuses any fault where there are none.
 *
 * @internal
 */
export const disabled = refusal(
  403,
  "FaultsDisabled",
  "this server makes no faults: to allow them, start it with --faults on (or ANSWERBACK_FAULTS=on)"
)

const unreadable = (message: string): Either.Either<never, Refusal> =>
  Either.left(refusal(400, "InvalidFault", message))

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const read = (text: string): Either.Either<FaultPlan.ConnectionPlan, Refusal> => {
  const json = parse(text)
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return unreadable('a fault is a JSON object, such as {"fault":"close","code":4001,"after":"3msg"}')
  }
  return Either.match(FaultPlan.parse({ ...json }), {
    onLeft: ({ message }) => unreadable(message),
    onRight: (plan) =>
      FaultPlan.isOfHandshake(plan)
        ? unreadable(
            `fault "${plan.fault}" can't be had by a connection that is open: it is one of the handshake`
          )
        : Either.right(plan)
  })
}

const make = (
  askers: Askers,
  decideOn: Context.Tag.Service<Faults>["decide"]
): Effect.Effect<Context.Tag.Service<Faults>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const elapsed = yield* monotonic
    const fork = yield* FiberSet.makeRuntime<never, void>()
    const random = new PCGRandom(yield* Random.nextInt)
    const open = new Map<string, Interruptible>()
    return {
      askers,
      decide: (request) => {
        try {
          return decideOn(request)
        } catch (cause) {
          // It is the program's own, and called where nobody would catch what it throws.
          fork(Effect.logError("fault plan failed", Cause.die(cause)))
          return Either.left(planFailed)
        }
      },
      read,
      apply: (id, plan) =>
        Effect.suspend(() => {
          const transport = open.get(id)
          if (transport === undefined) return Effect.fail(new ConnectionNotFound({ id }))
          return Effect.sync(() => transport.apply(plan))
        }),
      wrapper: (highWaterMark) => {
        const tools: SharedTools = {
          highWaterMark,
          elapsed,
          run: (effect) => {
            const fiber = fork(effect)
            return () => fiber.unsafeInterruptAsFork(FiberId.none)
          },
          newSeed: () => random.integer(2 ** 32)
        }
        return (inner, plan) => {
          const transport = new Interruptible(inner, tools, open)
          if (plan !== undefined) transport.apply(plan)
          return transport
        }
      }
    }
  })

/**
 * Faults by code: a program, or its tests, decide for each handshake what goes wrong with its connection, and let go
 * wrong what is open with `apply`.
 *
 * @example
 * ```ts
 * import { echo, FaultPlan, Faults, WebSocketServer } from "answerback"
 * import { Layer } from "effect"
 *
 * // Every second handshake is refused: does the client come back?
 * let handshakes = 0
 * const Flaky = Faults.layer(() =>
 *   handshakes++ % 2 === 0 ? FaultPlan.make({ fault: "refuse", status: 503, "retry-after": 1 }) : undefined
 * )
 * export const Server = WebSocketServer.layer(echo, { port: 0 }).pipe(Layer.provide(Flaky))
 * ```
 */
export const layer = (
  planOf: (request: FaultRequest) => FaultPlan.FaultPlan | undefined = () => undefined
): Layer.Layer<Faults> =>
  Layer.scoped(
    Faults,
    make("operators", (request) => Either.right(planOf(request)))
  )

/**
 * Faults that clients ask for in the URL that they connect to: `ws://host/echo?fault=reset&after=3msg`. A handshake
 * that asks for one that can't be read is refused with 400, or with 403 where faults are off.
 *
 * @example
 * ```ts
 * import { type Connection, Faults, WebSocketServer } from "answerback"
 * import { Layer, Stream } from "effect"
 *
 * // What `EchoServer` can do, with another handler: /shout?fault=delay&time=1s
 * const shout = (connection: Connection) =>
 *   Stream.runForEach(connection.messages, ({ text }) => connection.send(text.toUpperCase()))
 * export const Server = WebSocketServer.layer(shout, { path: "/shout" }).pipe(Layer.provide(Faults.layerUrl()))
 * ```
 */
export const layerUrl = (isOn = true): Layer.Layer<Faults> =>
  Layer.scoped(
    Faults,
    make(isOn ? "clients" : "nobody", ({ target }) => {
      if (!target.includes("?")) return Either.right(undefined)
      const query = queryOf(target)
      if (!query.has("fault")) return Either.right(undefined)
      if (!isOn) return Either.left(disabled)
      return Either.mapLeft(FaultPlan.fromQuery(query), ({ _tag, message }) => refusal(400, _tag, message))
    })
  )
