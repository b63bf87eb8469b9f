/**
 * What is said in the files beside this one is looked at by the compiler: with the sources in `npm run typecheck`, and
 * here with the declarations that a user's compiler has.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const ROOT = fileURLToPath(new URL("../../", import.meta.url))
const HERE = path.join(ROOT, "test/types")
const files = [
  ...fs.readdirSync(HERE).flatMap((file) => (/(?<!\.test)\.ts$/.test(file) ? [`test/types/${file}`] : [])),
  ...fs.readdirSync(path.join(ROOT, "examples")).map((file) => `examples/${file}`)
]

/** What the compiler prints; nothing, when all is well. */
const tsc = (...args: ReadonlyArray<string>): string =>
  spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", ...args], { cwd: ROOT, encoding: "utf8" })
    .stdout

/** The files that a compilation looks at, in this folder and in the package. */
const filesOf = (...args: ReadonlyArray<string>): ReadonlyArray<string> =>
  tsc(...args, "--listFilesOnly")
    .split("\n")
    .filter((file) => !file.includes("node_modules"))
    .map((file) => path.relative(ROOT, file))

/** In milliseconds: the compiler takes its time where other tests run. */
const PATIENCE = 240_000

describe("the types of handlers, endpoints and servers, and those of the examples", () => {
  it(
    "are as they should be for those who use the package",
    () => {
      expect(tsc("--noEmit", "-p", "test/types")).toBe("")
    },
    PATIENCE
  )

  it(
    "are looked at as they are built",
    () => {
      const seen = filesOf("-p", "test/types")
      expect(seen).toEqual(expect.arrayContaining(["dist/index.d.ts", ...files]))
      expect(seen.filter((file) => file.startsWith("src/"))).toEqual([])
    },
    PATIENCE
  )

  it(
    "are looked at with the sources by `npm run typecheck`",
    () => {
      const seen = filesOf()
      expect(seen).toEqual(expect.arrayContaining(["src/index.ts", ...files]))
      expect(seen.filter((file) => file.startsWith("dist/"))).toEqual([])
      expect(fs.readFileSync(path.join(ROOT, "package.json"), "utf8")).toContain(
        `"typecheck": "node node_modules/typescript/bin/tsc --noEmit`
      )
    },
    PATIENCE
  )
})
