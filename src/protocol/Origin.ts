/**
 * Which pages may connect. A browser sends the page's origin with the handshake, and nothing but this check keeps a
 * foreign page from using the visitor's network position and cookies (RFC 6455 section 10.2).
 */

/** One allowed origin: all of them, an exact one, or the subdomains of one. */
export type Pattern =
  | { readonly _tag: "Any" }
  | { readonly _tag: "Exact"; readonly origin: string }
  | { readonly _tag: "Subdomains"; readonly scheme: string; readonly suffix: string; readonly port: string }

/** Which origins may connect: without a list, only the server's own. */
export type Policy = ReadonlyArray<Pattern>

/** The policy without a list: only pages that this server served itself. */
export const sameOrigin: Policy = []

interface Parts {
  readonly scheme: string
  readonly host: string
  readonly port: string
}

const defaultPorts: Record<string, string> = { http: "80", https: "443" }

// Schemes of apps and browser extensions (`chrome-extension://…`, `capacitor://localhost`) are origins too, and the
// URL parser gives their origin as "null": hence by hand.
const shape = /^([a-z][a-z0-9+.-]*):\/\/(\[[0-9a-f:.]+\]|[^/\\?#@:[\]\s,*]+)(?::([0-9]{1,5}))?$/

const parse = (origin: string): Parts | undefined => {
  const match = shape.exec(origin.toLowerCase())
  if (match === null) return undefined
  const [, scheme = "", host = "", port] = match
  return { scheme, host, port: port ?? defaultPorts[scheme] ?? "" }
}

const serialize = ({ host, port, scheme }: Parts): string => `${scheme}://${host}:${port}`

/** Reads `*`, an exact origin, or `scheme://*.example.com`; `undefined` if it is none of these. */
export const parsePattern = (text: string): Pattern | undefined => {
  if (text === "*") return { _tag: "Any" }
  const wildcard = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/)\*\.(.+)$/.exec(text)
  const parts = parse(wildcard === null ? text : `${wildcard[1]}${wildcard[2]}`)
  if (parts === undefined) return undefined
  return wildcard === null
    ? { _tag: "Exact", origin: serialize(parts) }
    : { _tag: "Subdomains", scheme: parts.scheme, suffix: `.${parts.host}`, port: parts.port }
}

/**
 * Whether a handshake with this `Origin` may go on. Without one the peer is no browser, and nothing is gained by
 * refusing it. `null`, which sandboxed and local pages send, is foreign to everyone.
 *
 * @param own the scheme of this server and the `Host` that the peer asked for.
 */
export const isAllowed = (
  policy: Policy,
  origin: string | undefined,
  own: { readonly scheme: "http" | "https"; readonly host: string | undefined }
): boolean => {
  if (origin === undefined) return true
  if (policy.some((pattern) => pattern._tag === "Any")) return true
  const parts = parse(origin)
  if (parts === undefined) return false
  if (policy.length === 0) {
    const self = parse(`${own.scheme}://${own.host ?? ""}`)
    return self !== undefined && serialize(self) === serialize(parts)
  }
  return policy.some((pattern) => {
    switch (pattern._tag) {
      case "Any":
        return true
      case "Exact":
        return pattern.origin === serialize(parts)
      case "Subdomains":
        return (
          parts.scheme === pattern.scheme &&
          parts.port === pattern.port &&
          parts.host.endsWith(pattern.suffix) &&
          parts.host.length > pattern.suffix.length
        )
    }
  })
}
