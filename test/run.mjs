// Bundles one of the programs in this folder into a file, and runs it: `node test/run.mjs soak`. In `dist`, from where its
// imports find their packages, and two folders deep like the source, from where it finds the program.
import { build } from "esbuild"
import * as fs from "node:fs"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))
const [name = ""] = process.argv.splice(2, 1)
const source = `${root}test/${name}`
const folder = fs.mkdtempSync(`${root}dist/${name}-`)
// What it loads others with is a process of its own, where it has one.
const load = `${source}/load/main.ts`
try {
  await build({
    entryPoints: [
      { in: `${source}/main.ts`, out: "main" },
      ...(fs.existsSync(load) ? [{ in: load, out: "load" }] : [])
    ],
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20.19",
    sourcemap: "inline"
  })
  await import(pathToFileURL(`${folder}/main.mjs`).href)
} finally {
  fs.rmSync(folder, { recursive: true })
}
