/**
 * Certificates made for a test, with the `openssl` of the machine: Node can read certificates, but not write them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFile, spawnSync } from "node:child_process"
import { X509Certificate } from "node:crypto"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import * as tls from "node:tls"
import { promisify } from "node:util"

/** Why no certificate can be made here. */
export const noOpenssl: string | undefined =
  spawnSync("openssl", ["version"]).status === 0
    ? undefined
    : "no openssl: apt-get install -y --no-install-recommends openssl"

const openssl = (args: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.asVoid(Effect.promise(() => promisify(execFile)("openssl", [...args])))

/** A directory that is gone when the scope has closed. */
export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(path.join(tmpdir(), "answerback-"))),
  (directory) => Effect.promise(() => fs.rm(directory, { recursive: true, force: true }))
)

/** The files of a certificate and its key, in PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
  /** The arguments that make the program use them. */
  readonly args: ReadonlyArray<string>
  /** Tells this certificate from others. */
  readonly fingerprint: string
}

/** Makes a certificate for `localhost` and 127.0.0.1 that is signed with its own key. */
export const selfSigned: Effect.Effect<Pair, never, Scope.Scope> = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const cert = path.join(directory, "cert.pem")
  const key = path.join(directory, "key.pem")
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
  yield* openssl(["req", "-x509", ...curve, ...names, "-days", "2", "-keyout", key, "-out", cert])
  const { fingerprint256 } = new X509Certificate(yield* Effect.promise(() => fs.readFile(cert)))
  return { cert, key, args: ["--tls-cert", cert, "--tls-key", key], fingerprint: fingerprint256 }
})

/** Makes an RSA key, where that of `selfSigned` is one on an elliptic curve. */
export const rsaKey = (directory: string): Effect.Effect<string> => {
  const key = path.join(directory, "rsa.pem")
  return Effect.as(openssl(["genrsa", "-out", key, "2048"]), key)
}

/** Writes a key once more, so that it can't be read without a passphrase. */
export const encryptKey = (key: string): Effect.Effect<string> => {
  const encrypted = `${key}.encrypted`
  return Effect.as(
    openssl(["pkcs8", "-topk8", "-in", key, "-out", encrypted, "-passout", "pass:secret"]),
    encrypted
  )
}

/** The fingerprint of the certificate that a server on this port shows. */
export const fingerprint = (port: number): Effect.Effect<string, Error> =>
  Effect.async((resume) => {
    const socket = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      const { fingerprint256 } = socket.getPeerCertificate()
      socket.destroy()
      socket.once("close", () => resume(Effect.succeed(fingerprint256)))
    })
    socket.once("error", (error) => resume(Effect.fail(error)))
  })
