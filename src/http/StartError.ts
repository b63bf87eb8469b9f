/**
 * Why a server could not start, in words for the person who started it.
 */
import * as Data from "effect/Data"

/**
 * The server could not start. The message is one line: what happened, to what, and what to do.
 *
 * @example
 * ```ts
 * import { EchoServer } from "answerback"
 * import { Effect, Layer } from "effect"
 *
 * // The message is a line for the person who started it; more than that would only be noise.
 * export const program = Layer.launch(EchoServer.layer({ port: 443 })).pipe(
 *   Effect.catchTag("StartError", ({ message }) => Effect.logFatal(message))
 * )
 * ```
 */
export class StartError extends Data.TaggedError("StartError")<{
  readonly message: string
  readonly cause: unknown
}> {}

const codeOf = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Why it could not listen. */
export const cannotListen = (host: string, port: number, cause: unknown): StartError => {
  const what = `cannot listen on port ${port} of ${host}`
  switch (codeOf(cause)) {
    case "EADDRINUSE":
      return new StartError({
        message: `${what}: another program uses it. Stop that, or choose another port with --port`,
        cause
      })
    case "EACCES":
      return new StartError({
        message: `${what}: no right to. Ports below 1024 are privileged on most systems: choose another with --port, or grant it`,
        cause
      })
    case "EADDRNOTAVAIL":
      return new StartError({
        message: `${what}: this machine has no such address. Choose another with --host`,
        cause
      })
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new StartError({ message: `${what}: no such host is known. Choose another with --host`, cause })
    default:
      return new StartError({ message: `${what}: ${messageOf(cause)}`, cause })
  }
}

const fileProblems: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "no right to read it",
  EISDIR: "it is a directory"
}

/** Why a file that an option names could not be read. */
export const cannotRead = (what: string, file: string, flag: string, cause: unknown): StartError =>
  new StartError({
    message: `cannot read the ${what} ${file} (--${flag}): ${fileProblems[codeOf(cause) ?? ""] ?? messageOf(cause)}`,
    cause
  })

/** Why a file that could be read is of no use. */
export const cannotUse = (
  what: string,
  file: string,
  flag: string,
  why: string,
  cause: unknown
): StartError => new StartError({ message: `cannot use the ${what} ${file} (--${flag}): ${why}`, cause })

/** Why a certificate and its key could not be used. */
export const cannotUseCertificate = (cert: string, key: string, cause: unknown): StartError =>
  new StartError({
    message: `cannot use the certificate ${cert} with the key ${key} (--tls-cert, --tls-key): ${messageOf(cause).split("\n")[0]}`,
    cause
  })
