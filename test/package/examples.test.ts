/**
 * What the documentation shows is true: each export has an example, and all code compiles, as strictly as it can be.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import ts from "typescript-5.9"
import { describe, expect, it } from "vitest"
import { ROOT } from "../support/packed.js"
import { exportsOf, programOf, type PublicApi, publicApi } from "../support/publicApi.js"
import { blocksOf } from "../support/readme.js"

/** Exports that are there for the package itself, and that nobody else has a use for. */
const inward: ReadonlySet<string> = new Set(["Upgrader.Service"])

interface Documented {
  readonly name: string
  readonly hasDocstring: boolean
  /** The code of its examples. */
  readonly examples: ReadonlyArray<string>
}

const documented = ({ checker, exports }: PublicApi): ReadonlyArray<Documented> =>
  exports.map(({ name, symbol }) => ({
    name,
    hasDocstring: symbol.getDocumentationComment(checker).length > 0,
    examples: symbol
      .getJsDocTags(checker)
      .filter((tag) => tag.name === "example")
      .flatMap(({ text }) => blocksOf(ts.displayPartsToString(text), "ts"))
  }))

const lacking = (api: PublicApi): ReadonlyArray<string> =>
  documented(api).flatMap(({ examples, hasDocstring, name }) =>
    hasDocstring ? (examples.length > 0 ? [] : [`${name}: no example`]) : [`${name}: no docstring`]
  )

/** Pages that show code. */
const pages: ReadonlyArray<string> = [
  "README.md",
  ...fs
    .readdirSync(path.join(ROOT, "docs"))
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`)
]

const blocksOfPages = (): ReadonlyArray<readonly [where: string, code: string]> =>
  pages.flatMap((page) =>
    blocksOf(fs.readFileSync(path.join(ROOT, page), "utf8"), "ts").map(
      (code, index) => [`${page} ${index + 1}`, code] as const
    )
  )

/** What is wrong with code that stands inside the package, by where it comes from. */
const mistakes = (codes: ReadonlyArray<readonly [where: string, code: string]>): ReadonlyArray<string> => {
  const files = new Map(
    codes.map(([where, code], index) => [path.join(ROOT, `example-${index}.ts`), { where, code }])
  )
  const program = programOf(new Map([...files].map(([file, { code }]) => [file, code])))
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText, start = 0 }) => {
    const where = file === undefined ? "" : (files.get(file.fileName)?.where ?? file.fileName)
    const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1
    return `${where}, line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
  })
}

/** How long the compiler may take on a busy machine, in milliseconds. */
const SLOW = 150_000

describe("the package", { timeout: SLOW }, () => {
  const api = publicApi()

  it("has a docstring and an example for each of its exports", () => {
    expect(api.exports.length).toBeGreaterThan(50)
    const late = [...inward].map((name) => `${name}: no example`)
    // Neither more nor fewer: what has got its example, or is gone, goes from the list.
    expect(lacking(api).toSorted()).toEqual(late.toSorted())
  })

  it("has examples that compile", () => {
    const codes = documented(api).flatMap(({ examples, name }) =>
      examples.map((code) => [`the example of ${name}`, code] as const)
    )
    expect(codes.length).toBeGreaterThan(50)
    expect(mistakes(codes)).toEqual([])
  })

  it("has pages whose code compiles", () => {
    const codes = blocksOfPages()
    expect(codes.length).toBeGreaterThan(10)
    expect(mistakes(codes)).toEqual([])
  })
})

describe("documentation is found wanting", () => {
  const index = path.join(ROOT, "examples/index.d.ts")
  const inner = path.join(ROOT, "examples/inner.d.ts")
  const of = (text: string, other = "") =>
    lacking(
      exportsOf(
        programOf(
          new Map([
            [index, text],
            [inner, other]
          ])
        ),
        [["", index]]
      )
    )
  const example = "\n * @example\n * ```ts\n * f()\n * ```"

  it.each([
    ["export declare const a: 1", "a: no docstring"],
    ["/** A. */\nexport declare const a: 1", "a: no example"],
    ["/**\n * A.\n * @example a\n */\nexport interface a {}", "a: no example"],
    ["/**\n * A.\n * @example\n * ```sh\n * a\n * ```\n */\nexport type a = 1", "a: no example"],
    [`/**${example}\n */\nexport declare class a {}`, "a: no docstring"],
    [`export { b as a } from "./inner.js"`, "a: no example"],
    [`export * as a from "./inner.js"`, "a.b: no example"]
  ])("for %s", (text, found) => {
    expect(of(text, "/** B. */\nexport declare const b: 1")).toEqual([found])
  })

  it.each([
    `/**\n * A.\n *${example}\n */\nexport declare const a: 1`,
    `/**\n * A.\n *${example}\n */\nexport type a = 1\n/** A. */\nexport declare const a: a`,
    `export * as a from "./inner.js"`
  ])("but not for %s", (text) => {
    expect(of(text, `/**\n * B.\n *${example}\n */\nexport declare const b: 1`)).toEqual([])
  })

  it("if its code doesn't compile", () => {
    expect(
      mistakes([
        ["a", `import { CloseCode } from "answerback"\nexport const a: number = CloseCode.NORMAL`],
        ["b", `import { CloseCode } from "answerback"\n\nexport const b: string = CloseCode.NORMAL`],
        ["c", `import { Nothing } from "answerback"`],
        ["d", `import { layer } from "answerback/Redis"\nexport const d = layer({})`]
      ])
    ).toEqual([
      "b, line 3: Type 'number' is not assignable to type 'string'.",
      expect.stringContaining("c, line 1: "),
      expect.stringContaining("d, line 2: ")
    ])
  })
})
