/**
 * Where a server is to be found.
 */

/** Where a server listens. */
export interface ServerAddress {
  /** The address, as the system has bound it. */
  readonly host: string
  readonly port: number
  /** What a person opens. */
  readonly url: string
  /** What a client connects to. */
  readonly webSocketUrl: string
}

/** What a person opens, and a client connects to, where a server is bound to an address. */
export const of = (
  bound: { readonly host: string; readonly port: number },
  config: { readonly path: string; readonly tlsCert: string | undefined }
): ServerAddress => {
  const isAny = bound.host === "::" || bound.host === "0.0.0.0"
  const host = isAny ? "localhost" : bound.host.includes(":") ? `[${bound.host}]` : bound.host
  const secure = config.tlsCert === undefined ? "" : "s"
  return {
    ...bound,
    url: `http${secure}://${host}:${bound.port}/`,
    webSocketUrl: `ws${secure}://${host}:${bound.port}${config.path}`
  }
}
