/**
 * What the package exports, as the compiler of its users sees it: in its declarations.
 *
 * By TypeScript 5.9, which many of them have; and TypeScript 7 has no such interface yet that stays as it is.
 */
import * as path from "node:path"
import ts from "typescript-5.9"
import { manifestOf, ROOT } from "./packed.js"

/** As strict as a user may be. */
export const STRICTEST: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ["lib.es2023.d.ts"],
  types: ["node"],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noPropertyAccessFromIndexSignature: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  noEmit: true
}

/** Something that a user can import. */
export interface Export {
  /** How it is called: `CloseCode.check`, or `answerback/Redis: layer`. */
  readonly name: string
  readonly symbol: ts.Symbol
}

export interface PublicApi {
  readonly checker: ts.TypeChecker
  readonly exports: ReadonlyArray<Export>
}

/** What an alias stands for. */
export const resolved = (checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol =>
  (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)

/** All exports of modules, and those of the modules that these export as a whole. */
export const exportsOf = (
  program: ts.Program,
  modules: ReadonlyArray<readonly [prefix: string, file: string]>
): PublicApi => {
  const checker = program.getTypeChecker()
  const all = (module: ts.Symbol, prefix: string): ReadonlyArray<Export> =>
    checker.getExportsOfModule(module).flatMap((found) => {
      const symbol = resolved(checker, found)
      const name = `${prefix}${found.name}`
      return (symbol.flags & ts.SymbolFlags.ValueModule) === 0 ? [{ name, symbol }] : all(symbol, `${name}.`)
    })
  return {
    checker,
    exports: modules.flatMap(([prefix, file]) => {
      const source = program.getSourceFile(file)
      const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
      if (module === undefined) throw new Error(`${file} is no module: npm run build makes it`)
      return all(module, prefix)
    })
  }
}

/** The exports of the package that has been built. */
export const publicApi = (): PublicApi => {
  const modules = Object.entries(manifestOf(ROOT).exports).flatMap(([entry, targets]) =>
    typeof targets === "string"
      ? []
      : [[entry === "." ? "" : `answerback/${entry.slice(2)}: `, path.join(ROOT, targets.types)] as const]
  )
  const files = modules.map(([, file]) => file)
  return exportsOf(ts.createProgram(files, STRICTEST), modules)
}

/** What has been read, and doesn't change while tests run. */
const read = new Map<string, ts.SourceFile | undefined>()

/** A program of texts by their paths, which needn't be on the disk. */
export const programOf = (texts: ReadonlyMap<string, string>): ts.Program => {
  const host = ts.createCompilerHost(STRICTEST)
  const folders = new Set([...texts.keys()].map((file) => path.dirname(file)))
  return ts.createProgram([...texts.keys()], STRICTEST, {
    ...host,
    fileExists: (file) => texts.has(file) || host.fileExists(file),
    directoryExists: (folder) => folders.has(folder) || ts.sys.directoryExists(folder),
    readFile: (file) => texts.get(file) ?? host.readFile(file),
    getSourceFile: (file, language) => {
      const text = texts.get(file)
      if (text !== undefined) return ts.createSourceFile(file, text, language)
      if (!read.has(file)) read.set(file, host.getSourceFile(file, language))
      return read.get(file)
    }
  })
}
