/**
 * How the parts of the source depend on one another, and on what is outside.
 */
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"

const SRC = fileURLToPath(new URL("../src/", import.meta.url))

/** Texts by their paths within the source, such as `http/Listener.ts`. */
type Sources = ReadonlyMap<string, string>

interface Import {
  readonly from: string
  /** What is imported, as it is written. */
  readonly specifier: string
  /** The path within the source, if it is there. */
  readonly target: string | undefined
  /** Whether nothing of it is left at run time. */
  readonly isType: boolean
}

const LONGEST_FILE = 260

/** What each part may import beside itself, from the first to the last. A file of its own is a part. */
const parts: Readonly<Record<string, ReadonlyArray<string>>> = {
  protocol: [],
  // A page in a browser, with tables of its own: the server's modules would bring Effect along.
  console: [],
  "Version.ts": [],
  telemetry: ["protocol", "Version.ts"],
  config: ["protocol"],
  connection: ["protocol"],
  faults: ["protocol", "config", "connection"],
  registry: ["protocol", "connection"],
  room: ["protocol", "config", "connection"],
  http: ["protocol", "config", "connection", "faults", "registry"],
  cluster: ["protocol", "config", "connection", "faults", "registry", "http", "telemetry"],
  admin: ["protocol", "config", "faults", "registry", "http", "cluster", "Version.ts"],
  json: ["protocol"],
  "Json.ts": ["protocol", "connection", "json"],
  "ServerConfig.ts": ["protocol", "config"],
  server: ["protocol", "config", "connection", "faults", "registry", "http", "telemetry", "ServerConfig.ts"],
  "WebSocketServer.ts": [
    "protocol",
    "config",
    "connection",
    "faults",
    "registry",
    "http",
    "cluster",
    "admin",
    "telemetry",
    "ServerConfig.ts",
    "server"
  ],
  "Upgrader.ts": ["http", "registry", "server", "ServerConfig.ts"],
  "EchoServer.ts": [
    "protocol",
    "config",
    "connection",
    "faults",
    "registry",
    "http",
    "cluster",
    "admin",
    "telemetry",
    "ServerConfig.ts",
    "server",
    "WebSocketServer.ts"
  ],
  "index.ts": [
    "protocol",
    "config",
    "connection",
    "faults",
    "registry",
    "http",
    "cluster",
    "admin",
    "telemetry",
    "ServerConfig.ts",
    "server",
    "WebSocketServer.ts",
    "EchoServer.ts",
    "Json.ts",
    "Upgrader.ts",
    "room"
  ],
  "Socket.ts": ["protocol", "connection", "http", "ServerConfig.ts", "WebSocketServer.ts"],
  // For the tests of other programs: no part of a server needs it.
  testing: ["protocol", "connection", "registry", "http", "server", "ServerConfig.ts", "WebSocketServer.ts"],
  probe: ["protocol", "config"],
  "Cli.ts": ["protocol", "config", "telemetry", "ServerConfig.ts", "WebSocketServer.ts", "EchoServer.ts"],
  "main.ts": [
    "protocol",
    "config",
    "connection",
    "faults",
    "registry",
    "http",
    "cluster",
    "admin",
    "telemetry",
    "ServerConfig.ts",
    "server",
    "WebSocketServer.ts",
    "EchoServer.ts",
    "Cli.ts",
    "Version.ts",
    "probe"
  ]
}

interface Door {
  readonly what: string
  readonly matches: RegExp
  readonly isOpenTo: RegExp
  /** Whether types may be imported elsewhere, too. */
  readonly isForValues: boolean
}

/** Where what is outside may be imported. */
const doors: ReadonlyArray<Door> = [
  {
    what: "ws",
    matches: /^ws(\/|$)/,
    isOpenTo: /^(connection\/WsSocket|probe\/Client|testing\/WsClient)\.ts$/,
    isForValues: false
  },
  {
    what: "the network of Node",
    matches: /^(node:)?(http|http2|https|net|tls|dgram|cluster)$/,
    isOpenTo:
      /^(http\/(Detached|HttpServer|Listener|Respond)|config\/Network|cluster\/(Intake|Primary|WorkerLayer|WorkerProcess))\.ts$/,
    isForValues: true
  },
  {
    what: "what is for browsers",
    matches: /^(preact|@preact\/signals|uplot|eventsource-parser)(\/|$)/,
    isOpenTo: /^console\//,
    isForValues: false
  },
  {
    what: "the platform of Effect",
    matches: /^@effect\/platform/,
    isOpenTo:
      /^((http|admin)\/.*|server\/.*|connection\/Connection\.ts|Upgrader\.ts|Socket\.ts|WebSocketServer\.ts|main\.ts|telemetry\/Otlp\.ts)$/,
    isForValues: false
  },
  {
    what: "OpenTelemetry",
    matches: /^@effect\/opentelemetry/,
    isOpenTo: /^telemetry\/Otlp\.ts$/,
    isForValues: false
  },
  {
    what: "Redis",
    matches: /^@redis\//,
    isOpenTo: /^cluster\/RedisClient\.ts$/,
    isForValues: false
  }
]

/** Packages that may be imported at all. */
const packages =
  /^(effect|@effect\/platform|@effect\/platform-node|@effect\/opentelemetry|@redis\/client|ws|preact|@preact\/signals|uplot|eventsource-parser)(\/|$)|^node:/

/** What starts fibers or waits for them has no place where there is only thinking. */
const fibers =
  /^effect\/(Effect|Fiber\w*|Stream|Channel|Sink|Layer|Runtime|ManagedRuntime|Scope|Deferred|Queue|PubSub|Ref|Schedule\w*|STM|T\w+)$/

const clause = String.raw`(?:\*\s+as\s+\w+|\w+|(?:\w+\s*,\s*)?\{[^}]*\})`
const statement = new RegExp(
  String.raw`^(?:import\s+(?:(type)\s+)?${clause}\s+from|export\s+(?:(type)\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from|import)\s*["']([^"']+)["']|\b(?:import|require)\(\s*["'\x60]([^"'\x60]+)["'\x60]\s*\)`,
  "gm"
)

const importsOf = (from: string, text: string): ReadonlyArray<Import> =>
  [...text.matchAll(statement)].map(([, importType, exportType, specifier = "", dynamic]) => {
    const name = dynamic ?? specifier
    return {
      from,
      specifier: name,
      target: name.startsWith(".")
        ? path.posix.join(path.posix.dirname(from), name).replace(/\.js$/, ".ts")
        : undefined,
      isType: (importType ?? exportType) !== undefined
    }
  })

const partOf = (file: string): string => file.split("/")[0] ?? file

const allImports = (sources: Sources): ReadonlyArray<Import> =>
  [...sources].flatMap(([file, text]) => importsOf(file, text))

const say = ({ from, specifier }: Import) => `${from} imports ${specifier}`

/** Imports that go against the direction. */
const backwards = (sources: Sources): ReadonlyArray<string> =>
  allImports(sources).flatMap((found) => {
    if (found.target === undefined) return []
    const [part, other] = [partOf(found.from), partOf(found.target)]
    if (part !== other && !(parts[part]?.includes(other) ?? false)) return [say(found)]
    return sources.has(found.target) || sources.has(`${found.target}x`)
      ? []
      : [`${say(found)}, which is not there`]
  })

/** Parts that have no place in the order. */
const strangers = (sources: Sources): ReadonlyArray<string> =>
  [...new Set([...sources.keys()].map(partOf))].filter((part) => !Object.hasOwn(parts, part))

/** Imports of what is outside by another way than its door. */
const trespasses = (sources: Sources): ReadonlyArray<string> =>
  allImports(sources)
    .filter(({ target }) => target === undefined)
    .flatMap((found) => {
      const isKnown = packages.test(found.specifier)
      const isClosed = doors.some(
        ({ isForValues, isOpenTo, matches }) =>
          matches.test(found.specifier) && !isOpenTo.test(found.from) && !(isForValues && found.isType)
      )
      return isKnown && !isClosed ? [] : [say(found)]
    })

/** Imports of all of a package, where a module of it would do: they cost most of the start. */
const barrels = (sources: Sources): ReadonlyArray<string> =>
  allImports(sources)
    .filter(
      ({ specifier }) => /^(effect|@effect\/[^/]+)$/.test(specifier) || /(^|\/)index\.js$/.test(specifier)
    )
    .map(say)

/** Fibers where there should be none. */
const busyThinkers = (sources: Sources): ReadonlyArray<string> =>
  allImports(sources)
    .filter(
      ({ from, isType, specifier }) =>
        partOf(from) === "protocol" && !isType && (fibers.test(specifier) || specifier.startsWith("node:"))
    )
    .map(say)

/** Files that import one another in a circle. */
const circles = (sources: Sources): ReadonlyArray<string> => {
  const found: Array<string> = []
  const done = new Set<string>()
  const visit = (file: string, way: ReadonlyArray<string>): void => {
    if (way.includes(file)) {
      found.push([...way.slice(way.indexOf(file)), file].join(" -> "))
      return
    }
    if (done.has(file)) return
    for (const { target } of importsOf(file, sources.get(file) ?? ""))
      for (const found of [target ?? "", `${target}x`]) if (sources.has(found)) visit(found, [...way, file])
    done.add(file)
  }
  for (const file of sources.keys()) visit(file, [])
  return found
}

/**
 * Files that are too long to be read in one go. Examples are left out: they are for those who use what stands there, and
 * who reads the file skips them; a file must not be cut in two for having good ones.
 */
const tooLong = (sources: Sources): ReadonlyArray<string> =>
  [...sources].flatMap(([file, text]) => {
    const lines = text
      .replaceAll(/^ *\* @example\n(?: *\*(?!\/)(?! @).*\n)*/gm, "")
      .replace(/\n$/, "")
      .split("\n").length
    return lines > LONGEST_FILE ? [`${file} has ${lines} lines`] : []
  })

/** What isn't documentation, whose examples are whole programs. */
const code = (text: string): string => text.replaceAll(/^ *\/\*\*.*?\*\//gms, "")

/** Fibers that are started outside of any scope. */
const runners = (sources: Sources): ReadonlyArray<string> =>
  [...sources].flatMap(([file, text]) =>
    file === "main.ts"
      ? []
      : [...code(text).matchAll(/\b\w+\.run(?:Fork|Sync|SyncExit|Promise|PromiseExit|Callback|Main)\b/g)].map(
          ([call]) => `${file} calls ${call}`
        )
  )

const sources: Sources = new Map(
  fs
    .readdirSync(SRC, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => [file.replaceAll(path.sep, "/"), fs.readFileSync(path.join(SRC, file), "utf8")])
)

describe("in the source", () => {
  it("imports point one way", () => {
    expect(backwards(sources)).toEqual([])
  })

  it("each part has its place in the order", () => {
    expect(strangers(sources)).toEqual([])
  })

  it("each package from outside has its door", () => {
    expect(trespasses(sources)).toEqual([])
  })

  it("no import takes all of a package", () => {
    expect(barrels(sources)).toEqual([])
  })

  it("the protocol knows no fibers and no Node", () => {
    expect(busyThinkers(sources)).toEqual([])
  })

  it("no files import one another in a circle", () => {
    expect(circles(sources)).toEqual([])
  })

  it("no fiber is started outside of a scope, but for the program itself", () => {
    expect(runners(sources)).toEqual([])
  })

  it(`no file has more than ${LONGEST_FILE} lines`, () => {
    expect(tooLong(sources)).toEqual([])
  })

  it("no import is overlooked here that a bundler sees", async () => {
    const { metafile } = await build({
      absWorkingDir: SRC,
      entryPoints: [...sources.keys()],
      bundle: true,
      packages: "external",
      external: ["*.json"],
      format: "esm",
      jsx: "preserve",
      platform: "node",
      outdir: "nowhere",
      write: false,
      metafile: true
    })
    expect(Object.keys(metafile.inputs).sort()).toEqual([...sources.keys()].sort())
    for (const [file, { imports }] of Object.entries(metafile.inputs)) {
      const seen = importsOf(file, sources.get(file) ?? "").map(
        ({ specifier, target }) => target ?? specifier
      )
      const bundled = imports.map(({ external, original, path: target }) =>
        external === true && !(original ?? target).startsWith(".") ? target : path.posix.normalize(target)
      )
      for (const target of bundled.filter((target) => !target.endsWith(".json")))
        expect(seen, file).toContain(target.replace(/\.tsx$/, ".ts"))
    }
  })
})

describe("a source is found wanting", () => {
  const source = (files: Readonly<Record<string, string>>): Sources => new Map(Object.entries(files))

  it.each([
    ["protocol/A.ts", `import { B } from "../connection/B.js"`],
    ["protocol/A.ts", `import type { B } from "../connection/B.js"`],
    ["protocol/A.ts", `export * from "../connection/B.js"`],
    ["protocol/A.ts", `export * as B from "../connection/B.js"`],
    ["protocol/A.ts", `export { B } from "../connection/B.js"`],
    ["protocol/A.ts", `export type { B } from "../connection/B.js"`],
    ["protocol/A.ts", `import "../connection/B.js"`],
    ["protocol/A.ts", `const load = () => import("../connection/B.js")`],
    ["protocol/A.ts", `type B = import("../connection/B.js").B`],
    ["protocol/A.ts", `import {\n  type A,\n  B\n} from "../connection/B.js"`],
    ["protocol/A.ts", `import B, { C } from "../connection/B.js"`],
    ["config/A.ts", `import { B } from "../connection/B.js"`],
    ["telemetry/A.ts", `import { B } from "../connection/B.js"`]
  ])("if an import goes backwards: in %s, %s", (file, text) => {
    expect(backwards(source({ [file]: `${text}\n`, "connection/B.ts": "" }))).toHaveLength(1)
    expect(backwards(source({ "registry/A.ts": `${text}\n`, "connection/B.ts": "" }))).toEqual([])
  })

  it.each([
    ["connection/A.ts", "../registry/B.js"],
    ["registry/A.ts", "../http/B.js"],
    ["http/A.ts", "../WebSocketServer.js"],
    ["WebSocketServer.ts", "./EchoServer.js"],
    ["WebSocketServer.ts", "./index.js"],
    ["EchoServer.ts", "./Cli.js"],
    ["Cli.ts", "./main.js"],
    ["index.ts", "./main.js"],
    ["index.ts", "./testing/Testing.js"],
    ["server/A.ts", "../testing/Testing.js"],
    ["config/A.ts", "../ServerConfig.js"],
    ["connection/A.ts", "../telemetry/B.js"],
    ["connection/A.ts", "../../test/B.js"]
  ])("if %s imports %s", (file, specifier) => {
    expect(backwards(source({ [file]: `import { B } from "${specifier}"\n` }))).toHaveLength(1)
  })

  it("if an import leads nowhere", () => {
    const text = `import { B } from "./B.ts"\nimport { C } from "./C"\n`
    expect(backwards(source({ "http/A.ts": text, "http/C.ts": "" }))).toHaveLength(2)
  })

  it("if a part has no place", () => {
    expect(strangers(source({ "utils/A.ts": "", "main.ts": "" }))).toEqual(["utils"])
  })

  it.each([
    ["connection/WsTransport.ts", `import { WebSocket } from "ws"`],
    ["connection/WsTransport.ts", `import type { WebSocket } from "ws"`],
    ["http/Listener.ts", `import WebSocket from "ws"`],
    ["WebSocketServer.ts", `import * as http from "node:http"`],
    ["connection/A.ts", `import { connect } from "node:net"`],
    ["connection/A.ts", `import { type Socket } from "node:net"`],
    ["http/Routes.ts", `const tls = await import("node:tls")`],
    ["connection/A.ts", `import * as Socket from "@effect/platform/Socket"`],
    ["registry/A.ts", `import type * as Server from "@effect/platform/HttpServer"`],
    ["main.ts", `const otlp = await import("@effect/opentelemetry/Otlp")`],
    ["cluster/Redis.ts", `import { createClient } from "@redis/client"`],
    ["http/A.ts", `import lodash from "lodash"`],
    ["http/A.ts", `import { render } from "preact"`],
    ["main.ts", `import "wsx"`]
  ])("if a package is imported beside its door: in %s, %s", (file, text) => {
    expect(trespasses(source({ [file]: `${text}\n` }))).toHaveLength(1)
  })

  it.each([
    ["connection/WsSocket.ts", `import { WebSocket } from "ws"`],
    ["http/Listener.ts", `import * as http from "node:http"`],
    ["http/Listener.ts", `const https = () => import("node:https")`],
    ["connection/A.ts", `import type { Socket } from "node:net"`],
    ["http/A.ts", `import * as HttpRouter from "@effect/platform/HttpRouter"`],
    ["connection/A.ts", `import * as Effect from "effect/Effect"`]
  ])("but not if it comes by the door: in %s, %s", (file, text) => {
    expect(trespasses(source({ [file]: `${text}\n` }))).toEqual([])
  })

  it.each([
    `import { Effect } from "effect"`,
    `import type { Effect } from "effect"`,
    `import { HttpRouter } from "@effect/platform"`,
    `import { NodeRuntime } from "@effect/platform-node"`,
    `import { x } from "../index.js"`
  ])("if it takes all of a package: %s", (text) => {
    expect(barrels(source({ "http/A.ts": `${text}\n` }))).toHaveLength(1)
  })

  it("if the protocol has fibers", () => {
    const text = ["Effect", "Fiber", "FiberSet", "Stream", "Deferred"].map(
      (name) => `import * as ${name} from "effect/${name}"\n`
    )
    expect(busyThinkers(source({ "protocol/A.ts": text.join("") }))).toHaveLength(5)
    expect(busyThinkers(source({ "connection/A.ts": text.join("") }))).toEqual([])
  })

  it("if files go round in a circle", () => {
    const files = {
      "http/A.ts": `import { B } from "./B.js"\n`,
      "http/B.ts": `import type { C } from "./C.js"\n`,
      "http/C.ts": `import { A } from "./A.js"\n`,
      "http/D.ts": `import { A } from "./A.js"\n`
    }
    expect(circles(source(files))).toEqual(["http/A.ts -> http/B.ts -> http/C.ts -> http/A.ts"])
    expect(circles(source({ ...files, "http/C.ts": "" }))).toEqual([])
  })

  it("if a fiber is started outside of a scope", () => {
    expect(runners(source({ "http/A.ts": "Effect.runFork(x)\nRuntime.runPromise(r)(x)\n" }))).toHaveLength(2)
    const documented = "/**\n * Effect.runFork(x)\n */\nconst a = 1\n"
    expect(runners(source({ "http/A.ts": documented }))).toEqual([])
    expect(runners(source({ "http/A.ts": `${documented}Effect.runFork(x)\n/** A. */\n` }))).toHaveLength(1)
  })

  it("if a file is too long", () => {
    expect(tooLong(source({ "http/A.ts": "\n".repeat(LONGEST_FILE + 1) }))).toHaveLength(1)
    expect(tooLong(source({ "http/A.ts": "\n".repeat(LONGEST_FILE) }))).toEqual([])
    const example = ` * @example\n * \`\`\`ts\n${" * f()\n".repeat(10)} * \`\`\`\n`
    const rest = "\n".repeat(LONGEST_FILE - 4)
    expect(tooLong(source({ "http/A.ts": `/**\n * A.\n${example} */\n${rest}` }))).toHaveLength(0)
    expect(tooLong(source({ "http/A.ts": `/**\n * A.\n *\n${example} */\n${rest}` }))).toHaveLength(0)
    expect(tooLong(source({ "http/A.ts": `/**\n * A.\n *\n${example} */\n\n${rest}` }))).toHaveLength(1)
    expect(tooLong(source({ "http/A.ts": `/**\n${example} * @returns\n *\n */\n${rest}\n` }))).toHaveLength(1)
  })
})
