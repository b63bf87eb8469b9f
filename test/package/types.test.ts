/**
 * Types are part of the contract: nothing that the package exports is `any`.
 */
import * as path from "node:path"
import ts from "typescript-5.9"
import { describe, expect, it } from "vitest"
import { ROOT } from "../support/packed.js"
import { exportsOf, programOf, type PublicApi, publicApi, resolved } from "../support/publicApi.js"

/** Declarations of packages: what they write is theirs. */
const isForeign = (node: ts.Node): boolean => node.getSourceFile().fileName.includes("/node_modules/")

/** What the compiler writes down of each class that extends Effect's `Data.TaggedError`. */
const FIELDS_OF_AN_ERROR = "A extends Record<string, any> = {}"

/** Members that are private have no types in the declarations. */
const isPrivate = (node: ts.Declaration): boolean =>
  (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private) !== 0 ||
  (ts.isPropertyDeclaration(node) && ts.isPrivateIdentifier(node.name))

const isAny = (type: ts.Type): boolean => (type.flags & ts.TypeFlags.Any) !== 0

const nameOf = (node: ts.Node): string | undefined => {
  const name = ts.getNameOfDeclaration(
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- others have no name
    node as ts.Declaration
  )
  return name === undefined || ts.isComputedPropertyName(name) ? undefined : name.getText()
}

/**
 * The places where a type is `any`, in what is exported, and in whatever of ours that names: as it is written in the
 * declarations, where the compiler has written down what it inferred, and as it is resolved, since a type that isn't
 * found is `any` as well.
 */
const anys = ({ checker, exports }: PublicApi): ReadonlyArray<string> => {
  const found: Array<string> = []
  const seen = new Set<ts.Node>()
  const visitSymbol = (symbol: ts.Symbol, way: ReadonlyArray<string>): void => {
    for (const declaration of symbol.declarations ?? []) {
      if (seen.has(declaration) || isForeign(declaration) || ts.isSourceFile(declaration)) continue
      seen.add(declaration)
      visit(declaration, way)
    }
  }
  const visit = (node: ts.Node, way: ReadonlyArray<string>): void => {
    if (ts.isTypeParameterDeclaration(node) && node.getText() === FIELDS_OF_AN_ERROR) return
    // What a class extends is a value.
    const isType =
      ts.isTypeNode(node) && !(ts.isHeritageClause(node.parent) && ts.isClassLike(node.parent.parent))
    if (isType && isAny(checker.getTypeFromTypeNode(node))) {
      found.push(`${way.join(" > ")}: ${node.getText()}`)
      return
    }
    // What has no type written down.
    if (
      (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isParameter(node)) &&
      node.type === undefined &&
      node.initializer === undefined &&
      !isPrivate(node)
    ) {
      found.push(`${way.join(" > ")}: no type`)
    }
    if (ts.isIdentifier(node)) {
      const symbol = checker.getSymbolAtLocation(node)
      if (symbol !== undefined) {
        const target = resolved(checker, symbol)
        visitSymbol(target, way.at(-1) === target.name ? way : [...way, target.name])
      }
    }
    ts.forEachChild(node, (child) => {
      const name = nameOf(child)
      visit(child, name === undefined || name === way.at(-1) ? way : [...way, name])
    })
  }
  /** What is made of other types has members that are written down nowhere. */
  const visitType = (type: ts.Type, way: ReadonlyArray<string>, depth: number): void => {
    if (isAny(type)) found.push(`${way.join(" > ")} is any`)
    if (depth === 0) return
    if (type.isUnionOrIntersection()) {
      for (const part of type.types) visitType(part, way, depth - 1)
      return
    }
    for (const property of checker.getPropertiesOfType(type)) {
      const declarations = property.declarations ?? []
      if (
        declarations.some((declaration) => isForeign(declaration) || isPrivate(declaration)) ||
        (type.flags & ts.TypeFlags.Object) === 0
      )
        continue
      visitType(checker.getTypeOfSymbol(property), [...way, property.name], depth - 1)
    }
  }
  for (const { name, symbol } of exports) {
    visitSymbol(symbol, [name])
    if ((symbol.flags & ts.SymbolFlags.Type) !== 0)
      visitType(checker.getDeclaredTypeOfSymbol(symbol), [name], 4)
    if ((symbol.flags & ts.SymbolFlags.Value) !== 0)
      visitType(checker.getTypeOfSymbol(symbol), [`typeof ${name}`], 4)
  }
  return [...new Set(found)]
}

/** How long the compiler may take on a busy machine, in milliseconds. */
const SLOW = 150_000

it("no type that the package exports is any", { timeout: SLOW }, () => {
  const api = publicApi()
  expect(api.exports.length).toBeGreaterThan(50)
  expect(anys(api)).toEqual([])
})

describe("a type is found to be any", () => {
  const index = path.join(ROOT, "anys/index.d.ts")
  const inner = path.join(ROOT, "anys/inner.d.ts")
  const of = (text: string, other = "export {}") =>
    anys(
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

  it.each([
    ["export declare const a: any", ["a: any", "typeof a is any"]],
    ["export declare const a", ["a: no type", "typeof a is any"]],
    ["export declare const f: (x: any) => void", ["f > x: any"]],
    ["export declare function f(...rest: Array<any>): void", ["f > rest: any"]],
    ["export interface A { readonly b: { c?: any } }", ["A > b > c: any", "A > b > c is any"]],
    ["export declare class A { b(): Promise<any> }", ["A > b: any"]],
    ["interface B { c: any }\nexport declare const a: () => B\nexport {}", ["a > B > c: any"]],
    ["export type A<T = any> = readonly T[]", ["A > T: any"]],
    [`export declare const a: import("./inner.js").B`, ["a > B > c: any", "typeof a > c is any"]],
    [`export type { B } from "./inner.js"`, ["B > c: any", "B > c is any"]],
    [`export * as B from "./inner.js"`, ["B.B > c: any", "B.B > c is any"]],
    [`import type { B } from "./inner.js"\nexport type A = Pick<B, "c">`, ["A > B > c: any", "A > c is any"]],
    [`export declare const a: import("./nowhere.js").B`, [`a: import("./nowhere.js").B`, "typeof a is any"]],
    [`import type { X } from "no-such-package"\nexport type A = Array<X>`, ["A: X"]]
  ])("in %s", (text, places) => {
    expect(of(text, "export interface B { c: any }")).toEqual(places)
  })

  it.each([
    "export declare const a: unknown",
    "export interface A { any: string }",
    "export declare class A { #b; private c; d: never }",
    `import type * as Layer from "effect/Layer"\nexport declare const a: ReadonlyArray<Layer.Layer.Any>`
  ])("but not in %s", (text) => {
    expect(of(text)).toEqual([])
  })
})
