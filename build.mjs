// Builds all that is in the package: the library, module by module; the program, in one bundle; and the console, in one page.
import { decode, encode } from "@jridgewell/sourcemap-codec"
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { readFile, writeFile } from "node:fs/promises"
import * as path from "node:path"

// The library: what can be reached from the entry points in tsconfig.build.json. By its path, since the older compiler that
// the tests have, too, may come first among the commands.
const compiler = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--listEmittedFiles"]
const { status, stdout } = spawnSync(process.execPath, compiler, {
  encoding: "utf8",
  stdio: ["ignore", "pipe", "inherit"]
})
const [said, emitted] = [false, true].map((isFile) =>
  stdout.split("\n").filter((line) => line.startsWith("TSFILE: ") === isFile)
)
process.stdout.write(
  said
    .filter((line) => line !== "")
    .map((line) => `${line}\n`)
    .join("")
)
if (status !== 0) process.exit(status ?? 1)
const built = new Set(emitted.map((line) => path.relative("dist", line.slice("TSFILE: ".length).trim())))

// The program: it starts three times as fast as from its packages, and needs none of them. What only an option or `probe`
// asks for is in files of its own, which are loaded then.
const { metafile } = await build({
  entryPoints: ["src/main.ts"],
  outdir: "dist",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node20.19",
  minify: true,
  keepNames: false,
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  legalComments: "none",
  // `ws` and what it needs are CommonJS, and ask for Node's modules by `require`.
  banner: {
    js: 'import { createRequire as $createRequire } from "node:module";const require=$createRequire(import.meta.url);'
  },
  // Optional accelerators of `ws`.
  external: ["bufferutil", "utf-8-validate"]
})

// What it is bundled from, but for the packages, whose sources aren't in the package: a place in them stays as it is.
for (const file of Object.keys(metafile.outputs)) {
  built.add(path.relative("dist", file))
  if (!file.endsWith(".map")) continue
  const map = JSON.parse(fs.readFileSync(file, "utf8"))
  const own = map.sources.filter((source) => !source.includes("node_modules/"))
  const mappings = decode(map.mappings).map((line) =>
    line.map(([column, source, ...rest]) => {
      const index = source === undefined ? -1 : own.indexOf(map.sources[source])
      return index === -1 ? [column] : [column, index, ...rest]
    })
  )
  fs.writeFileSync(file, JSON.stringify({ ...map, sources: own, mappings: encode(mappings) }))
}

// What was built from sources that are no more, or as a chunk with another content. What runs from here is left alone:
// those files are `.mjs`.
for (const file of fs.readdirSync("dist", { recursive: true }))
  if (/\.(js|d\.ts|map)$/.test(file) && !built.has(file)) fs.rmSync(path.join("dist", file))

// The console.
const { version } = JSON.parse(await readFile("package.json", "utf8"))

/** Bundles for browsers. */
const bundled = async (entryPoint) => {
  const { outputFiles } = await build({
    entryPoints: [entryPoint],
    bundle: true,
    platform: "browser",
    format: "iife",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    minify: true,
    charset: "utf8",
    legalComments: "none",
    define: { ANSWERBACK_VERSION: JSON.stringify(version) },
    write: false
  })
  // What ends an element must not stand inside of it.
  const text = outputFiles[0].text.trim()
  if (/<\/(script|style)|<!--/i.test(text))
    throw new Error(`${entryPoint} can't stand inside an HTML element`)
  return text
}

const script = await bundled("src/console/main.tsx")
const style = await bundled("src/console/style.css")
const hashOf = (text) => `sha256-${createHash("sha256").update(text).digest("base64")}`
const template = await readFile("src/console/index.html", "utf8")
const put = (page, mark, text) => {
  if (!page.includes(mark)) throw new Error(`src/console/index.html has no ${mark}`)
  return page.replace(mark, () => text)
}
const html = [
  ["/* the style */", style],
  ["/* the script */", script]
].reduce(
  (page, [mark, text]) => put(page, mark, text),
  // The hashes are of all that stands inside the elements.
  template.replaceAll(/\s*(\/\* the \w+ \*\/)\s*/g, "$1").replaceAll(/>\s+</g, "><")
)
await writeFile("dist/console.json", JSON.stringify({ html, script: hashOf(script), style: hashOf(style) }))
