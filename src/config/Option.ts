/**
 * An option: one setting with a flag, an environment variable, a default, and words for a person. Flags, `Config` and
 * the help are all derived from it.
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import type { Value } from "./Value.js"

/** One setting. */
export interface Option<A> {
  /** The name of the flag, without dashes. */
  readonly flag: string
  /** The environment variables that give it: the first that is set counts. */
  readonly env: readonly [string, ...Array<string>]
  readonly placeholder: string
  /** What is accepted. */
  readonly accepts: string
  /** Whether the flag can be given several times; the variable then holds a comma separated list. */
  readonly isRepeatable: boolean
  readonly default: A
  /** The default, as the help writes it. */
  readonly defaultText: string
  /** What it does, as the help says it. */
  readonly help: string
  /** Reads the texts that were given (one, unless it is repeatable); an error says which can't be read, and what is accepted. */
  readonly read: (texts: ReadonlyArray<string>) => Either.Either<A, Unreadable>
}

/** A text that can't be read as a value. */
export interface Unreadable {
  readonly text: string
  readonly accepts: string
}

interface About {
  readonly flag: string
  readonly env?: ReadonlyArray<string>
  readonly help: string
  readonly defaultText: string
}

const common = (about: About, { accepts, placeholder }: Pick<Value<unknown>, "accepts" | "placeholder">) => ({
  flag: about.flag,
  env: [`ANSWERBACK_${about.flag.replaceAll("-", "_").toUpperCase()}`, ...(about.env ?? [])] as [
    string,
    ...Array<string>
  ],
  placeholder,
  accepts,
  defaultText: about.defaultText,
  help: about.help
})

const readOne = <A>(value: Value<A>, text: string): Either.Either<A, Unreadable> =>
  Either.fromNullable(value.read(text), () => ({
    text: value.show?.(text) ?? text,
    accepts: value.accepts
  }))

/** An option with one value. */
export const single = <A, const B = A>(about: About, value: Value<A>, fallback: B): Option<A | B> => ({
  ...common(about, value),
  isRepeatable: false,
  default: fallback,
  read: (texts) => readOne(value, texts.at(-1) ?? "")
})

/** An option with a list of values, none by default. */
export const repeated = <A>(about: About, value: Value<A>): Option<ReadonlyArray<A>> => ({
  ...common(about, value),
  isRepeatable: true,
  default: [],
  read: (texts) => Either.all(texts.map((text) => readOne(value, text)))
})

/** Splits a variable that holds a list. */
const split = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

/** What a record of options is read to. */
export type Settings<Options extends Readonly<Record<string, Option<unknown>>>> = {
  readonly [K in keyof Options]: Options[K] extends Option<infer A> ? A : never
}

/** Reads each of a record of options. */
export const readEach = <Options extends Readonly<Record<string, Option<unknown>>>>(
  options: Options,
  read: (option: Option<unknown>) => unknown
): Settings<Options> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a record that is mapped loses its names
  Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, read(option)])
  ) as Settings<Options>

/** Reads an environment variable; `undefined` if it is set to nothing, which counts as not set. */
export const readVariable = <A>(option: Option<A>, text: string): Either.Either<A, Unreadable> | undefined =>
  text.trim() === "" ? undefined : option.read(option.isRepeatable ? split(text) : [text])

/** Says what is wrong with a text. */
export const explain = ({ accepts, text }: Unreadable): string =>
  `${JSON.stringify(text)} can't be read: accepted is ${accepts}`

const variable = <A>(option: Option<A>, name: string): Config.Config<A> =>
  Config.mapOrFail(Config.string(name), (text) =>
    Either.mapLeft(readVariable(option, text) ?? Either.left(undefined), (error) =>
      error === undefined
        ? ConfigError.MissingData([], `${name} is empty`)
        : ConfigError.InvalidData([], explain(error))
    )
  )

/** The option as a `Config`, read from its environment variables. */
export const toConfig = <A>(option: Option<A>): Config.Config<A> => {
  const [first, ...others] = option.env
  return others
    .reduce(
      (config, name) =>
        Config.orElseIf(config, { if: ConfigError.isMissingDataOnly, orElse: () => variable(option, name) }),
      variable(option, first)
    )
    .pipe(Config.withDefault(option.default), Config.withDescription(option.help))
}

/** A record of options as one `Config`. */
export const toConfigs = <Options extends Readonly<Record<string, Option<unknown>>>>(
  options: Options
): Config.Config<Settings<Options>> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a record that is mapped loses its names
  Config.all(
    Object.fromEntries(Object.entries(options).map(([name, option]) => [name, toConfig(option)]))
  ) as Config.Config<Settings<Options>>
