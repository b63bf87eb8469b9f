/**
 * What the README has to copy.
 */
import * as fs from "node:fs"

const README = fs.readFileSync(new URL("../../README.md", import.meta.url), "utf8")

/** The blocks of code in a language, in a text, in their order. */
export const blocksOf = (text: string, language: string): ReadonlyArray<string> =>
  [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, found, code = ""]) =>
    found === language ? [code] : []
  )

/** The blocks of code in a language, in all of the README or below one of its headings, in their order. */
export const blocks = (language: string, section?: string): ReadonlyArray<string> => {
  const [, below = ""] = section === undefined ? ["", README] : README.split(`\n## ${section}\n`)
  const [text = ""] = section === undefined ? [below] : below.split("\n## ", 1)
  return blocksOf(text, language)
}
