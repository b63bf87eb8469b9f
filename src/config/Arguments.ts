/**
 * Arguments of a command line, told apart: flags with their values, switches, and what stands alone.
 *
 * Node's own `parseArgs` reads them: the command line kit of Effect has flags of its own (`--log-level`, `--wizard`,
 * `--completions`) that would stand between ours, and ends every error alike.
 */
import { parseArgs } from "node:util"

/** What a command line can have. */
export interface Syntax {
  /** Names of flags that have a value, without dashes. */
  readonly flags: ReadonlyArray<string>
  /** Names of flags without a value, and the letters that stand for them. */
  readonly switches: Readonly<Record<string, string | undefined>>
}

/** What stands on a command line. */
export interface Arguments {
  /** The values of each flag that is there, in order. */
  readonly values: ReadonlyMap<string, ReadonlyArray<string>>
  /** The switches that are there, the first one first. */
  readonly switches: ReadonlySet<string>
  readonly positionals: ReadonlyArray<string>
  /** What is wrong, one line each. */
  readonly problems: ReadonlyArray<string>
}

/** Reads arguments, without the program's own name. `seeHelp` is the end of a problem's line. */
export const read = (args: ReadonlyArray<string>, syntax: Syntax, seeHelp: string): Arguments => {
  const flags = syntax.flags.map((name) => [name, { type: "string", multiple: true }] as const)
  const switches = Object.entries(syntax.switches).map(
    ([name, short]) => [name, { type: "boolean", ...(short === undefined ? {} : { short }) }] as const
  )
  const options = Object.fromEntries([...flags, ...switches])
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true
  })
  const problems: Array<string> = []
  const positionals: Array<string> = []
  const values = new Map<string, Array<string>>()
  const on = new Set<string>()
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value)
    if (token.kind !== "option") continue
    const { name, rawName, value } = token
    if (!Object.hasOwn(options, name)) problems.push(`unknown option ${rawName}${seeHelp}`)
    else if (options[name]?.type === "boolean") {
      if (value === undefined) on.add(name)
      else problems.push(`${rawName} takes no value`)
    } else if (token.inlineValue === false && value?.startsWith("--") === true) {
      problems.push(`${rawName} is followed by ${value}, and has no value${seeHelp}`)
    } else values.set(name, [...(values.get(name) ?? []), value ?? ""])
  }
  return { values, switches: on, positionals, problems }
}

const WIDTH = 80

/** Breaks a text into lines of at most 80 columns that begin with the indent. */
export const wrap = (text: string, indent: string): string => {
  const lines: Array<string> = []
  let line = indent
  for (const word of text.split(" ")) {
    if (line.length + word.length > WIDTH && line !== indent) {
      lines.push(line.trimEnd())
      line = indent
    }
    line += `${word} `
  }
  return [...lines, line.trimEnd()].join("\n")
}
