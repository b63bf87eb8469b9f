/**
 * What a request asks for: its target (RFC 9112 section 3.2).
 */

/** Scheme and authority, which an absolute form names before the path (RFC 9112 section 3.2.2). */
const absolute = /^https?:\/\/[^/?#]*/i

/** The path of a target, without the query. */
export const pathOf = (target: string): string => {
  const path = target.replace(absolute, "").replace(/[?#].*$/s, "")
  return path === "" ? "/" : path
}

/** Path and query of a target. */
export const originForm = (target: string): string => {
  const rest = target.replace(absolute, "")
  return rest.startsWith("/") ? rest : `/${rest}`
}

/** The parameters of a target. */
export const queryOf = (target: string): URLSearchParams => {
  const start = target.indexOf("?")
  return new URLSearchParams(start < 0 ? "" : target.slice(start).replace(/#.*$/s, ""))
}
