/**
 * Node's HTTP server: made with or without TLS, with its own limits, and made to listen.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"
import * as http from "node:http"
import type * as net from "node:net"
import { cannotListen, cannotRead, cannotUse, cannotUseCertificate, type StartError } from "./StartError.js"

/** The largest head of a request, in bytes: enough for a browser with all its cookies. */
export const MAX_HEADER_SIZE = 16 * 1024

/** How long an HTTP connection is kept without a request, in milliseconds, and how many requests it may bring. */
const KEEP_ALIVE = 5000
const MAX_REQUESTS = 1000

const LONGEST_TIMER = 2 ** 31 - 1

/** What Node's timers can be asked for: not more milliseconds, and 0 for never. */
export const toTimer = (millis: number): number =>
  millis > LONGEST_TIMER ? 0 : Math.max(1, Math.round(millis))

const settings = (requestTimeout: number): http.ServerOptions => ({
  maxHeaderSize: MAX_HEADER_SIZE,
  keepAliveTimeout: KEEP_ALIVE,
  headersTimeout: toTimer(requestTimeout),
  requestTimeout: toTimer(requestTimeout),
  connectionsCheckingInterval: Math.max(50, Math.min(1000, requestTimeout / 10))
})

/** The key and certificate, and what makes a server of them. Loaded only for TLS. */
const secureServer = (
  tls: { readonly cert: string; readonly key: string },
  requestTimeout: number
): Effect.Effect<http.Server, StartError> =>
  Effect.gen(function* () {
    const read = (what: string, file: string, flag: string) =>
      Effect.tryPromise({
        try: () => fs.readFile(file),
        catch: (cause) => cannotRead(what, file, flag, cause)
      })
    const cert = yield* read("TLS certificate", tls.cert, "tls-cert")
    const key = yield* read("TLS key", tls.key, "tls-key")
    const https = yield* Effect.promise(() => import("node:https"))
    const crypto = yield* Effect.promise(() => import("node:crypto"))
    const certificate = yield* Effect.try({
      try: () => new crypto.X509Certificate(cert),
      catch: (cause) =>
        cannotUse(
          "TLS certificate",
          tls.cert,
          "tls-cert",
          cert.includes("PRIVATE KEY")
            ? `it holds a private key: swapped with ${tls.key}?`
            : "it holds no certificate in PEM form",
          cause
        )
    })
    const privateKey = yield* Effect.try({
      try: () => crypto.createPrivateKey(key),
      catch: (cause) =>
        cannotUse(
          "TLS key",
          tls.key,
          "tls-key",
          key.includes("ENCRYPTED")
            ? "it is encrypted: take the passphrase off, since there is nobody to ask for it"
            : "it holds no private key in PEM form",
          cause
        )
    })
    return yield* Effect.try({
      try: () => {
        // Node itself overlooks a key of another kind than the certificate's, until a client comes.
        if (!certificate.checkPrivateKey(privateKey)) {
          throw new Error("the key does not match the certificate")
        }
        // Half open as in plain HTTP: what a peer sent before it ended its side is still answered.
        return https.createServer({ ...settings(requestTimeout), cert, key, allowHalfOpen: true })
      },
      catch: (cause) => cannotUseCertificate(tls.cert, tls.key, cause)
    })
  })

/** Where a socket listens, as the system has bound it. */
export interface Bound {
  readonly host: string
  readonly port: number
}

const listenOn = (server: net.Server, host: string, port: number): Effect.Effect<Bound, StartError> =>
  Effect.async((resume) => {
    const onError = (cause: Error): void => {
      server.off("listening", onListening)
      resume(Effect.fail(cannotListen(host, port, cause)))
    }
    const onListening = (): void => {
      server.off("error", onError)
      const bound = server.address()
      const isKnown = bound !== null && typeof bound === "object"
      resume(Effect.succeed(isKnown ? { host: bound.address, port: bound.port } : { host, port }))
    }
    server.once("error", onError)
    server.once("listening", onListening)
    server.listen({ host, port })
  })

const isWithoutIPv6 = ({ cause }: StartError): boolean =>
  cause instanceof Error &&
  "code" in cause &&
  (cause.code === "EAFNOSUPPORT" || cause.code === "EADDRNOTAVAIL")

/** Makes a server, with TLS if there are a certificate and a key. */
export const make = (
  tls: { readonly cert: string; readonly key: string } | undefined,
  requestTimeout: number
): Effect.Effect<http.Server, StartError> =>
  Effect.map(
    tls === undefined
      ? Effect.sync(() => http.createServer(settings(requestTimeout)))
      : secureServer(tls, requestTimeout),
    (server) => {
      server.maxRequestsPerSocket = MAX_REQUESTS
      return server
    }
  )

/** Makes it listen; on all addresses, where IPv6 is off on those of IPv4. */
export const listen = (server: net.Server, host: string, port: number): Effect.Effect<Bound, StartError> =>
  Effect.catchIf(
    listenOn(server, host, port),
    (error) => host === "::" && isWithoutIPv6(error),
    () => listenOn(server, "0.0.0.0", port)
  )
