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

/** Reads and writes the faults of an open connection, told apart by their names. */
export const ConnectionFault = Schema.Union(
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
)

/** Reads and writes any of them. */
const schema = Schema.Union(ConnectionFault, structs.refuse, structs.hang)

/** The names of the faults. */
export type FaultKind = keyof typeof structs

/** A fault of a certain kind, as it has been read. */
export type PlanOf<K extends FaultKind> = Extract<FaultPlan, { readonly fault: K }>

/** What goes wrong with a connection, and when. */
export type FaultPlan = Schema.Schema.Type<typeof schema>

/** A fault of the handshake itself. */
export type HandshakePlan = PlanOf<"refuse" | "hang">

/** A fault of a connection that is open. */
export type ConnectionPlan = Exclude<FaultPlan, HandshakePlan>

/** A plan as a program or JSON writes it: numbers where they are times are milliseconds. */
export type FaultInput = Schema.Schema.Encoded<typeof schema>

/** The names of all faults. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a record that has just these
export const kinds = Object.keys(structs) as ReadonlyArray<FaultKind>

const isKind = (name: unknown): name is FaultKind => kinds.some((kind) => kind === name)

/** Whether a fault is one of the handshake, and none that an open connection can have. */
export const isOfHandshake = (plan: FaultPlan): plan is HandshakePlan =>
  plan.fault === "refuse" || plan.fault === "hang"

/** What can't be read as a plan. */
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

/** Reads a plan from the parameters of a query or the fields of a JSON object. Others than those of the fault don't matter. */
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

/** Reads a plan from the query of a URL; `undefined` if it asks for no fault. */
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
 */
export const make = <const I extends FaultInput>(input: I): PlanOf<I["fault"]> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a plan is of the kind that was asked for
  Either.getOrThrowWith(parse(input), (error) => error) as PlanOf<I["fault"]>

/** Writes a plan as JSON that reads as the same plan. */
export const toJson: (plan: FaultPlan) => FaultInput = Schema.encodeSync(schema)

/** Writes a plan as a query that reads as the same plan. */
export const toQuery = (plan: FaultPlan): URLSearchParams =>
  new URLSearchParams(
    Object.entries(toJson(plan)).map(([name, value]): [string, string] => [name, String(value)])
  )
