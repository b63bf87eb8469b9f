/**
 * What is in the package, and what its users' tools find in it.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Manifest, manifestOf, pack, type Packed, ROOT, temporaryFolder } from "../support/packed.js"

/** Texts by their paths within the package, such as `dist/index.js`. */
type Files = ReadonlyMap<string, string>

/** What may be in the package at all. */
const kinds: ReadonlyArray<RegExp> = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^docs\/[\w-]+\.md$/,
  /^examples\/[\w-]+\.ts$/,
  /^dist\/([\w-]+\/)*[\w-]+(\.js|\.js\.map|\.d\.ts|\.d\.ts\.map)$/,
  /^dist\/console\.json$/,
  /^src\/([\w-]+\/)*[\w-]+\.ts$/
]

const others = (files: Files): ReadonlyArray<string> =>
  [...files.keys()].filter((file) => !kinds.some((kind) => kind.test(file)))

/** What must be there for people. */
const missing = (files: Files): ReadonlyArray<string> =>
  ["README.md", "LICENSE", "CHANGELOG.md", "dist/console.json"].filter((file) => !files.has(file))

const mapOf = (text: string): { readonly sources: ReadonlyArray<string>; readonly sourceRoot?: string } =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the compilers write
  JSON.parse(text) as { readonly sources: ReadonlyArray<string>; readonly sourceRoot?: string }

const join = (file: string, relative: string): string => path.posix.join(path.posix.dirname(file), relative)

/** Sources of the maps, each with who points to it. */
const sourcesOf = (files: Files): ReadonlyArray<readonly [source: string, map: string]> =>
  [...files].flatMap(([file, text]) => {
    if (!file.endsWith(".map")) return []
    const { sourceRoot = "", sources } = mapOf(text)
    return sources.map((source) => [join(file, sourceRoot + source), file] as const)
  })

/** Maps that point to what isn't there. */
const dangling = (files: Files): ReadonlyArray<string> =>
  sourcesOf(files).flatMap(([source, map]) => (files.has(source) ? [] : [`${map} points to ${source}`]))

/** What a file imports, but for the examples in its documentation. */
const specifiers = (text: string): ReadonlyArray<string> =>
  [
    ...text.replaceAll(/^ *\/\*\*.*?\*\//gms, "").matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g)
  ].map(([, specifier = ""]) => specifier)

const entryPoints = ({ bin, exports }: Manifest): ReadonlyArray<string> =>
  [
    ...Object.values(bin),
    ...Object.values(exports).flatMap((entry) =>
      typeof entry === "string" ? [entry] : [entry.types, entry.default]
    )
  ].map((file) => path.posix.normalize(file))

/** What can be reached from where users come in: by imports, and by what a file says is its map. */
const reached = (files: Files, manifest: Manifest): ReadonlySet<string> => {
  const seen = new Set<string>()
  const visit = (file: string): void => {
    const text = files.get(file)
    if (text === undefined || seen.has(file)) return
    seen.add(file)
    if (file.endsWith(".map")) {
      for (const source of mapOf(text).sources) visit(join(file, source))
      return
    }
    // A source is for reading: what it imports is reached by the maps of what was built from it.
    if (file.startsWith("src/")) return
    const [, map] = /\/\/# sourceMappingURL=(\S+)\s*$/.exec(text) ?? []
    if (map !== undefined) visit(join(file, map))
    for (const specifier of specifiers(text)) {
      if (!specifier.startsWith(".")) continue
      const target = join(file, specifier)
      visit(file.endsWith(".d.ts") ? target.replace(/\.js$/, ".d.ts") : target)
    }
    // A module and its types: each says nothing of the other, but the compiler looks there.
    visit(file.endsWith(".d.ts") ? file.replace(/\.d\.ts$/, ".js") : file.replace(/\.js$/, ".d.ts"))
    if (text.includes("console.json")) visit("dist/console.json")
  }
  for (const file of entryPoints(manifest)) visit(file)
  return seen
}

/** Files that nobody can come to. */
const orphans = (files: Files, manifest: Manifest): ReadonlyArray<string> => {
  const seen = reached(files, manifest)
  return [...files.keys()].filter((file) => /^(dist|src)\//.test(file) && !seen.has(file))
}

/** The program, whose packages are inside of it. */
const isBundled = (file: string): boolean => /^dist\/(main\.js|chunks\/)/.test(file)

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier

/** Packages that are imported, but not installed with this one. */
const strangers = (files: Files, manifest: Manifest): ReadonlyArray<string> => {
  const installed = { ...manifest.dependencies, ...manifest.peerDependencies }
  return [...files].flatMap(([file, text]) =>
    /^dist\/.*\.(js|d\.ts)$/.test(file) && !isBundled(file)
      ? specifiers(text)
          .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
          .map(packageOf)
          .filter((name) => !Object.hasOwn(installed, name))
          .map((name) => `${file} imports ${name}`)
      : []
  )
}

/** Packages that may be left out, and what of this one needs them all the same. */
const demands = (files: Files, manifest: Manifest, optional: string): ReadonlyArray<string> =>
  Object.entries(manifest.exports).flatMap(([name, entry]) => {
    if (typeof entry === "string") return []
    const only = { ...manifest, bin: {}, exports: { [name]: entry } }
    const isDemanded = [...reached(files, only)].some(
      (file) =>
        file.endsWith(".js") &&
        specifiers(files.get(file) ?? "")
          .map(packageOf)
          .includes(optional)
    )
    return isDemanded ? [name] : []
  })

/** Links from page to page that lead nowhere. */
const deadLinks = (files: Files): ReadonlyArray<string> =>
  [...files].flatMap(([file, text]) =>
    file.endsWith(".md")
      ? [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)]
          .map(([, target = ""]) => target)
          .filter((target) => !files.has(join(file, target)))
          .map((target) => `${file} links to ${target}`)
      : []
  )

const filesOf = (folder: string): Files =>
  new Map(
    fs
      .readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .map((file) => [path.relative(folder, file).replaceAll(path.sep, "/"), fs.readFileSync(file, "utf8")])
  )

/** Says what is wrong, if anything is. It is a package of ES modules, and the profile is for those. */
const attw = (tarball: string): Promise<string> => {
  const bin = path.join(ROOT, "node_modules/@arethetypeswrong/cli/dist/index.js")
  const args = [bin, tarball, "--profile", "esm-only", "--no-definitely-typed", "--format", "ascii"]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 120_000 }, (error, stdout, stderr) =>
      // Of a package without any types it finds nothing to say but that.
      resolve(
        error === null && stdout.includes("from ESM") ? "" : `${error?.message ?? ""}\n${stdout}\n${stderr}`
      )
    )
  })
}

const lint = async ({ tarball }: Packed): Promise<ReadonlyArray<string>> => {
  const { messages, pkg } = await publint({
    pack: { tarball: new Uint8Array(await fs.promises.readFile(tarball)).buffer },
    strict: true
  })
  return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code)
}

/** How long the tools of others may take on a busy machine, in milliseconds. */
const SLOW = 150_000

describe("the package", () => {
  const place = temporaryFolder()
  let packed: Packed
  let files: Files
  let manifest: Manifest

  beforeAll(async () => {
    packed = await pack(ROOT, place)
    files = filesOf(packed.folder)
    manifest = manifestOf(packed.folder)
  })
  afterAll(() => fs.promises.rm(place, { recursive: true }))

  it("holds what is needed, and nothing of another kind", () => {
    expect(others(files)).toEqual([])
    expect(missing(files)).toEqual([])
  })

  it("has all sources that its maps point to", () => {
    expect(sourcesOf(files).length).toBeGreaterThan(200)
    expect(dangling(files)).toEqual([])
  })

  it("has no file that nobody can come to", () => {
    expect(orphans(files, manifest)).toEqual([])
  })

  it("imports only what is installed with it", () => {
    expect(strangers(files, manifest)).toEqual([])
  })

  it("needs Redis's client for Redis alone", () => {
    expect(demands(files, manifest, "@redis/client")).toEqual(["./Redis"])
  })

  it("asks of its users for the versions that it is tested with", () => {
    const tested = Object.entries(manifest.peerDependencies).map(([name, range]) => [
      name,
      range.replace(/^\^/, "")
    ])
    for (const [name = "", version] of tested) expect(manifest.devDependencies[name], name).toBe(version)
  })

  it("links from page to page", () => {
    expect(deadLinks(files)).toEqual([])
  })

  it("is built from its entry points, and from no more", () => {
    const config: unknown = JSON.parse(fs.readFileSync(path.join(ROOT, "tsconfig.build.json"), "utf8"))
    const built = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === "string" ? [] : [entry.default.replace("./dist", "src").replace(/\.js$/, ".ts")]
    )
    expect(config).toMatchObject({ files: built })
  })

  it(
    "gives publint nothing to say",
    async () => {
      expect(await lint(packed)).toEqual([])
    },
    SLOW
  )

  it(
    "has the right types, however a module that imports it resolves them",
    async () => {
      expect(await attw(packed.tarball)).toBe("")
    },
    SLOW
  )
})

describe("a package is found wanting", () => {
  const manifest: Manifest = {
    name: "answerback",
    bin: { answerback: "dist/main.js" },
    exports: {
      ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
      "./Redis": { types: "./dist/Redis.d.ts", default: "./dist/Redis.js" }
    },
    dependencies: {},
    peerDependencies: { effect: "^3.0.0", "@redis/client": "^6.0.0" },
    devDependencies: {}
  }
  const map = (...sources: ReadonlyArray<string>) => JSON.stringify({ version: 3, sources, mappings: "" })
  const whole = {
    "dist/main.js": `import{a}from"./chunks/A.js"`,
    "dist/chunks/A.js": `const load = () => import("./B.js")`,
    "dist/chunks/B.js": "",
    "dist/index.js": `import * as Effect from "effect/Effect"\n//# sourceMappingURL=index.js.map`,
    "dist/index.js.map": map("../src/index.ts"),
    "dist/index.d.ts": `export type * from "./types.js"`,
    "dist/types.d.ts": "",
    "dist/Redis.js": `import { createClient } from "@redis/client"`,
    "dist/Redis.d.ts": "",
    "src/index.ts": ""
  }
  const found = (more: Readonly<Record<string, string>>): Files =>
    new Map(Object.entries({ ...whole, ...more }))

  it("only if there is something wrong with it", () => {
    const files = found({ LICENSE: "", "CHANGELOG.md": "", "README.md": "[a](#b) [c](LICENSE)" })
    expect(others(files)).toEqual([])
    expect(dangling(files)).toEqual([])
    expect(orphans(files, manifest)).toEqual([])
    expect(strangers(files, manifest)).toEqual([])
    expect(deadLinks(files)).toEqual([])
    expect(demands(files, manifest, "@redis/client")).toEqual(["./Redis"])
  })

  it.each([
    "test/a.test.ts",
    "src/console/main.tsx",
    "dist/bench-iCdNVd/main.mjs",
    "test-results.json",
    "dist/tsconfig.tsbuildinfo",
    "node_modules/effect/index.js",
    ".npmrc",
    "build.mjs"
  ])("if it holds %s", (file) => {
    expect(others(found({ [file]: "" }))).toEqual([file])
  })

  it("if it lacks what people look for", () => {
    expect(missing(found({ "README.md": "" }))).toEqual(["LICENSE", "CHANGELOG.md", "dist/console.json"])
  })

  it("if a map points to what isn't there", () => {
    expect(
      dangling(found({ "dist/index.js.map": map("../src/index.ts", "../node_modules/effect/a.js") }))
    ).toEqual(["dist/index.js.map points to node_modules/effect/a.js"])
  })

  it.each(["dist/Target.js", "dist/Target.d.ts", "dist/Redis.js.map", "dist/chunks/C.js", "src/Cli.ts"])(
    "if nobody can come to %s",
    (file) => {
      expect(orphans(found({ [file]: file.endsWith(".map") ? map() : "" }), manifest)).toEqual([file])
    }
  )

  it.each([
    ["dist/index.js", `import { WebSocket } from "ws"`],
    ["dist/index.js", `const x = () => import("ws")`],
    ["dist/types.d.ts", `import type { WebSocket } from "ws"`],
    ["dist/types.d.ts", `export type A = import("ws/wrapper").B`]
  ])("if %s says %s, and ws isn't installed with it", (file, text) => {
    expect(strangers(found({ [file]: `/**\n * ${text}\n */\nexport {}` }), manifest)).toEqual([])
    expect(strangers(found({ [file]: text }), manifest)).toEqual([`${file} imports ws`])
    expect(strangers(found({ [file]: text }), { ...manifest, dependencies: { ws: "8" } })).toEqual([])
  })

  it("if what may be left out is needed", () => {
    expect(demands(found({ "dist/index.js": `import "./Redis.js"` }), manifest, "@redis/client")).toEqual([
      ".",
      "./Redis"
    ])
  })

  it("if a link leads nowhere", () => {
    expect(deadLinks(found({ "docs/a.md": "[x](b.md#c) [y](../LICENSE) [z](https://example.com)" }))).toEqual(
      ["docs/a.md links to b.md", "docs/a.md links to ../LICENSE"]
    )
  })

  it(
    "by publint and by attw, if they have something to say",
    async () => {
      const place = temporaryFolder()
      try {
        const folder = path.join(place, "spoiled")
        const spoiled = { ...manifest, version: "1.0.0", type: "module" }
        const exports = { ".": { types: "./index.d.ts", default: "./index.js" } }
        fs.mkdirSync(folder)
        fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ ...spoiled, bin: {}, exports }))
        fs.writeFileSync(path.join(folder, "index.js"), "export const a = 1\n")
        fs.writeFileSync(path.join(folder, "other.d.ts"), "export {}\n")
        const packed = await pack(folder, place)
        expect((await lint(packed)).join("\n")).toContain("./index.d.ts but the file does not exist")
        expect(await attw(packed.tarball)).toContain("no type declarations were found")
      } finally {
        await fs.promises.rm(place, { recursive: true })
      }
    },
    SLOW
  )
})
