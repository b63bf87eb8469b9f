// Bundles the soak into one file and runs it. In `dist`, from where its imports find their packages, and two folders
// deep like the source, from where it finds the program.
import { build } from "esbuild"
import * as fs from "node:fs"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = fs.mkdtempSync(`${root}dist/soak-`)
const outfile = `${folder}/soak.mjs`
try {
  await build({
    entryPoints: [`${root}test/soak/main.ts`],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20.19",
    sourcemap: "inline"
  })
  await import(pathToFileURL(outfile).href)
} finally {
  fs.rmSync(folder, { recursive: true })
}
