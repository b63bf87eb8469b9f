// Bundles the program: it starts three times as fast as from its packages, and needs none of them. What only an option
// or `probe` asks for is in files of its own, which are loaded then. And the console into one page, with its script and style inside.
import { build } from "esbuild"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { readFile, writeFile } from "node:fs/promises"

// Their names change with what is in them.
fs.rmSync("dist/chunks", { recursive: true, force: true })

await build({
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
  legalComments: "none",
  // `ws` and what it needs are CommonJS, and ask for Node's modules by `require`.
  banner: {
    js: 'import { createRequire as $createRequire } from "node:module";const require=$createRequire(import.meta.url);'
  },
  // Optional accelerators of `ws`.
  external: ["bufferutil", "utf-8-validate"]
})

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
