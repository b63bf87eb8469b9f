/**
 * The load balancers of the README: started with the configurations that stand there, in which only what belongs to a
 * machine is put in (addresses, paths, limits), or what a test asks for.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { noOpenssl, type Pair, temporaryDirectory } from "../support/certificate.js"
import { eventually } from "../support/eventually.js"
import { freePort } from "../support/freePort.js"
import * as RawClient from "../support/RawClient.js"
import { blocks } from "../support/readme.js"

const SECTION = "Behind a load balancer"

/** Texts of a configuration, and what to put in their places. */
export type Changes = Readonly<Record<string, string>>

/** What a balancer is started with. */
export interface Setting {
  /** The ports of the two servers. */
  readonly servers: readonly [number, number]
  readonly certificate: Pair
  /** What else is to be different from the README. */
  readonly changes?: Changes
}

/** A balancer that listens, with TLS. */
export interface Running {
  readonly port: number
  /** What a client connects to. */
  readonly url: string
  /** What it has written so far. */
  readonly output: () => string
}

export interface Balancer {
  readonly name: string
  /** Why it isn't here, with the command that installs it. */
  readonly missing: string | undefined
  /** The configuration, as it stands in the README. */
  readonly configuration: string
  /** How it writes for how long a connection may be quiet. */
  readonly quiet: string
  /** Lets all paths through, as a careless person would. */
  readonly careless: Changes
  /** Appends to what the client says in `X-Forwarded-For`, as one in a chain does. */
  readonly appending: Changes
  readonly start: (setting: Setting) => Effect.Effect<Running, Error, Scope.Scope>
}

/** The first block of the section in a language. */
const block = (language: string): string => {
  const [code] = blocks(language, SECTION)
  if (code === undefined) throw new Error(`the README has no ${language} in ${SECTION}`)
  return code
}

/** Puts changes into a text; each must have a place. */
export const changed = (text: string, changes: Changes): string =>
  Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`${JSON.stringify(from)} doesn't stand in:\n${text}`)
    return text.replaceAll(from, to)
  }, text)

/** The arguments that the README gives to each server. */
export const recommended: ReadonlyArray<string> = changed(block("sh"), { "10.0.0.10": "127.0.0.1" })
  .trim()
  .split(/\s+/)
  .slice("node dist/main.js".split(" ").length)

/** The first of these commands that can be run. */
const commandOf = (names: ReadonlyArray<string>, args: ReadonlyArray<string>): string | undefined =>
  names.find((name) => spawnSync(name, args).status === 0)

/** A process that listens on a port of 127.0.0.1; it has ended, with those that it has started, when the scope closes. */
const listening = (command: string, args: ReadonlyArray<string>, port: number) =>
  Effect.gen(function* () {
    let output = ""
    let hasEnded = false
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] })
        for (const stream of [child.stdout, child.stderr])
          stream.setEncoding("utf8").on("data", (text: string) => {
            output += text
          })
        child.on("error", (error) => {
          output += error.message
        })
        child.on("close", () => {
          hasEnded = true
        })
        return child
      }),
      (child) =>
        Effect.async<void>((resume) => {
          if (hasEnded) return resume(Effect.void)
          child.once("close", () => resume(Effect.void))
          // To be gone at once; SIGKILL would leave the workers of nginx behind.
          child.kill("SIGTERM")
        })
    )
    const answers = Effect.scoped(Effect.isSuccess(RawClient.open({ port })))
    yield* eventually(
      `${command} ${args.join(" ")} listens`,
      Effect.suspend(() => (hasEnded ? Effect.fail(new Error(`${command} has ended: ${output}`)) : answers))
    ).pipe(Effect.mapError((error) => new Error(`${error.message}; it wrote: ${output}`)))
    return { port, url: `wss://127.0.0.1:${port}/echo`, output: () => output } satisfies Running
  })

const servers = ([one, two]: Setting["servers"]): Changes => ({
  "10.0.0.11:8080": `127.0.0.1:${one}`,
  "10.0.0.12:8080": `127.0.0.1:${two}`
})

/** Only root may become somebody else. */
const isRoot = process.getuid?.() === 0

const nginxCommand = commandOf(["nginx", "/usr/sbin/nginx"], ["-v"])

export const nginx: Balancer = {
  name: "nginx",
  missing:
    nginxCommand === undefined
      ? "no nginx: apt-get install -y --no-install-recommends nginx-light"
      : noOpenssl,
  configuration: block("nginx"),
  quiet: "proxy_read_timeout 60s",
  careless: { "location = /echo": "location /", "    location / {\n      return 404;\n    }\n": "" },
  appending: { "X-Forwarded-For $remote_addr": "X-Forwarded-For $proxy_add_x_forwarded_for" },
  start: ({ certificate, changes = {}, servers: ports }) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const port = yield* freePort
      const paths = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"].map(
        (name) => `${name}_temp_path ${directory}/${name};`
      )
      const text = changed(changed(nginx.configuration, changes), {
        ...servers(ports),
        "listen 443": `listen 127.0.0.1:${port}`,
        "/etc/ssl/echo.example.com.crt": certificate.cert,
        "/etc/ssl/private/echo.example.com.key": certificate.key,
        "http {\n": `http {\n${paths.join("\n")}\naccess_log off;\n`,
        // So many files may be more than this machine has.
        "worker_rlimit_nofile 65536": "worker_rlimit_nofile 1000",
        "worker_connections 50000": "worker_connections 900"
      })
      const file = path.join(directory, "nginx.conf")
      yield* Effect.promise(() => fs.writeFile(file, text))
      const foreground = `daemon off; pid ${directory}/pid;`
      return yield* listening(nginxCommand ?? "", ["-c", file, "-g", foreground], port)
    })
}

const haproxyCommand = commandOf(["haproxy", "/usr/sbin/haproxy"], ["-v"])

export const haproxy: Balancer = {
  name: "HAProxy",
  missing:
    haproxyCommand === undefined
      ? "no haproxy: apt-get install -y --no-install-recommends haproxy"
      : noOpenssl,
  configuration: block("haproxy"),
  quiet: "timeout tunnel 60s",
  careless: { "  http-request deny deny_status 404 unless { path /echo }\n": "" },
  appending: { "http-request set-header X-Forwarded-For %[src]": "option forwardfor" },
  start: ({ certificate, changes = {}, servers: ports }) =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const port = yield* freePort
      const pem = path.join(directory, "both.pem")
      const files = yield* Effect.promise(() =>
        Promise.all([certificate.cert, certificate.key].map((file) => fs.readFile(file, "utf8")))
      )
      const text = changed(changed(haproxy.configuration, changes), {
        ...servers(ports),
        "bind :443": `bind 127.0.0.1:${port}`,
        "/etc/haproxy/certs/echo.example.com.pem": pem,
        // So many files may be more than this machine has.
        "maxconn 20000": "maxconn 400",
        ...(isRoot ? {} : { "  user haproxy\n  group haproxy\n": "" })
      })
      const file = path.join(directory, "haproxy.cfg")
      yield* Effect.promise(() => Promise.all([fs.writeFile(pem, files.join("")), fs.writeFile(file, text)]))
      return yield* listening(haproxyCommand ?? "", ["-db", "-f", file], port)
    })
}
