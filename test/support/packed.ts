/**
 * The package as a stranger gets it.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const run = promisify(execFile)

/** The repository. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url))

/** What a package says of itself, as far as it matters here. */
export interface Manifest {
  readonly name: string
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

export interface Packed {
  /** The file that would be published. */
  readonly tarball: string
  /** What it holds, unpacked. */
  readonly folder: string
}

/** Packs a folder, into another, as `npm publish` would. What is built must have been built already. */
export const pack = async (source: string, into: string): Promise<Packed> => {
  const { stdout } = await run(
    "npm",
    ["pack", source, "--ignore-scripts", "--json", "--pack-destination", into],
    { cwd: into, timeout: 60_000, maxBuffer: 2 ** 24 }
  )
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what npm prints
  const [{ filename }] = JSON.parse(stdout) as [{ readonly filename: string }]
  const tarball = path.join(into, filename)
  await run("tar", ["-xzf", tarball, "-C", into], { timeout: 60_000 })
  return { tarball, folder: path.join(into, "package") }
}

/** A folder that is gone when the process is, at the latest. */
export const temporaryFolder = (): string => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "answerback-package-"))
  process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What a package in a folder says of itself. */
export const manifestOf = (folder: string): Manifest =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is ours
  JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as Manifest
