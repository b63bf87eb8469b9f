/**
 * A project of somebody else's that installs the package: it compiles as strictly as it can be, with the compilers that
 * people have, and runs on each version of Node that the package is for.
 */
import * as Effect from "effect/Effect"
import { transform } from "esbuild"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { manifestOf, pack, ROOT, temporaryFolder } from "../support/packed.js"
import { liveUnless } from "../support/skip.js"

/** It installs from the registry, some 150 MB if nothing of that is in npm's cache. */
const reason =
  process.env["CI"] === "true" || process.env["CONSUMER"] === "1"
    ? undefined
    : "installs from the registry: CONSUMER=1 npx vitest run test/package/consumer.test.ts"

/** How long an installation may take, in milliseconds. */
const PATIENCE = 300_000

/** The versions of Node that the package is for, the newest of each. */
const versions = [20, 22, 24, 26]

/** As strict as TypeScript can be with a program that has no part in its library. */
const strictest = {
  target: "ES2023",
  lib: ["ES2023"],
  types: ["node"],
  moduleDetection: "force",
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  noPropertyAccessFromIndexSignature: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  skipLibCheck: false,
  noEmit: true
}

const settings: Readonly<Record<string, object>> = {
  nodenext: { module: "NodeNext", moduleResolution: "NodeNext" },
  bundler: { module: "ESNext", moduleResolution: "bundler" }
}

/** Where the compilers are. They needn't be in the project to compile it. */
const compilers: Readonly<Record<string, string>> = {
  "5.9": path.join(ROOT, "node_modules/typescript-5.9/bin/tsc"),
  "7": path.join(ROOT, "node_modules/typescript/bin/tsc")
}

interface Ran {
  readonly code: number | string
  readonly output: string
}

const run = (command: string, args: ReadonlyArray<string>, cwd: string, timeout: number): Promise<Ran> =>
  new Promise((resolve) => {
    // What would tell the programs in a test how to behave isn't there for strangers.
    const { NODE_OPTIONS: _, ...env } = process.env
    execFile(command, [...args], { cwd, env, timeout, maxBuffer: 2 ** 24 }, (error, stdout, stderr) =>
      resolve({
        code: error === null ? 0 : error.killed === true ? `killed after ${timeout} ms` : (error.code ?? 1),
        output: `${stdout}${stderr}`
      })
    )
  })

/** Installs packages into a folder; an error says that it was the installation which failed, and how. */
const install = async (folder: string, packages: ReadonlyArray<string>): Promise<void> => {
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(
    path.join(folder, "package.json"),
    JSON.stringify({ name: "consumer", private: true, type: "module" })
  )
  const flags = ["--no-save", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]
  const retries = ["--fetch-retries=1", "--fetch-timeout=60000"]
  const { code, output } = await run("npm", ["install", ...flags, ...retries, ...packages], folder, PATIENCE)
  if (code !== 0)
    throw new Error(`could not install ${packages.join(" ")} from the registry (${code}):\n${output}`)
}

/** Those that aren't the one that runs this. */
const others = versions.filter((version) => !process.version.startsWith(`v${version}.`))

describe("a project that has installed the package", () => {
  const place = temporaryFolder()
  const project = path.join(place, "project")
  const nodes = path.join(place, "nodes")

  if (reason === undefined) {
    beforeAll(async () => {
      const { devDependencies, peerDependencies } = manifestOf(ROOT)
      const { tarball } = await pack(ROOT, place)
      const asked = (name: string) => `${name}@${devDependencies[name]}`
      // The one unpacks while the other is still fetched.
      const installed = await Promise.allSettled([
        install(project, [
          tarball,
          ...Object.entries(peerDependencies).map(([name, range]) => `${name}@${range}`),
          ...["@types/node", "@types/ws"].map(asked),
          "ws"
        ]),
        install(
          nodes,
          others.map((version) => `node-${version}@npm:node-${process.platform}-${process.arch}@${version}`)
        )
      ])
      for (const each of installed) if (each.status === "rejected") throw each.reason
      const program = fs.readFileSync(path.join(ROOT, "test/package/consumer/program.ts"), "utf8")
      fs.writeFileSync(path.join(project, "program.ts"), program)
      const { code } = await transform(program, { loader: "ts", format: "esm" })
      fs.writeFileSync(path.join(project, "program.mjs"), code)
      for (const [name, options] of Object.entries(settings))
        fs.writeFileSync(
          path.join(project, `tsconfig.${name}.json`),
          JSON.stringify({ compilerOptions: { ...strictest, ...options }, files: ["program.ts"] })
        )
    }, 2 * PATIENCE)
  }
  afterAll(() => fs.promises.rm(place, { recursive: true, force: true }))

  for (const [version, compiler] of Object.entries(compilers))
    for (const name of Object.keys(settings))
      liveUnless(
        reason,
        `compiles with TypeScript ${version} (${name})`,
        () =>
          Effect.gen(function* () {
            const args = [compiler, "-p", `tsconfig.${name}.json`, "--pretty", "false"]
            expect(yield* Effect.promise(() => run(process.execPath, args, project, 120_000))).toEqual({
              code: 0,
              output: ""
            })
          }),
        150_000
      )

  for (const version of versions)
    liveUnless(reason, `runs on Node ${version}: it serves, talks with its clients, and ends`, () =>
      Effect.gen(function* () {
        const node = others.includes(version)
          ? path.join(nodes, `node_modules/node-${version}/bin/node`)
          : process.execPath
        const { output: found } = yield* Effect.promise(() => run(node, ["--version"], project, 10_000))
        expect(found).toMatch(new RegExp(`^v${version}\\.`))
        const { code, output } = yield* Effect.promise(() => run(node, ["program.mjs"], project, 60_000))
        expect(code, output).toBe(0)
        const last = output.split("\n").find((line) => line.startsWith("{"))
        expect(JSON.parse(last ?? output)).toEqual({
          echoes: ["HELLO", "HELLO", "HELLO"],
          tested: ["Ada: hello", 4000],
          total: 1,
          path: "/shout",
          stopped: "4001 bye",
          faulty: "1000 as asked",
          endings: ["stopped with 4001 bye", "close"],
          last: "1001 server shutting down"
        })
      })
    )
})
