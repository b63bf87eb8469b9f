/**
 * What a client asks to go wrong: one fault, and the moment at which it comes.
 *
 * One schema reads the query of a URL (`?fault=close&code=4001&after=3msg`) and a JSON object
 * (`{"fault":"close","code":4001,"after":"3msg"}`), and writes a plan again.
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Inspectable from "effect/Inspectable"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { Value } from "../config/Value.js"
import * as CloseCode from "../protocol/CloseCode.js"
import * as Parameter from "./Parameter.js"

const written = (accepts: string) =>
  Schema.Union(Schema.String, Schema.Number).annotations({ description: `Accepted is ${accepts}.` })

/** A parameter: text or, in JSON, a number, which may have a unit of its own. */
const field = <A>(
  schema: Schema.Schema<A>,
  value: Value<A>,
  write: (value: A) => string,
  unit: string = ""
) =>
  Schema.transformOrFail(written(value.accepts), schema, {
    strict: true,
    decode: (given, _, ast) => {
      const read = value.read(typeof given === "number" ? `${given}${unit}` : given)
      return read === undefined
        ? ParseResult.fail(new ParseResult.Type(ast, given))
        : ParseResult.succeed(read)
    },
    encode: (read) => ParseResult.succeed(write(read))
  })

const number = (value: Value<number>) => field(Schema.Number, value, String)
const millis = field(Schema.Number, Parameter.millis, (time) => `${time}ms`, "ms")
const moment = Schema.Union(
  Schema.TaggedStruct("Time", { millis: Schema.Number }),
  Schema.TaggedStruct("Messages", { count: Schema.Number })
)

const after = { after: Schema.optional(field(moment, Parameter.moment, Parameter.writeMoment, "ms")) }
const seed = { seed: Schema.optional(number(Parameter.seed)) }
const rate = { rate: number(Parameter.share) }

const named = <K extends string>(kind: K) => ({ fault: Schema.Literal(kind) })

/** Each fault with the parameters that it has. */
const structs = {
  close: Schema.Struct({
    ...named("close"),
    code: Schema.optionalWith(number(Parameter.code), { default: () => CloseCode.NORMAL }),
    reason: Schema.optionalWith(field(Schema.String, Parameter.reason, String), { default: () => "" }),
    ...after
  }),
  reset: Schema.Struct({ ...named("reset"), ...after }),
  vanish: Schema.Struct({ ...named("vanish"), ...after }),
  stall: Schema.Struct({ ...named("stall"), ...after }),
  mute: Schema.Struct({ ...named("mute"), ...after }),
  truncate: Schema.Struct({ ...named("truncate"), ...after }),
  corrupt: Schema.Struct({ ...named("corrupt"), ...after }),
  refuse: Schema.Struct({
    ...named("refuse"),
    status: Schema.optionalWith(number(Parameter.status), { default: () => 503 }),
    "retry-after": Schema.optional(number(Parameter.seconds))
  }),
  hang: Schema.Struct(named("hang")),
  delay: Schema.Struct({
    ...named("delay"),
    time: millis,
    jitter: Schema.optionalWith(millis, { default: () => 0 }),
    ...seed,
    ...after
  }),
  drop: Schema.Struct({ ...named("drop"), ...rate, ...seed, ...after }),
  duplicate: Schema.Struct({ ...named("duplicate"), ...rate, ...seed, ...after }),
  throttle: Schema.Struct({ ...named("throttle"), rate: number(Parameter.throughput), ...after })
}

/** The faults of an open connection. */
const ofConnection = [
  structs.close,
  structs.reset,
  structs.vanish,
  structs.stall,
  structs.mute,
  structs.truncate,
  structs.corrupt,
  structs.delay,
  structs.drop,
  structs.duplicate,
  structs.throttle
] as const

/**
 * Reads and writes the faults of an open connection.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "answerback"
 * import { Schema } from "effect"
 *
 * // A part of a test's own script, in a file.
 * const Step = Schema.Struct({ name: Schema.String, fault: FaultPlan.ConnectionFault })
 * export const steps = Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(Step)))(
 *   `[{ "name": "hang up", "fault": { "fault": "close", "code": 4001, "after": "3msg" } }]`
 * )
 * ```
 */
export const ConnectionFault = Schema.Union(...ofConnection)

/** Reads and writes any of them, told apart by their names. */
const schema = Schema.Union(...ofConnection, structs.refuse, structs.hang)

/**
 * The names of the faults.
 *
 * @example
 * ```ts
 * import type { FaultPlan } from "answerback"
 *
 * // Those after which a client has to connect again.
 * export const endings: ReadonlyArray<FaultPlan.FaultKind> = ["close", "reset", "vanish", "truncate", "corrupt"]
 * ```
 */
export type FaultKind = keyof typeof structs

/**
 * A fault of a certain kind, as it has been read.
 *
 * @example
 * ```ts
 * import type { FaultPlan } from "answerback"
 *
 * export const describe = ({ code, reason }: FaultPlan.PlanOf<"close">): string => `closes with ${code} ${reason}`
 * ```
 */
export type PlanOf<K extends FaultKind> = Extract<FaultPlan, { readonly fault: K }>

/**
 * What goes wrong with a connection, and when.
 *
 * @example
 * ```ts
 * import type { FaultPlan } from "answerback"
 *
 * // Every plan has the name of its fault, by which it is told apart.
 * export const isOrderly = (plan: FaultPlan.FaultPlan): boolean =>
 *   plan.fault === "close" || (plan.fault === "refuse" && plan.status === 503)
 * ```
 */
export type FaultPlan = Schema.Schema.Type<typeof schema>

/**
 * A fault of the handshake itself.
 *
 * @example
 * ```ts
 * import type { FaultPlan } from "answerback"
 *
 * // What the first three attempts of a client meet with.
 * export const attempts: ReadonlyArray<FaultPlan.HandshakePlan> = [
 *   { fault: "hang" },
 *   { fault: "refuse", status: 503 },
 *   { fault: "refuse", status: 429, "retry-after": 2 }
 * ]
 * ```
 */
export type HandshakePlan = PlanOf<"refuse" | "hang">

/**
 * A fault of a connection that is open.
 *
 * @example
 * ```ts
 * import { type Connection, type FaultPlan, Faults } from "answerback"
 * import { Effect } from "effect"
 *
 * export const spoil = (connection: Connection, plan: FaultPlan.ConnectionPlan) =>
 *   Effect.flatMap(Faults.Faults, ({ apply }) => apply(connection.id, plan))
 * ```
 */
export type ConnectionPlan = Exclude<FaultPlan, HandshakePlan>

/**
 * A plan as a program or JSON writes it: numbers where they are times are milliseconds.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "answerback"
 *
 * const script: ReadonlyArray<FaultPlan.FaultInput> = [
 *   { fault: "delay", time: "200ms", jitter: "50ms" },
 *   { fault: "throttle", rate: "10KiB" },
 *   { fault: "reset", after: "3msg" }
 * ]
 * export const plans = script.map((input) => FaultPlan.make(input))
 * ```
 */
export type FaultInput = Schema.Schema.Encoded<typeof schema>

/**
 * The names of all faults.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "answerback"
 *
 * export const help = `--fault NAME   one of ${FaultPlan.kinds.join(", ")}`
 * ```
 */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a record that has just these
export const kinds = Object.keys(structs) as ReadonlyArray<FaultKind>

const isKind = (name: unknown): name is FaultKind => kinds.some((kind) => kind === name)

/**
 * Whether a fault is one of the handshake, and none that an open connection can have.
 *
 * @example
 * ```ts
 * import { type Connection, FaultPlan, Faults } from "answerback"
 * import { Effect } from "effect"
 *
 * // A connection that is open can't have its handshake refused any more.
 * export const applyIfItCan = (connection: Connection, plan: FaultPlan.FaultPlan) =>
 *   FaultPlan.isOfHandshake(plan)
 *     ? Effect.logWarning(`too late for ${plan.fault}`)
 *     : Effect.flatMap(Faults.Faults, ({ apply }) => apply(connection.id, plan))
 * ```
 */
export const isOfHandshake = (plan: FaultPlan): plan is HandshakePlan =>
  plan.fault === "refuse" || plan.fault === "hang"

/**
 * What can't be read as a plan.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "answerback"
 * import { Either } from "effect"
 *
 * // A form that marks the field that is wrong: here, `rate`.
 * export const wrong = Either.flip(FaultPlan.parse({ fault: "drop", rate: "lots" }))
 * export const mark = Either.map(wrong, ({ message, parameter }) => ({ [parameter]: message }))
 * ```
 */
export class InvalidFault extends Data.TaggedError("InvalidFault")<{
  /** The parameter that is wrong or missing. */
  readonly parameter: string
  /** Names it and its value, and says what is accepted. */
  readonly message: string
}> {}

const invalid = (parameter: string, problem: string): Either.Either<never, InvalidFault> =>
  Either.left(new InvalidFault({ parameter, message: `${parameter} ${problem}` }))

/** Shows a value as JSON, or else, since a program may give anything, as it can be shown. */
const show = (given: unknown): string =>
  typeof given === "string" ? JSON.stringify(given) : Inspectable.toStringUnknown(given, 0)

const unreadable = (parameter: string, given: unknown, accepts: string) =>
  invalid(parameter, `${show(given)} can't be read: accepted is ${accepts}`)

/**
 * Reads a plan from the parameters of a query or the fields of a JSON object. Others than those of the fault don't matter.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "answerback"
 * import { Either } from "effect"
 *
 * // From a file or a request, with whatever stands there.
 * export const plan = FaultPlan.parse({ fault: "close", code: "4001", after: "3msg" })
 * export const answer = Either.match(plan, {
 *   onLeft: ({ message }) => `400 ${message}`,
 *   onRight: ({ fault }) => `202 ${fault}`
 * })
 * ```
 */
export const parse = (given: Readonly<Record<string, unknown>>): Either.Either<FaultPlan, InvalidFault> => {
  const { fault } = given
  if (fault === undefined) return invalid("fault", `is missing: accepted is ${kinds.join(", ")}`)
  if (!isKind(fault)) return unreadable("fault", fault, kinds.join(", "))
  return Either.orElse(Schema.decodeUnknownEither(schema)(given), (error) => {
    const name = String(ParseResult.ArrayFormatter.formatErrorSync(error)[0]?.path[0] ?? "fault")
    const { accepts } = Parameter.named(fault, name)
    return given[name] === undefined
      ? invalid(name, `is missing: fault=${fault} needs it, accepted is ${accepts}`)
      : unreadable(name, given[name], accepts)
  })
}

/**
 * Reads a plan from the query of a URL; `undefined` if it asks for no fault.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "answerback"
 *
 * // As `Faults.layerUrl` reads it, for a program that also has rules of its own.
 * export const asked = (url: URL) => FaultPlan.fromQuery(url.searchParams)
 * ```
 */
export const fromQuery = (query: URLSearchParams): Either.Either<FaultPlan | undefined, InvalidFault> => {
  if (!query.has("fault")) return Either.right(undefined)
  const twice = Parameter.names.find((name) => query.getAll(name).length > 1)
  return twice === undefined
    ? parse(Object.fromEntries(query))
    : invalid(twice, "is given more than once: a connection has one fault, and each parameter one value")
}

/**
 * The plan that a program writes, as it would in JSON: `make({ fault: "close", code: 4001, after: "3msg" })`.
 *
 * Throws `InvalidFault` if a value can't be read.
 *
 * @example
 * ```ts
 * import { FaultPlan, Faults } from "answerback"
 *
 * // Each client of a test loses a tenth of its echoes, always the same ones.
 * export const Lossy = Faults.layer(() => FaultPlan.make({ fault: "drop", rate: 0.1, seed: 7 }))
 * ```
 */
export const make = <const I extends FaultInput>(input: I): PlanOf<I["fault"]> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a plan is of the kind that was asked for
  Either.getOrThrowWith(parse(input), (error) => error) as PlanOf<I["fault"]>

/**
 * Writes a plan as JSON that reads as the same plan.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "answerback"
 *
 * // The body of `POST /connections/{id}/faults`.
 * export const body = JSON.stringify(FaultPlan.toJson(FaultPlan.make({ fault: "stall", after: "5s" })))
 * ```
 */
export const toJson: (plan: FaultPlan) => FaultInput = Schema.encodeSync(schema)

/**
 * Writes a plan as a query that reads as the same plan.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "answerback"
 *
 * // What a client connects to, for a plan that a test has drawn.
 * export const urlOf = (plan: FaultPlan.FaultPlan): string =>
 *   `ws://localhost:8080/echo?${FaultPlan.toQuery(plan).toString()}`
 * ```
 */
export const toQuery = (plan: FaultPlan): URLSearchParams =>
  new URLSearchParams(
    Object.entries(toJson(plan)).map(([name, value]): [string, string] => [name, String(value)])
  )
