/**
 * What keeps the program from listening ends it with exit code 1, and one line that says why.
 */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { writeFile } from "node:fs/promises"
import * as path from "node:path"
import { describe, expect } from "vitest"
import {
  encryptKey,
  noOpenssl,
  type Pair,
  rsaKey,
  selfSigned,
  temporaryDirectory
} from "../support/certificate.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import { liveUnless, liveWithTool } from "../support/skip.js"

/** Runs the program, and gives the one line with which it ends. */
const failure = (options: Program.ProgramOptions) =>
  Effect.map(Program.run(options), ({ code, signal, stderr, stdout }) => {
    expect({ code, signal, stdout }, stderr).toEqual({ code: 1, signal: null, stdout: "" })
    expect(stderr).toMatch(/^answerback: [^\n]+\n$/)
    return stderr
  })

/** A user without rights, where this one has them all. */
const NOBODY = 65_534

const isRoot = process.getuid?.() === 0
const unprivileged = isRoot ? { user: NOBODY } : {}

/** Why nothing can be run as a user without rights here: the program may lie where only root can read. */
const noUnprivileged = (): string | undefined => {
  if (!isRoot) return undefined
  const script = "fs.accessSync(process.argv[1], fs.constants.R_OK)"
  const { status } = spawnSync(process.execPath, ["-e", script, Program.MAIN], {
    uid: NOBODY,
    gid: NOBODY,
    stdio: "ignore"
  })
  return status === 0 ? undefined : `only root can read ${Program.MAIN}`
}

/** Why any user can listen on any port here. */
const noPrivilegedPorts = (): string | undefined => {
  if (process.platform !== "linux") return "privileged ports are looked for on Linux only"
  const first = fs.readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8").trim()
  return Number(first) > 1 ? undefined : `ports from ${first} on are open to all users`
}

describe("the program can't start, and says so in one line,", () => {
  live("when another program uses the port", () =>
    Effect.gen(function* () {
      const other = yield* Program.start()
      const line = yield* failure({ args: ["--port", String(other.port)] })
      expect(line).toContain(`port ${other.port}`)
      expect(line).toContain("127.0.0.1")
      expect(line).toContain("--port")
    })
  )

  liveUnless(noPrivilegedPorts() ?? noUnprivileged(), "when the user has no right to the port", () =>
    Effect.gen(function* () {
      const line = yield* failure({ args: ["--port", "1"], ...unprivileged })
      expect(line).toContain("port 1 ")
      expect(line).toContain("no right")
    })
  )

  live("when the machine has no such address", () =>
    Effect.gen(function* () {
      // Nobody has it: it is for documentation (RFC 5737).
      const line = yield* failure({ args: ["--host", "192.0.2.1"] })
      expect(line).toContain("192.0.2.1")
      expect(line).toContain("--host")
    })
  )
})

interface BadFile {
  readonly what: string
  /** Prepares the file, and gives the arguments. */
  readonly args: (
    pair: Pair,
    directory: string
  ) => Effect.Effect<{ readonly cert?: string; readonly key?: string }>
  /** What the line says, beside the name of the file. */
  readonly says: RegExp
}

const write = (file: string, text: string) =>
  Effect.as(
    Effect.promise(() => writeFile(file, text)),
    file
  )

const badFiles: ReadonlyArray<BadFile> = [
  {
    what: "the certificate doesn't exist",
    args: (_, directory) => Effect.succeed({ cert: path.join(directory, "nowhere.pem") }),
    says: /no such file/
  },
  {
    what: "the key doesn't exist",
    args: (_, directory) => Effect.succeed({ key: path.join(directory, "nowhere.pem") }),
    says: /no such file/
  },
  {
    what: "the certificate is a directory",
    args: (_, cert) => Effect.succeed({ cert }),
    says: /directory/
  },
  {
    what: "the certificate is none",
    args: (_, directory) =>
      Effect.map(write(path.join(directory, "text.pem"), "Certificates are boring.\n"), (cert) => ({ cert })),
    says: /--tls-cert\): it holds no certificate in PEM form/
  },
  {
    what: "the certificate is empty",
    args: (_, directory) => Effect.map(write(path.join(directory, "empty.pem"), ""), (cert) => ({ cert })),
    says: /--tls-cert\): it holds no certificate in PEM form/
  },
  {
    what: "the certificate is cut off",
    args: ({ cert }, directory) =>
      Effect.map(
        write(path.join(directory, "half.pem"), fs.readFileSync(cert, "utf8").slice(0, 300)),
        (half) => ({ cert: half })
      ),
    says: /--tls-cert\): it holds no certificate in PEM form/
  },
  {
    what: "the key is none",
    args: (_, directory) =>
      Effect.map(write(path.join(directory, "text.pem"), "Keys are boring, too.\n"), (key) => ({ key })),
    says: /--tls-key\): it holds no private key in PEM form/
  },
  {
    what: "the files are swapped",
    args: ({ cert, key }) => Effect.succeed({ cert: key, key: cert }),
    says: /--tls-cert\): it holds a private key/
  },
  {
    what: "the key wants a passphrase",
    args: ({ key }) => Effect.map(encryptKey(key), (encrypted) => ({ key: encrypted })),
    says: /--tls-key\): it is encrypted/
  }
]

describe("the program can't start with TLS, and says so in one line,", () => {
  for (const { args, says, what } of badFiles) {
    liveWithTool(noOpenssl, `when ${what}`, () =>
      Effect.gen(function* () {
        const pair = yield* selfSigned
        const directory = yield* temporaryDirectory
        const bad = yield* args(pair, directory)
        const { cert, key } = { ...pair, ...bad }
        const line = yield* failure({ args: ["--tls-cert", cert, "--tls-key", key] })
        for (const file of Object.values(bad)) expect(line).toContain(file)
        expect(line).toMatch(says)
        expect(line).toMatch(/--tls-(cert|key)/)
      })
    )
  }

  liveUnless(noOpenssl ?? noUnprivileged(), "when the user has no right to read the key", () =>
    Effect.gen(function* () {
      const { args, cert, key } = yield* selfSigned
      fs.chmodSync(path.dirname(cert), 0o755)
      fs.chmodSync(cert, 0o644)
      fs.chmodSync(key, 0o000)
      const line = yield* failure({ args, ...unprivileged })
      expect(line).toContain(key)
      expect(line).toContain("--tls-key")
      expect(line).toContain("no right")
    })
  )

  liveWithTool(noOpenssl, "when the key belongs to another certificate", () =>
    Effect.gen(function* () {
      const one = yield* selfSigned
      const other = yield* selfSigned
      const line = yield* failure({ args: ["--tls-cert", one.cert, "--tls-key", other.key] })
      expect(line).toContain(one.cert)
      expect(line).toContain(other.key)
      expect(line).toMatch(/mismatch|match/)
    })
  )

  liveWithTool(noOpenssl, "when the key is of another kind than that of the certificate", () =>
    Effect.gen(function* () {
      const { cert } = yield* selfSigned
      const key = yield* rsaKey(yield* temporaryDirectory)
      const line = yield* failure({ args: ["--tls-cert", cert, "--tls-key", key] })
      expect(line).toContain(cert)
      expect(line).toContain(key)
    })
  )
})
