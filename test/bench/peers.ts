/**
 * Who is measured.
 */
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { MAIN } from "../support/Program.js"
import type { Command } from "./Processes.js"

/** Somebody who echoes. */
export interface Peer {
  readonly name: string
  /** How it is started; with compression, if it has any. */
  readonly command: (isCompressed: boolean) => Command
  /** Whether it closes its connections when it gets SIGTERM. */
  readonly closesAtStop: boolean
  /** Whether it has an admin API. */
  readonly isSteered: boolean
}

/** Somebody who can't be measured here. */
export interface Missing {
  readonly name: string
  readonly why: string
}

/** A server in the folder of servers. */
export const fileOf = (name: string): string =>
  fileURLToPath(new URL(`../../test/bench/servers/${name}`, import.meta.url))

/** Sets a variable of the environment where there is compression. */
const withVariable = (name: string, isOn: boolean, command: ReadonlyArray<string>): ReadonlyArray<string> =>
  isOn ? ["env", `${name}=on`, ...command] : command

/** As the others are, and with room for what is sent. */
const ARGS = "--host 127.0.0.1 --port 0 --log-format json --max-connections 20000 --max-payload 2MiB".split(
  " "
)

/** The server of this project, with more arguments. */
export const answerbackWith = (name: string, ...args: ReadonlyArray<string>): Peer => ({
  name,
  command: (isCompressed) => ({
    isNode: true,
    command: [MAIN, ...ARGS, "--compression", isCompressed ? "on" : "off", ...args]
  }),
  closesAtStop: true,
  isSteered: true
})

const answerback = answerbackWith("answerback")

const ws: Peer = {
  name: "ws",
  command: (isCompressed) => ({
    isNode: true,
    command: [fileOf("ws.mjs"), ...(isCompressed ? ["--compression"] : [])]
  }),
  closesAtStop: true,
  isSteered: false
}

const platform: Peer = {
  name: "platform",
  command: () => ({ isNode: true, command: [fileOf("platform.mjs")] }),
  closesAtStop: false,
  isSteered: false
}

/** Where Debian puts the sources of Go packages. */
const GO_PACKAGES = "/usr/share/gocode"

const gorilla = (folder: string): Peer | Missing => {
  const program = `${folder}/gorilla`
  try {
    execFileSync("go", ["build", "-o", program, fileOf("gorilla/main.go")], {
      env: { ...process.env, GO111MODULE: "off", GOPATH: GO_PACKAGES, GOCACHE: `${folder}/go`, GOFLAGS: "" },
      stdio: ["ignore", "ignore", "pipe"]
    })
  } catch {
    return {
      name: "gorilla",
      why: "it can't be built: apt-get install golang-go golang-github-gorilla-websocket-dev"
    }
  }
  return {
    name: "gorilla",
    command: (isCompressed) => ({
      isNode: false,
      command: withVariable("GORILLA_COMPRESSION", isCompressed, [program])
    }),
    closesAtStop: false,
    isSteered: false
  }
}

const bun = (): Peer | Missing => {
  const bundled = fileURLToPath(new URL("../../node_modules/@oven/bun-linux-x64/bin/bun", import.meta.url))
  const program = fs.existsSync(bundled) ? bundled : "bun"
  if (spawnSync(program, ["--version"]).status !== 0)
    return { name: "bun", why: "there is none: npm install --no-save @oven/bun-linux-x64" }
  return {
    name: "bun",
    command: (isCompressed) => ({
      isNode: false,
      command: withVariable("BUN_COMPRESSION", isCompressed, [program, fileOf("bun.mjs")])
    }),
    closesAtStop: false,
    isSteered: false
  }
}

/** The name of the one that all ratios are to. */
export const YARDSTICK = ws.name

/** All of them; what has to be built is built into that folder. */
export const all = (folder: string): ReadonlyArray<Peer | Missing> => [
  answerback,
  ws,
  platform,
  gorilla(folder),
  bun()
]
